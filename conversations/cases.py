"""Takes what happened to a case, leaves its status, its trail and its pokes: the only writer of `Case.status`."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models import Agent, Customer, User
from citisocial.clock import now
from conversations import audit, events
from conversations.errors import CaseClosed, CaseMoved, DeadInvitation
from conversations.models import Case, Mention, Survey

Status = Case.Status
WORKED_ON = [Status.ASSIGNED, Status.CONTACTED, Status.CONNECTED]

TRANSITIONS: dict[str, set[str]] = {
    Status.OPEN: {Status.ASSIGNED, Status.RESOLVED},
    Status.ASSIGNED: {Status.CONTACTED, Status.CONNECTED, Status.RESOLVED},
    Status.CONTACTED: {Status.CONNECTED, Status.RESOLVED},
    Status.CONNECTED: {Status.RESOLVED},
    Status.RESOLVED: {Status.OPEN, Status.ASSIGNED, Status.CONTACTED, Status.CONNECTED, Status.CLOSED},
    Status.CLOSED: set(),
}


def transition(
    case: Case,
    to: str,
    *,
    verb: str,
    actor: str,
    user: User | None = None,
    data: dict[str, Any] | None = None,
    **columns: Any,
) -> Case:
    """Move a case along TRANSITIONS, with other columns of the same move, or raise CaseMoved.

    1. The table allows it from the status that we saw. 2. UPDATE ... WHERE status = that status. 3. No row changed:
    somebody was faster. 4. The audit row and the pokes, in the same transaction.
    """
    seen = case.status
    if to not in TRANSITIONS[seen]:
        raise CaseMoved(f"This case is {case.get_status_display().lower()}: look again before you go on.")
    columns = {"status": to, "changed_at": now()} | columns
    with transaction.atomic():
        if not Case.objects.filter(pk=case.pk, status=seen).update(**columns):
            raise CaseMoved
        for name, value in columns.items():
            setattr(case, name, value)
        audit.record(verb, case=case, user=user, actor=actor, data={"from": seen, "to": str(to)} | (data or {}))
        _poke(case, verb)
    return case


def open_case(mentions: Sequence[Mention]) -> dict[int, Case]:
    """The case of each mention (by the mention's pk): the author's open one, or a new one. Once per batch.

    A post joins the open case of its author and brand; it reopens a resolved one; after a closed one it opens a
    new case that is linked to the old. Call it in a transaction that holds the triage lock.
    """
    keys = {(m.brand_id, m.author_id): m for m in sorted(mentions, key=lambda m: m.posted_at, reverse=True)}
    known = _open_cases(keys)
    fresh = _opened({key: mention for key, mention in keys.items() if key not in known})
    _joined(known.values(), {key: m.posted_at for key, m in keys.items()})
    cases = known | fresh
    for brand_id in {brand for brand, _ in keys}:
        posts: dict[int, list[str]] = {}
        for mention in (m for m in mentions if m.brand_id == brand_id):
            posts.setdefault(cases[brand_id, mention.author_id].pk, []).append(mention.external_id)
        events.poke_inbox(brand_id, posts)
    for case in known.values():  # nobody has a new one open yet
        events.poke_case(case.pk, "joined")
    return {m.pk: cases[m.brand_id, m.author_id] for m in mentions}


def _open_cases(keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Case]:
    keys = set(keys)
    found = Case.objects.select_for_update().filter(author_id__in={author for _, author in keys})
    found = found.exclude(status=Status.CLOSED).order_by("author_id")
    return {(c.brand_id, c.author_id): c for c in found if (c.brand_id, c.author_id) in keys}


def _opened(newest: dict[tuple[int, int], Mention]) -> dict[tuple[int, int], Case]:
    """New cases for authors without one, each linked to the author's last closed one."""
    if not newest:
        return {}
    at = now()
    closed = Case.objects.filter(author_id__in={a for _, a in newest}, status=Status.CLOSED).order_by("pk")
    before = {(c.brand_id, c.author_id): c for c in closed}
    fresh = [
        Case(
            brand_id=brand,
            author_id=author,
            language=mention.language or "en",
            topic=next((b["topic"] for b in mention.because if "topic" in b), ""),
            previous=before.get((brand, author)),
            opened_at=at,
            changed_at=at,
            waiting_since=mention.posted_at,
        )
        for (brand, author), mention in newest.items()
    ]
    Case.objects.bulk_create(fresh)
    for case in fresh:
        audit.record(
            "opened", case=case, actor="triage", data={"post": newest[case.brand_id, case.author_id].external_id}
        )
    return {(c.brand_id, c.author_id): c for c in fresh}


def _joined(cases: Iterable[Case], posted: dict[tuple[int, int], datetime]) -> None:
    """A new inbound makes the next move ours, and reopens what was resolved."""
    for case in cases:
        if case.status == Status.RESOLVED:
            reopen(case, actor="triage")
        else:
            owe(case, Case.Move.OURS, since=posted[case.brand_id, case.author_id])


def owe(case: Case, move: str, *, since: datetime | None = None) -> None:
    """Whose move it is now, and since when; a side that owed it already has owed it since then."""
    at = now()
    columns: dict[str, Any] = {"changed_at": at}
    if case.move != move:
        columns |= {"move": move, "waiting_since": since or at}
    Case.objects.filter(pk=case.pk).update(**columns)
    for name, value in columns.items():
        setattr(case, name, value)


def spoken(case: Case, author: Agent | Customer) -> None:
    """One of the two said something: a customer's word reopens a resolved case, and the move is the other's."""
    if case.status == Status.RESOLVED:
        reopen(case, by=author.user, actor="customer")
    else:
        owe(case, Case.Move.THEIRS if isinstance(author, Agent) else Case.Move.OURS)
    events.poke_inbox(case.brand_id, {case.pk: []})


# The same for `conversations.ledger`, which knows many cases at once: by whom `l.agent_id` (or the customer) was the
# last word, at `clock.at`.
SPEAKABLE = "c.status IN ('ASSIGNED', 'CONTACTED', 'CONNECTED') AND c.customer_id IS NOT NULL"
SPOKEN = """
    move = CASE WHEN l.agent_id IS NULL THEN 'ours' ELSE 'theirs' END, changed_at = clock.at,
    waiting_since = CASE WHEN c.move = CASE WHEN l.agent_id IS NULL THEN 'ours' ELSE 'theirs' END
                         THEN c.waiting_since ELSE clock.at END"""


def contacted(case: Case, *, user: User) -> None:
    """Something of ours reached the person: CONTACTED if it was not already further, and the move is theirs."""
    case.refresh_from_db()
    if case.status == Status.ASSIGNED:
        at = now()
        transition(
            case,
            Status.CONTACTED,
            verb="contacted",
            actor="agent",
            user=user,
            move=Case.Move.THEIRS,
            waiting_since=at,
            first_contact_at=case.first_contact_at or at,
        )
    elif case.status in WORKED_ON:
        owe(case, Case.Move.THEIRS)
        _poke(case, "contacted")


def bind(case: Case, customer: Customer) -> None:
    """Both proofs are there: this case is this customer's. DeadInvitation if it is somebody else's already."""
    free_or_theirs = Q(customer=None) | Q(customer=customer)
    if not Case.objects.filter(free_or_theirs, pk=case.pk).update(customer=customer, changed_at=now()):
        raise DeadInvitation("wrong_customer", case=case)
    case.customer = customer
    _poke(case, "proven")


def connect(case: Case, *, user: User) -> None:
    """The customer is in the chat: CONNECTED, from wherever the case was being worked on."""
    if case.status in (Status.ASSIGNED, Status.CONTACTED):
        transition(case, Status.CONNECTED, verb="connected", actor="customer", user=user)


def resolve(case: Case, *, by: User, actor: str = "agent") -> Survey | None:
    """RESOLVED, and a survey offered to the customer; None when nobody ever proved to be one."""
    with transaction.atomic():
        at = now()
        transition(case, Status.RESOLVED, verb="resolved", actor=actor, user=by, resolved_at=at)
        if case.customer_id is None:
            return None
        offered = Survey(case=case, agent=case.agent, offered_at=at)
        Survey.objects.bulk_create([offered], ignore_conflicts=True)
        return Survey.objects.get(case=case, state=Survey.State.OFFERED)


def reopen(case: Case, *, by: User | None = None, actor: str = "agent") -> Case:
    """Back to where it was worked on, with the agent it had; OPEN when it never had one. CaseClosed once closed."""
    if case.status == Status.CLOSED:
        raise CaseClosed
    if case.agent_id is None:
        to = Status.OPEN
    elif case.customer_id is not None:
        to = Status.CONNECTED
    else:
        to = Status.CONTACTED if case.first_contact_at else Status.ASSIGNED
    return transition(
        case,
        to,
        verb="reopened",
        actor=actor,
        user=by,
        resolved_at=None,
        move=Case.Move.OURS,
        waiting_since=now(),
    )


def hand_to(
    case: Case, agent: Agent, *, verb: str, actor: str, user: User | None = None, data: dict[str, Any] | None = None
) -> Case:
    """Give the case to an agent: ASSIGNED from OPEN, otherwise the status stays and the agent changes."""
    data = {"agent": agent.name} | (data or {})
    if case.status == Status.OPEN:
        return transition(case, Status.ASSIGNED, verb=verb, actor=actor, user=user, data=data, agent=agent)
    if case.status not in WORKED_ON:
        raise CaseClosed("Reopen this case before you give it to somebody.")
    with transaction.atomic():
        if not Case.objects.filter(pk=case.pk, agent=case.agent).update(agent=agent, changed_at=now()):
            raise CaseMoved
        case.agent = agent
        audit.record(verb, case=case, user=user, actor=actor, data=data)
        _poke(case, verb)
    return case


def close_quiet(limit: int = 200) -> int:
    """Close what was resolved and has been quiet for RESOLVED_DAYS. Returns how many."""
    before = now() - timedelta(days=settings.RESOLVED_DAYS)
    quiet = Case.objects.filter(status=Status.RESOLVED, resolved_at__lt=before).order_by("resolved_at")[:limit]
    for case in quiet:
        transition(case, Status.CLOSED, verb="closed", actor="cases")
    return len(quiet)


def _poke(case: Case, what: str) -> None:
    events.poke_case(case.pk, what)
    events.poke_inbox(case.brand_id, {case.pk: []})


def newest_mention(case: Case, kind: str = Mention.Kind.POST) -> Mention | None:
    """The newest post (or direct message) of the case that is still there."""
    return case.mentions.filter(kind=kind).exclude(state=Mention.State.DELETED).order_by("-posted_at").first()

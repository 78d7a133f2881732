"""Takes a detail that an agent asks for by name, leaves it sealed until it is read, taken back or over.

The only writer of `SecureRequest.state`. The value is sealed before it touches anything that keeps: no message, no
trail, no poke and no log ever has it, and it is erased with the state that ends it. Whoever changes a request locks
its case first, as the ledger does.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts import sealing
from accounts.models import Agent, Customer, User
from citisocial.clock import now
from conversations import audit, cases, disguises, events, gate, ledger
from conversations.errors import AlreadyAsked, BadText, DetailGone, NotFound
from conversations.masking import first_place
from conversations.models import Case, Message, SecureRequest
from conversations.permissions import may_work_on, may_write

State = SecureRequest.State
LIVE = [State.ASKED, State.ANSWERED]
LABEL = 80
VALUE = 500
AT_ONCE = 5  # that wait for an answer; more would be a form, and a customer who is asked so much should be called

# What every page of ours says that we never ask for. An agent who is tricked, or no agent, must not ask for it here.
NEVER = re.compile(
    r"\b(?:pass ?-?(?:words?|codes?|phrases?)|pins?|p\.i\.n|[iopm]?tans?|otps?|one[- ]?time|cv[vcn]2?|csc|cid"
    r"|(?:security|verification|recovery|authentication|authenticator|login|sms) codes?|2fa|secret)\b"
)
CARD = re.compile(r"\b(?:card|pan)\b")
PART_OF_CARD = re.compile(r"\b(?:last (?:four|4)|ending|type|name on|expir\w+|kind)\b")


@dataclass(frozen=True, slots=True)
class Shown:
    """What an agent's page says of one request: `state` is asked, answered, expired or withdrawn."""

    id: UUID
    label: str
    state: str
    agent: str
    until: datetime
    minutes: int


def ask(case: Case, agent: Agent, *, label: str) -> SecureRequest:
    """A line in the chat that names what is asked for, and a page of its own where the customer may give it."""
    label = _label(label)
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        may_write(case, agent)
        waiting = case.details.filter(state=State.ASKED, expires_at__gt=now()).values_list("label", flat=True)
        if label.casefold() in {one.casefold() for one in waiting}:
            raise AlreadyAsked(_("They were asked for this already and have not answered yet."))
        if len(waiting) >= AT_ONCE:
            raise AlreadyAsked(_("%(n)d details wait for an answer. Wait, or take one back.") % {"n": AT_ONCE})
        line = ledger.append(case, kind=Message.Kind.ASKED, author=agent, text=label)
        at = now()
        asked = SecureRequest.objects.create(
            case=case, message=line, agent=agent, label=label, state=State.ASKED, asked_at=at, expires_at=at + _life()
        )
        cases.owe(case, Case.Move.THEIRS)
        _tell(asked, "detail_asked", user=agent.user, actor="agent")
    return asked


@sensitive_variables("value")
def give(asked: SecureRequest, customer: Customer, *, value: str) -> None:
    """Seal the answer, once. It lives for DETAIL_MINUTES from now; DetailGone when there is nothing to answer."""
    value = value.replace("\x00", "").strip()
    if not value:
        raise BadText(_("Write something first."))
    if len(value) > VALUE:
        raise BadText(_("%(limit)d characters at most.") % {"limit": VALUE})
    sealed = sealing.seal(value.encode(), bound_to=_bound(asked))
    with transaction.atomic():
        case = _locked(asked)
        may_write(case, customer)
        at = now()
        waiting = SecureRequest.objects.filter(pk=asked.pk, state=State.ASKED, expires_at__gt=at)
        if not waiting.update(state=State.ANSWERED, sealed=sealed, answered_at=at, expires_at=at + _life()):
            raise _gone(asked, at)
        _line(asked, case, State.ANSWERED, author=customer)
        cases.spoken(case, customer)
        _tell(asked, "detail_given", user=customer.user, actor="customer")
    asked.refresh_from_db()


def withdraw(asked: SecureRequest, by: Agent | Customer) -> None:
    """The customer would rather not, or takes it back; or the agent does not need it any more. Erased at once."""
    with transaction.atomic():
        case = _locked(asked)
        if isinstance(by, Agent):
            may_work_on(case, by)
        elif case.customer_id != by.pk:
            raise NotFound
        at = now()
        live = SecureRequest.objects.filter(pk=asked.pk, state__in=LIVE, expires_at__gt=at)
        if not live.update(state=State.WITHDRAWN, sealed=b""):
            raise _gone(asked, at)
        _line(asked, case, State.WITHDRAWN, author=by)
        if isinstance(by, Customer) and case.status in cases.WORKED_ON:
            cases.owe(case, Case.Move.OURS)
        _tell(asked, "detail_withdrawn", user=by.user, actor="agent" if isinstance(by, Agent) else "customer")
    asked.refresh_from_db()


@sensitive_variables()
def reveal(asked: SecureRequest, user: User, *, actor: str) -> str:
    """The value, for whoever was permitted (`permissions.case_of_reader`): never without its line in the trail."""
    with transaction.atomic():
        row = SecureRequest.objects.select_for_update(of=["self"]).get(pk=asked.pk)
        at = now()
        if row.state != State.ANSWERED or row.expires_at <= at:
            raise _gone(row, at)
        try:
            value = sealing.unseal(bytes(row.sealed), bound_to=_bound(row)).decode()
        except InvalidTag:
            raise DetailGone(_("This was sealed with another key and cannot be read any more. Ask again.")) from None
        _tell(row, "detail_viewed", user=user, actor=actor)
    return value


def expire(limit: int = 200) -> int:
    """Erase what is over, given or not. Returns how many."""
    over = SecureRequest.objects.filter(state__in=LIVE, expires_at__lte=now()).order_by("expires_at")
    return sum(_expired(asked) for asked in over.select_related("message")[:limit])


def _expired(asked: SecureRequest) -> bool:
    with transaction.atomic():
        case = _locked(asked)
        # Asked again: it may have been given, and so have got another hour, since it was found.
        over = SecureRequest.objects.filter(pk=asked.pk, state__in=LIVE, expires_at__lte=now())
        if not over.update(state=State.EXPIRED, sealed=b""):
            return False
        _line(asked, case, State.EXPIRED, author=None)
        _tell(asked, "detail_expired", user=None, actor="details")
    return True


def of_case(case: Case, public_id: UUID) -> SecureRequest:
    """The request if it is of this case; whose case it is was asked before (`permissions`)."""
    asked = SecureRequest.objects.select_related("case", "message", "agent").filter(case=case, public_id=public_id)
    found = asked.first()
    if found is None:
        raise NotFound
    return found


def is_over(asked: SecureRequest) -> bool:
    """Whether its time is over, also when beat has not come by yet."""
    return asked.state not in LIVE or asked.expires_at <= now()


def shown(case: Case, at: datetime, limit: int = 10) -> list[Shown]:
    """The newest requests of a case, for its agent's page: one query."""
    rows = case.details.select_related("agent").defer("sealed").order_by("-asked_at", "-pk")[:limit]
    return [_shown(row, at) for row in rows]


def waiting(case: Case, at: datetime) -> list[SecureRequest]:
    """What the customer is asked for now, in order: one query."""
    rows = case.details.filter(state=State.ASKED, expires_at__gt=at).select_related("agent").defer("sealed")
    return list(rows.order_by("asked_at", "pk"))


def names() -> list[str]:
    """What an agent may choose from; anything else is typed."""
    found: list[str] = settings.DETAIL_NAMES
    return found


def _shown(row: SecureRequest, at: datetime) -> Shown:
    left = max(timedelta(0), row.expires_at - at)
    state = State.EXPIRED if row.state in LIVE and not left else State(row.state)
    # Rounded up: "0 minutes left" of something that is still there would be a lie.
    minutes = -(-int(left.total_seconds()) // 60)
    return Shown(row.public_id, row.label, state.lower(), row.agent.name, row.expires_at, minutes)


def _label(label: str) -> str:
    """The name of a detail: short, without private numbers or links, and never what we say that we never ask for."""
    label = " ".join(label.replace("\x00", "").split())
    if not label:
        raise BadText(_("Choose or type what you need to know."))
    if len(label) > LABEL:
        raise BadText(_("%(limit)d characters at most: only name it here.") % {"limit": LABEL})
    gate.check(label, kind="chat")
    if found := first_place(label):
        raise BadText(_("Only name what you need to know, without numbers."), start=found[0], end=found[1])
    plain = disguises.plain(label).text.lower().translate(disguises.LATIN)
    if NEVER.search(plain) or (CARD.search(plain) and not PART_OF_CARD.search(plain)):
        raise BadText(_("We promise customers that we never ask for this. Find another way to help them."))
    return label


def _locked(asked: SecureRequest) -> Case:
    return Case.objects.select_for_update().get(pk=asked.case_id)


def _life() -> timedelta:
    return timedelta(minutes=settings.DETAIL_MINUTES)


def _bound(asked: SecureRequest) -> str:
    return f"secure request {asked.pk}"


def _line(asked: SecureRequest, case: Case, text: str, *, author: Agent | Customer | None) -> None:
    ledger.append(case, kind=Message.Kind.ANSWERED, author=author, about=asked.message.seq, text=text.lower())


def _tell(asked: SecureRequest, verb: str, *, user: User | None, actor: str) -> None:
    """Its line in the trail, which names the request and nothing of it; open pages look again."""
    audit.record(verb, case=asked.case, user=user, actor=actor, data={"detail": asked.pk})
    events.poke_case(asked.case_id, verb)
    events.poke_inbox(asked.case.brand_id, {asked.case_id: []})


def _gone(asked: SecureRequest, at: datetime) -> DetailGone:
    """Why there is nothing to give, take back or read, in a sentence."""
    asked.refresh_from_db()
    if asked.state == State.WITHDRAWN:
        return DetailGone(_("This was taken back. Nothing is kept."))
    if asked.state == State.EXPIRED or asked.expires_at <= at:
        return DetailGone(_("The time for this is over. Nothing is kept: it can be asked for again."))
    if asked.state == State.ANSWERED:
        return DetailGone(_("This was answered already, perhaps in another window. The first answer counts."))
    return DetailGone(_("This was not answered yet."))

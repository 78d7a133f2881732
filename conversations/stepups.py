"""Takes an agent's wish to know that it is still the customer, leaves two lines in the chat: asked, and proved.

The proof is allauth's record of the customer's own session (`accounts.factors`): a second factor that was used after
the agent asked, and not long ago. Nothing that a browser sends counts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import factors
from accounts.models import Agent, Customer
from citisocial.clock import now
from conversations import audit, cases, events, ledger
from conversations.errors import AlreadyAsked, NotAsked, NotProven
from conversations.models import Case, Message
from conversations.permissions import may_write

Kind = Message.Kind
NEW = "new-"  # before the method: the factor is of the last day, and adding one takes no more than a password
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest question of a case and what came of it. `proved_at` is None while nobody proved anything.

    `fresh`: it was proved so short a time ago that it still says who is there. `is_new`: with a factor that was
    added less than a day before.
    """

    seq: int
    agent: str
    asked_at: datetime
    proved_at: datetime | None
    fresh: bool
    method: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Proof:
    at: datetime
    method: str
    is_new: bool


def ask(case: Case, agent: Agent) -> Message:
    """Ask the customer to use their second factor once more. AlreadyAsked while they were asked a moment ago."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        may_write(case, agent)
        at = now()
        standing = newest(case, at)
        if standing and standing.proved_at is None and at - standing.asked_at < _span():
            raise AlreadyAsked(_("They were asked already and have not proved it yet."))
        line = ledger.append(case, kind=Kind.CHECK, author=agent)
        cases.owe(case, Case.Move.THEIRS)
        audit.record("check_asked", case=case, user=agent.user, actor="agent", data={"seq": line.seq})
        _poke(case, "check_asked")
    return line


def prove(case: Case, customer: Customer, session: SessionBase) -> Message:
    """Write down that they proved it, if this session says so: once for each question. NotProven otherwise.

    The same again, from another tab or a second press, is harmless.
    """
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        may_write(case, customer)
        at = now()
        asked = _asked(case)
        if asked is None:
            raise NotAsked
        if done := _proved(case, asked.seq):
            return done
        proof = _proof(customer, session, at)
        if proof is None or not asked.sent_at < proof.at or at - proof.at > _span():
            raise NotProven
        text = (NEW if proof.is_new else "") + proof.method
        line = ledger.append(case, kind=Kind.CHECKED, author=customer, about=asked.seq, text=text)
        if case.status in cases.WORKED_ON:
            cases.owe(case, Case.Move.OURS)
        data = {"seq": asked.seq, "method": proof.method, "new_factor": proof.is_new}
        audit.record("check_passed", case=case, user=customer.user, actor="customer", data=data)
        _poke(case, "check_passed")
    return line


def stands(case: Case, customer: Customer, session: SessionBase) -> bool:
    """Whether `prove` would write it down now."""
    asked, at = _asked(case), now()
    proof = _proof(customer, session, at)
    return asked is not None and proof is not None and asked.sent_at < proof.at and at - proof.at <= _span()


def newest(case: Case, at: datetime) -> Standing | None:
    """How the newest question stands, or None when nobody asked: two queries at most."""
    asked = _asked(case)
    if asked is None:
        return None
    done = _proved(case, asked.seq)
    text = done.text if done else ""
    return Standing(
        seq=asked.seq,
        agent=asked.agent.name if asked.agent else "",
        asked_at=asked.sent_at,
        proved_at=done.sent_at if done else None,
        fresh=done is not None and at - done.sent_at < _span(),
        method=text.removeprefix(NEW),
        is_new=text.startswith(NEW),
    )


def open_for(case: Case, at: datetime) -> Standing | None:
    """The question that waits for the customer, or None."""
    standing = newest(case, at)
    return standing if standing and standing.proved_at is None else None


def _asked(case: Case) -> Message | None:
    """The newest question is the one that counts: an older one is answered with it, or by nobody."""
    return case.messages.filter(kind=Kind.CHECK).select_related("agent").order_by("-seq").first()


def _proved(case: Case, seq: int) -> Message | None:
    return case.messages.filter(kind=Kind.CHECKED, about=seq).first()


def _proof(customer: Customer, session: SessionBase, at: datetime) -> _Proof | None:
    """The newest use of a second factor in this session, by this login, of a factor that is still theirs.

    Its age is by the clock that took it, and is counted back from the database's, which the question was written by.
    """
    used = factors.newest(session)
    if used is None or str(session.get(factors.OWNER)) != str(customer.user_id):
        return None
    factor = Authenticator.objects.filter(pk=used.factor, user=customer.user_id, type=used.type).first()
    if factor is None:
        return None
    return _Proof(at - used.age(), used.type, used.since(factor.created_at) < DAY)


def _span() -> timedelta:
    return timedelta(minutes=settings.STEP_UP_MINUTES)


def _poke(case: Case, what: str) -> None:
    events.poke_case(case.pk, what)
    events.poke_inbox(case.brand_id, {case.pk: []})

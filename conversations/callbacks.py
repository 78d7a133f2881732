"""Takes a customer's wish to talk on the phone, leaves a Callback that was worked off: the only writer of Callback.

ME: the bank calls. The number is sealed, shown to the one agent who took the call, and erased when the call is over.
NOW: the customer calls, and says a code that opens the case for whoever answers; the case stays with its own agent.
"""

import hmac
import re
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Agent, Customer, User
from accounts.sealing import seal, unseal
from citisocial.clock import now
from conversations import audit, cases, events, hours, permissions
from conversations.errors import (
    BadText,
    CallOver,
    CallTaken,
    CaseClosed,
    NobodyAnswers,
    NotFound,
    TooManyCalls,
    TooManyCodes,
    WrongCode,
)
from conversations.models import AuditEvent, Brand, Callback, Case

Kind, State = Callback.Kind, Callback.State

DIGITS = re.compile(r"\+[1-9][0-9]{7,14}")  # E.164
WRITTEN_BETWEEN = " \u00a0\u2007\u202f-\u2010\u2011\u2012\u2013./()"
CODE = re.compile(r"[0-9]{6}")
DRAWS = 20  # codes drawn until one is free: a million of them, of which few wait
ASKS = 3  # of each kind, per case in WINDOW
WINDOW = timedelta(hours=1)
GUESSES = 10  # wrong codes an agent may type in GUESSING
GUESSING = timedelta(minutes=15)
AHEAD = timedelta(days=7)  # how far ahead a call can be wished for
SLOTS = 60  # hours that are offered
EARLY = timedelta(minutes=5)  # before the time they chose
LONGEST = timedelta(hours=4)  # a call that is held longer is forgotten, wherever its agent is
PAGE = 50


def ask(case: Case, customer: Customer, *, number: str, at: datetime | None = None) -> Callback:
    """Call me: as soon as somebody answers calls, or at `at`. Takes the place of a call of theirs that still waits."""
    dialled = _dialled(number)
    with transaction.atomic():
        moment = _may_ask(case, customer, Kind.ME)
        wanted = _when(case.brand, at, moment)
        expires = wanted + timedelta(hours=settings.CALL_WAITS_HOURS)
        call = Callback(case=case, kind=Kind.ME, asked_at=moment, wanted_at=wanted, expires_at=expires)
        call.sealed_number = seal(dialled.encode(), bound_to=_binding(call))
        call.number_end = dialled[-2:]
        call.save(force_insert=True)
        _tell(call, "call_asked", actor="customer", user=customer.user)
    return call


def announce(case: Case, customer: Customer) -> tuple[Callback, str]:
    """I call you: the call, and the code to say on the phone. The code is shown now and never again."""
    with transaction.atomic():
        moment = _may_ask(case, customer, Kind.NOW)
        if not case.brand.phone:
            raise NobodyAnswers(_("Nobody answers calls here. Write to us in this chat."))
        if not hours.open_now(case.brand, moment):
            raise NobodyAnswers
        expires = moment + timedelta(minutes=settings.CALL_CODE_MINUTES)
        call = Callback(case=case, kind=Kind.NOW, asked_at=moment, wanted_at=moment, expires_at=expires)
        code = _with_fresh_code(call)
        _tell(call, "call_asked", actor="customer", user=customer.user)
    return call, code


def cancel(case: Case, customer: Customer) -> None:
    """Not any more. CallTaken when somebody is calling already, CallOver when no call waits."""
    with transaction.atomic():
        _theirs(case, customer)
        call = newest(case)
        if call is None or not _end(call, State.CANCELLED, was=State.WAITING):
            raise _why_not(call)
        _tell(call, "call_cancelled", actor="customer", user=customer.user)


def take(call: Callback, agent: Agent) -> str:
    """Mine to call: the number. One of several who take it at once gets it, the others read who has it."""
    with transaction.atomic():
        at = now()
        if call.wanted_at > at + EARLY:
            raise CallOver(_("They asked to be called later. The call can be taken five minutes before its time."))
        waiting = Callback.objects.filter(pk=call.pk, kind=Kind.ME, state=State.WAITING, expires_at__gt=at)
        if not waiting.update(state=State.TAKEN, agent=agent, taken_at=at):
            raise _why_not(call)
        call.refresh_from_db()
        _tell(call, "call_taken", actor="agent", user=agent.user)
        return _opened(call, agent)


def number(call: Callback, agent: Agent) -> str:
    """The number once more, for the one who took the call."""
    with transaction.atomic():
        held = Callback.objects.select_for_update().filter(pk=call.pk, state=State.TAKEN, agent=agent).first()
        if held is None or not held.sealed_number:
            raise _why_not(call)
        return _opened(held, agent)


def finish(call: Callback, agent: Agent, *, reached: bool) -> None:
    """How it ended, said by the one who took it: DONE, or MISSED, after which they may ask again."""
    with transaction.atomic():
        if not _end(call, State.DONE if reached else State.MISSED, was=State.TAKEN, by=agent):
            raise _why_not(call)
        _tell(call, "call_done" if reached else "call_missed", actor="agent", user=agent.user)


def answer(text: str, agent: Agent) -> Case:
    """Somebody is on the phone and says a code: their case. WrongCode, counted; TooManyCodes after ten of them.

    Unknown, over, used, and another bank's are one answer after the same queries: the code is looked for by its MAC.
    """
    typed = "".join(str(unicodedata.decimal(sign)) for sign in text if sign.isdecimal())
    with transaction.atomic():
        at = _one_guess(agent)
        waiting = Callback.objects.select_for_update(of=("self",)).filter(state=State.WAITING, expires_at__gt=at)
        ours = waiting.filter(case__in=permissions.cases_of(agent)).select_related("case")
        call = ours.filter(code_mac=_mac(typed)).first()
        if call is not None and CODE.fullmatch(typed):
            Callback.objects.filter(pk=call.pk).update(state=State.TAKEN, agent=agent, taken_at=at, code_mac=None)
            _tell(call, "call_code_used", actor="agent", user=agent.user)
            return call.case
        audit.record("call_code_wrong", user=agent.user, actor="agent")  # and kept: refused when this is written
    raise WrongCode


def newest(case: Case) -> Callback | None:
    """The last call that was asked for, whatever became of it."""
    return Callback.objects.filter(case=case).select_related("agent").order_by("-asked_at", "-pk").first()


def is_fresh(call: Callback | None, at: datetime) -> bool:
    """Whether it still says something to the two sides: it is open, or was over less than a day ago."""
    return call is not None and (call.ended_at is None or call.ended_at > at - timedelta(days=1))


def slots(brand: Brand, at: datetime) -> list[datetime]:
    """The full hours of the next days at which somebody answers calls."""
    first = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    count = AHEAD // timedelta(hours=1)
    return [hour for n in range(count) if hours.open_now(brand, hour := first + timedelta(hours=n))][:SLOTS]


def waiting_for(agent: Agent, *, after: tuple[datetime, int] | None = None) -> list[Callback]:
    """The open calls of this agent's brands, due first; PAGE of them and one more where there are more."""
    rows = Callback.objects.filter(state__in=[State.WAITING, State.TAKEN], case__brand__in=permissions.brands_of(agent))
    if after is not None:
        at, pk = after
        rows = rows.filter(Q(wanted_at__gt=at) | Q(wanted_at=at, pk__gt=pk))
    related = ("agent", "case__agent", "case__author", "case__customer", "case__brand")
    return list(rows.select_related(*related).order_by("wanted_at", "pk")[: PAGE + 1])


def tend() -> int:
    """Give back what a vanished agent holds, end what is over. Returns how many calls changed."""
    return _each(_forgotten(), _give_back) + _each(_over(), _expire)


# What customers may ask.


def _theirs(case: Case, customer: Customer) -> Case:
    """The case as it is now, locked: asking, taking back and counting of one case go one after the other."""
    held = Case.objects.select_for_update(of=("self",)).filter(pk=case.pk, customer=customer).first()
    if held is None:
        raise NotFound
    return held


def _may_ask(case: Case, customer: Customer, kind: str) -> datetime:
    """Now, with room for a call of this kind: not closed, not too often, none on the way; what waits is taken back."""
    held = _theirs(case, customer)
    if held.status == Case.Status.CLOSED:
        raise CaseClosed
    at = now()
    asked = Callback.objects.filter(case=case, kind=kind, asked_at__gt=at - WINDOW)
    if len(asked.values_list("pk")[:ASKS]) == ASKS:
        raise TooManyCalls
    for call in Callback.objects.filter(case=case, state__in=[State.WAITING, State.TAKEN]):
        if not _end(call, State.CANCELLED, was=State.WAITING):
            raise _why_not(call)
        audit.record("call_cancelled", case=case, user=customer.user, actor="customer", data=_about(call))
    cases.spoken(held, customer)  # like a word of theirs
    return at


def _when(brand: Brand, wished: datetime | None, at: datetime) -> datetime:
    if wished is None:
        return hours.opens_next(brand, at) or at
    if not at <= wished <= at + AHEAD or not hours.open_now(brand, wished):
        raise NobodyAnswers(_("Nobody answers calls at that time. Choose another one."))
    return wished


def _dialled(number: str) -> str:
    """As it is dialled anywhere: + and 8 to 15 digits, whatever stands between them and in whichever script."""
    signs = (sign for sign in number.strip() if sign not in WRITTEN_BETWEEN)
    plain = "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in signs)
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    if not DIGITS.fullmatch(plain):
        raise BadText(_("Write the number with its country code, as in +1 212 555 0123."))
    return plain


def _with_fresh_code(call: Callback) -> str:
    """Store the call under a code that no other waiting call has; the database says which are taken."""
    for _draw in range(DRAWS):
        code = f"{secrets.randbelow(1_000_000):06}"
        call.code_mac = _mac(code)
        try:
            with transaction.atomic():
                call.save(force_insert=True)
        except IntegrityError:
            call.pk = None
            continue
        return code
    raise TooManyCalls(_("Too many people are calling at this moment. Try again in a few minutes."))


def _mac(code: str) -> bytes:
    """What a code is found by; the prefix makes it a key of its own (see links.codes)."""
    return hmac.digest(settings.LINK_KEY.encode(), b"call:" + code.encode(), "sha256")


def _binding(call: Callback) -> str:
    """A sealed number opens in its own row alone."""
    return f"callback:{call.public_id}"


# What agents do with it.


def _opened(call: Callback, agent: Agent) -> str:
    audit.record("number_viewed", case=call.case, user=agent.user, actor="agent", data=_about(call))
    return unseal(bytes(call.sealed_number), bound_to=_binding(call)).decode()


def _one_guess(agent: Agent) -> datetime:
    """One at a time for an agent: fifty at once are counted as fifty. The trail is the counter."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"calls:{agent.pk}"])
    at = now()
    wrong = AuditEvent.objects.filter(verb="call_code_wrong", user=agent.user_id, at__gt=at - GUESSING)
    latest = list(wrong.order_by("-at").values_list("at", flat=True)[:GUESSES])
    if len(latest) == GUESSES:
        raise TooManyCodes(latest[-1] + GUESSING - at)
    return at


def _end(call: Callback, to: str, *, was: str, by: Agent | None = None) -> bool:
    """Over, if it still was that: the number and the code go with it."""
    rows = Callback.objects.filter(pk=call.pk, state=was)
    rows = rows if by is None else rows.filter(agent=by)
    return rows.update(state=to, sealed_number=b"", code_mac=None, ended_at=now()) == 1


def _why_not(call: Callback | None) -> CallTaken | CallOver:
    """Somebody was faster, or it is over: in the words of what it is now."""
    found = call and Callback.objects.select_related("agent").filter(pk=call.pk).first()
    if found and found.state == State.TAKEN and found.agent:
        return CallTaken(_("%(name)s has taken this call.") % {"name": found.agent.name})
    if found and found.state == State.WAITING and found.kind == Kind.NOW:
        return CallOver(_("They call us: type the code that they say."))
    if found and found.state == State.WAITING:
        return CallOver(_("Nobody has taken this call. Take it first."))
    return CallOver()


def _tell(call: Callback, verb: str, *, actor: str, user: User | None = None) -> None:
    """The line of the trail, and open pages look again. Neither says anything of the number or the code."""
    audit.record(verb, case=call.case, user=user, actor=actor, data=_about(call))
    events.poke_case(call.case_id, verb)
    events.poke_inbox(call.case.brand_id, {call.case_id: []})


def _about(call: Callback) -> dict[str, Any]:
    return {"call": call.pk, "kind": str(call.kind)}


# What time does to it.


def _forgotten() -> QuerySet[Callback]:
    """Held for long by somebody whose pages are gone, or for longer than anybody talks."""
    at = now()
    since = at - timedelta(minutes=settings.CALL_HELD_MINUTES)
    gone = Q(agent__seen_at=None) | Q(agent__seen_at__lte=since) | Q(agent__user__is_active=False)
    held = Callback.objects.filter(state=State.TAKEN, taken_at__lte=since)
    return held.filter(gone | Q(taken_at__lte=at - LONGEST))


def _give_back(call: Callback) -> None:
    """It waits again, at once; a code was used when it was said, so such a call is over."""
    if call.kind == Kind.NOW:
        _end(call, State.EXPIRED, was=State.TAKEN)
        _tell(call, "call_expired", actor="callbacks")
        return
    again = now() + timedelta(hours=settings.CALL_WAITS_HOURS)
    Callback.objects.filter(pk=call.pk).update(state=State.WAITING, agent=None, taken_at=None, expires_at=again)
    _tell(call, "call_given_back", actor="callbacks")


def _over() -> QuerySet[Callback]:
    return Callback.objects.filter(state=State.WAITING, expires_at__lte=now())


def _expire(call: Callback) -> None:
    _end(call, State.EXPIRED, was=State.WAITING)
    _tell(call, "call_expired", actor="callbacks")


def _each(rows: QuerySet[Callback], change: Any) -> int:
    """Change each in a transaction of its own, passing over those that somebody is changing."""
    changed = 0
    for pk in list(rows.order_by("pk").values_list("pk", flat=True)[:200]):
        with transaction.atomic():
            locked = rows.select_for_update(skip_locked=True, of=("self",)).select_related("case")
            call = locked.filter(pk=pk).first()
            if call is not None:
                change(call)
                changed += 1
    return changed

"""Takes an agent who cannot go on with a case, leaves a Transfer until somebody answers: the only writer of its state.

The case stays with its agent until a colleague accepts. Whoever ends a transfer does so by one conditional UPDATE under
the lock of the case's row: of an acceptance, a decline, a fall back and a taking back exactly one wins.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts import agents as roster
from accounts.models import Agent, Customer, Team, User
from accounts.permissions import is_supervisor
from citisocial.clock import now
from conversations import audit, cases, desks, events, ledger, notes, permissions
from conversations.errors import CaseClosed, ChatNotOpen, NobodyHere, NotAllowed, TransferOver
from conversations.models import Case, Message, Transfer

State = Transfer.State
LONGEST = 1000  # characters of the note that goes along
ALIVE = Q(case__agent=F("from_agent"), case__status__in=cases.WORKED_ON)  # the case is still whose it was
WITH_PEOPLE = ("case__author", "case__brand", "case__agent", "from_agent", "to_agent", "to_team", "by__agent")


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody a case may be offered to; `available`: online and on shift."""

    agent: Agent
    available: bool
    load: int

    @property
    def value(self) -> str:
        """As a form names them."""
        return f"agent-{self.agent.pk}"


def colleagues(case: Case) -> list[Colleague]:
    """Who of the brand's teams is not offline, those who can take work now first; a fixed number of queries."""
    held = Count("cases", filter=Q(cases__status__in=cases.WORKED_ON), distinct=True)
    team = _there(case).filter(teams__in=_teams(case)).annotate(held=held).prefetch_related("shifts")
    team = team.order_by("name", "pk").distinct()
    at, online = now(), Agent.Availability.ONLINE
    found = [Colleague(a, a.availability == online and roster.on_shift(a, at), a.held) for a in team]
    return sorted(found, key=lambda one: not one.available)


def teams(case: Case) -> list[Team]:
    """The brand's teams in which somebody else is there."""
    return list(_teams(case).filter(Exists(_there(case).filter(teams=OuterRef("pk")))).order_by("name"))


def waiting(case: Case) -> Transfer | None:
    """The offer of this case that nobody has answered yet."""
    return _waiting().filter(case=case).first()


def offered_to(agent: Agent) -> list[Transfer]:
    """What this agent may accept now, the most urgent first: one query."""
    anybody = Q(to_agent=None, to_team=None)
    found = _waiting().filter(Q(to_agent=agent) | Q(to_team__in=agent.teams.all()) | anybody)
    found = found.exclude(from_agent=agent).filter(case__in=permissions.cases_of(agent))
    return list(found.order_by("falls_back_at", "pk"))


def may_answer(transfer: Transfer, agent: Agent) -> bool:
    """Whether this agent was asked, or their team; never whose case it is."""
    if transfer.to_agent_id is not None or agent.pk == transfer.from_agent_id:
        return transfer.to_agent_id == agent.pk
    return transfer.to_team_id is None or agent.teams.filter(pk=transfer.to_team_id).exists()


def offer(case: Case, *, by: User, to_agent: Agent | None = None, to_team: Team | None = None, note: str) -> Transfer:
    """Ask a colleague or a team to go on with the case; until somebody accepts it stays where it is.

    By the case's own agent or a supervisor. Refused: to oneself, to other brands' people, to who is not here, of a case
    that is over or that is being offered already. BadText without a note.
    """
    with transaction.atomic():
        held = _lock(case)
        actor = _may_offer(held, by)
        _end_stale(held)
        if (open_ := waiting(held)) is not None:
            raise TransferOver(_("This case is already offered to %(to)s. Take that back first.") % {"to": name(open_)})
        _may_be_offered(held, to_agent, to_team)
        kept = notes.keep(held, by=by, text=note, longest=LONGEST)
        at = now()
        transfer = Transfer.objects.create(
            case=held,
            by=by,
            from_agent=held.agent,
            to_agent=to_agent,
            to_team=to_team,
            note=kept.text,
            asked_at=at,
            falls_back_at=at + timedelta(seconds=settings.TRANSFER_SECONDS),
        )
        data = {"transfer": transfer.pk, "to": name(transfer), "note": kept.pk}
        _tell(transfer, "offered", actor=actor, user=by, data=data)
    return transfer


def accept(transfer: Transfer, agent: Agent) -> Case:
    """The one asked goes on with the case: exactly one of those who press first. NotAllowed, TransferOver."""
    with transaction.atomic():
        held = _lock(transfer.case)
        transfer = _reread(transfer)
        _may_answer(transfer, agent)
        _end(transfer, State.ACCEPTED, accepted_by=agent)
        if held.agent_id != transfer.from_agent_id or held.status not in cases.WORKED_ON:
            raise TransferOver(_("This case went another way meanwhile. Look again before you go on."))
        _give(held, agent, transfer, verb="transferred", actor="agent", user=agent.user)
    return held


def decline(transfer: Transfer, agent: Agent) -> None:
    """The one asked says no, and the case stays. What a whole team was asked nobody declines for the others."""
    with transaction.atomic():
        _lock(transfer.case)
        transfer = _reread(transfer)
        _may_answer(transfer, agent)
        if transfer.to_agent_id != agent.pk:
            raise NotAllowed(_("Your whole team was asked. Leave it to the others, or accept it."))
        _end(transfer, State.DECLINED)
        _tell(transfer, "declined", actor="agent", user=agent.user, data={"transfer": transfer.pk})


def cancel(transfer: Transfer, by: User) -> None:
    """Whoever may offer the case takes an offer back. NotAllowed, TransferOver."""
    with transaction.atomic():
        held = _lock(transfer.case)
        transfer = _reread(transfer)
        actor = "supervisor" if _is_supervisor_only(held, by) else "agent"
        if actor == "agent" and permissions.agent_of(by) not in (held.agent, transfer.from_agent):
            raise NotAllowed(_("Only %(name)s may take this offer back.") % {"name": held.agent})
        _end(transfer, State.CANCELLED)
        _tell(transfer, "offer_ended", actor=actor, user=by, data={"transfer": transfer.pk})


def fall_back(limit: int = 100) -> int:
    """End what nobody answered in time, or what its case has overtaken. Returns how many were ended.

    The case stays with its agent if they are here. Otherwise the best colleague gets it, as assignment would pick; and
    if nobody is here it stays, and the story says so.
    """
    over = Q(falls_back_at__lte=now()) | ~ALIVE
    due = Transfer.objects.filter(over, state=State.WAITING).order_by("falls_back_at", "pk")[:limit]
    return sum(_fall_back(transfer) for transfer in due.select_related("case"))


def ask_another(case: Case, *, customer: Customer) -> Transfer:
    """The customer does not want to wait for an agent who is away: at once to the best colleague who is here.

    NobodyHere when there is none; NotAllowed while their agent is here; ChatNotOpen, CaseClosed.
    """
    with transaction.atomic():
        desks.alone()
        held = _lock(case)
        if held.customer_id != customer.pk:
            raise ChatNotOpen
        if held.status not in cases.WORKED_ON:
            raise CaseClosed(_("This conversation is over. Write a message, and it opens again."))
        if _is_here(held.agent):
            raise NotAllowed(_("%(name)s is here: write to them. They can pass you on as well.") % {"name": held.agent})
        found = desks.best(held, [desk for desk in desks.of(held.brand) if desk.agent.pk != held.agent_id])
        if found is None:
            raise NobodyHere
        _end_waiting(held)
        at = now()
        transfer = Transfer.objects.create(
            case=held,
            by=customer.user,
            from_agent=held.agent,
            to_agent=found[0].agent,
            accepted_by=found[0].agent,
            state=State.ACCEPTED,
            asked_at=at,
            falls_back_at=at,
            ended_at=at,
        )
        _give(held, found[0].agent, transfer, verb="transferred", actor="customer", user=customer.user)
    return transfer


def name(transfer: Transfer) -> str:
    """To whom it is offered, in words."""
    return str(transfer.to_agent or transfer.to_team or _("anybody"))


def _waiting() -> QuerySet[Transfer]:
    return Transfer.objects.filter(ALIVE, state=State.WAITING).select_related(*WITH_PEOPLE)


def _teams(case: Case) -> QuerySet[Team]:
    return Team.objects.filter(pk__in=case.brand.accounts.filter(active=True).values("team"))


def _there(case: Case) -> QuerySet[Agent]:
    """Everybody who is not offline, but for the case's own agent."""
    there = Agent.objects.filter(user__is_active=True).exclude(availability=Agent.Availability.OFFLINE)
    return there.exclude(pk=case.agent_id) if case.agent_id else there


def _lock(case: Case) -> Case:
    """The case as it is now, and nobody changes it until the transaction ends."""
    return Case.objects.select_for_update(of=("self",)).select_related("agent__user", "brand").get(pk=case.pk)


def _reread(transfer: Transfer) -> Transfer:
    return Transfer.objects.select_related(*WITH_PEOPLE, "accepted_by").get(pk=transfer.pk)


def _may_offer(case: Case, by: User) -> str:
    """As whom: agent or supervisor. NotAllowed for anybody else, CaseClosed for what nobody works on."""
    supervises = _is_supervisor_only(case, by)
    if not supervises:
        permissions.may_work_on(case, permissions.agent_of(by))
    if case.status not in cases.WORKED_ON:
        raise CaseClosed(_("Nobody works on this case now: take it or reopen it before you offer it to somebody."))
    return "supervisor" if supervises else "agent"


def _is_supervisor_only(case: Case, by: User) -> bool:
    return is_supervisor(by) and (case.agent is None or case.agent.user_id != by.pk)


def _may_be_offered(case: Case, to_agent: Agent | None, to_team: Team | None) -> None:
    """To people of the brand's teams who are here, and not to whom it is with already."""
    if to_agent is not None and to_agent.pk == case.agent_id:
        raise NotAllowed(_("%(name)s has this case already.") % {"name": to_agent})
    if to_agent is not None and not to_agent.teams.filter(pk__in=_teams(case)).exists():
        raise NotAllowed(_("They are in no team of %(brand)s. Choose somebody else.") % {"brand": case.brand})
    if to_agent is not None and to_agent.pk not in {one.agent.pk for one in colleagues(case)}:
        raise NobodyHere(_("%(name)s is not here now. Choose somebody else.") % {"name": to_agent})
    if to_team is not None and not _teams(case).filter(pk=to_team.pk).exists():
        raise NotAllowed(_("This team does not look after %(brand)s. Choose another one.") % {"brand": case.brand})
    if to_team is not None and to_team not in teams(case):
        raise NobodyHere(_("Nobody else of %(team)s is here now. Choose somebody else.") % {"team": to_team})


def _may_answer(transfer: Transfer, agent: Agent) -> None:
    if not may_answer(transfer, agent) or not permissions.cases_of(agent).filter(pk=transfer.case_id).exists():
        raise NotAllowed(_("This case was offered to %(to)s.") % {"to": name(transfer)})


def _end(transfer: Transfer, state: str, *, accepted_by: Agent | None = None) -> None:
    """From WAITING to an end, once; TransferOver tells who comes later how it ended."""
    waiting_ = Transfer.objects.filter(pk=transfer.pk, state=State.WAITING)
    if not waiting_.update(state=state, accepted_by=accepted_by, ended_at=now()):
        raise TransferOver(_ended(_reread(transfer)))


def _ended(transfer: Transfer) -> str:
    """How it ended, for who comes too late."""
    words = {
        State.ACCEPTED: _("%(who)s has accepted this case already."),
        State.DECLINED: _("%(to)s has declined. The case stayed where it was."),
        State.FELL_BACK: _("The time to answer is over. The case is with %(with)s."),
        State.CANCELLED: _("This offer was taken back."),
    }
    values = {"who": transfer.accepted_by, "to": name(transfer), "with": transfer.case.agent}
    return words[State(transfer.state)] % values


def _give(case: Case, agent: Agent, transfer: Transfer, *, verb: str, actor: str, user: User | None) -> None:
    """The case changes hands, and a customer who is in the chat reads who goes on with them."""
    data = {"transfer": transfer.pk, "from": str(transfer.from_agent)}
    cases.hand_to(case, agent, verb=verb, actor=actor, user=user, data=data)
    if case.customer_id is not None:
        ledger.append(case, kind=Message.Kind.EVENT, author=None, text="transferred", agent=agent)
    _tell_asked(transfer)


def _fall_back(transfer: Transfer) -> bool:
    with transaction.atomic():
        desks.alone()
        held = _lock(transfer.case)
        transfer = _reread(transfer)
        if held.agent_id != transfer.from_agent_id or held.status not in cases.WORKED_ON:
            return _end_waiting(held)
        try:
            _end(transfer, State.FELL_BACK)
        except TransferOver:
            return False  # answered while this was being read
        there = [desk for desk in desks.of(held.brand) if desk.agent.pk != held.agent_id]
        found = None if _is_here(held.agent) else desks.best(held, there)
        if found is not None:
            _give(held, found[0].agent, transfer, verb="fell_back", actor="transfers", user=None)
        else:
            data = {"transfer": transfer.pk, "agent": str(held.agent), "here": _is_here(held.agent)}
            _tell(transfer, "fell_back", actor="transfers", user=None, data=data)
    return True


def _end_stale(case: Case) -> None:
    """An offer by somebody whose case it is no longer stands in nobody's way."""
    if Transfer.objects.filter(case=case, state=State.WAITING).exclude(from_agent=case.agent_id).exists():
        _end_waiting(case)


def _end_waiting(case: Case) -> bool:
    """The case went another way: what is offered of it is not offered any more."""
    for transfer in Transfer.objects.filter(case=case, state=State.WAITING).select_related(*WITH_PEOPLE):
        _end(transfer, State.CANCELLED)
        _tell(transfer, "offer_ended", actor="transfers", user=None, data={"transfer": transfer.pk})
        return True
    return False


def _is_here(agent: Agent | None) -> bool:
    """Whether they answer their own customers: a busy one does as well."""
    return (
        agent is not None
        and agent.user.is_active
        and agent.availability in roster.HERE
        and roster.on_shift(agent, now())
    )


def _tell(transfer: Transfer, verb: str, *, actor: str, user: User | None, data: dict[str, object]) -> None:
    """The line of the trail, and the pokes of those who see the case or were asked."""
    case = transfer.case
    audit.record(verb, case=case, user=user, actor=actor, data=data)
    events.poke_case(case.pk, verb)
    events.poke_inbox(case.brand_id, {case.pk: []})
    _tell_asked(transfer)


def _tell_asked(transfer: Transfer) -> None:
    """The inboxes of those who may answer look at what they are offered."""
    asked = Agent.objects.filter(Q(pk=transfer.to_agent_id) | Q(teams=transfer.to_team_id)).distinct()
    for agent_id in asked.exclude(availability=Agent.Availability.OFFLINE).values_list("pk", flat=True):
        events.tell_agent(agent_id)

"""Takes nothing, leaves two banks' cases with everything that hangs on one, and a browser for each role."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client

from accounts.models import Agent, Customer, Team, User
from accounts.permissions import appoint_supervisor
from citisocial.clock import now
from conversations import callbacks, chat, ledger
from conversations.models import (
    Attachment,
    Brand,
    BrandAccount,
    Case,
    Outgoing,
    SecureRequest,
    Survey,
    Transfer,
)
from tests.factories.invited import World, invited, person, proven, signed_in

# Who asks: nobody signed in; the case's customer and another case's; its agent, a colleague of the same team and
# another bank's agent; a supervisor, who is no agent.
ROLES = ("anonymous", "customer", "eve", "agent", "colleague", "outsider", "supervisor")


@dataclass
class Scene:
    """The case all ask for, and what its addresses name."""

    world: World
    case: Case
    people: dict[str, User | None]
    values: dict[str, Any]

    def browser(self, role: str) -> Client:
        user = self.people[role]
        return signed_in(user) if user else Client()


def scene() -> Scene:
    """Maya and Maria talk; a file, a detail, an offer, a call, a survey and a text hang on their case."""
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    case = Case.objects.select_related("brand", "agent__user").get(pk=w.case.pk)
    colleague = _agent("colleague", w.maya.teams.get())
    people: dict[str, User | None] = {
        "anonymous": None,
        "customer": w.maria.user,
        "eve": _others(w.jorge),
        "agent": w.maya.user,
        "colleague": colleague.user,
        "outsider": _outsider().user,
        "supervisor": person("grace"),
    }
    appoint_supervisor(people["supervisor"])  # type: ignore[arg-type]
    return Scene(w, case, people, _things(w, case, colleague))


def _agent(name: str, team: Team) -> Agent:
    agent = Agent.objects.create(user=person(name), name=name.title(), languages=["en"], availability="online")
    agent.teams.add(team)
    return agent


def _others(jorge: Customer) -> User:
    """Eve is a good customer of the bank with a case of her own: data exists that could leak either way."""
    return jorge.user


def _outsider() -> Agent:
    """Another bank's agent, who has a brand, a team and a case of his own."""
    team = Team.objects.create(name="Another bank's")
    brand = Brand.objects.create(name="Another", slug="another", address="another.example/social")
    BrandAccount.objects.create(brand=brand, external_id="77", handle="AskAnother", team=team)
    return _agent("outsider", team)


def _things(w: World, case: Case, colleague: Agent) -> dict[str, Any]:
    at = now()
    later = at + timedelta(hours=1)
    said = ledger.append(case, kind="said", author=w.maria, text="my card")
    asked = ledger.append(case, kind="asked", author=w.maya, text="Date of birth")
    sent = ledger.append(case, kind="file", author=w.maria, text="card.png")
    detail = SecureRequest.objects.create(
        case=case, message=asked, agent=w.maya, label="Date of birth", asked_at=at, expires_at=later
    )
    file = Attachment.objects.create(
        case=case,
        message=sent,
        user=w.maria.user,
        kind="image",
        name="card.png",
        content_type="image/png",
        size=1,
        digest=b"x",
        path="ab/none",
        at=at,
    )
    offer = Transfer.objects.create(
        case=case,
        by=w.maya.user,
        from_agent=w.maya,
        to_agent=colleague,
        note="please",
        asked_at=at,
        falls_back_at=later,
    )
    call = callbacks.ask(case, w.maria, number="+12025550123")
    survey = Survey.objects.create(case=case, agent=w.maya, offered_at=at)
    kept = Path(settings.ATTACHMENTS) / file.path
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"x")
    text = Outgoing.objects.filter(case=case).first()
    assert text is not None
    return {
        "case_id": case.public_id,
        "detail_id": detail.public_id,
        "file_id": file.public_id,
        "transfer_id": offer.pk,
        "call_id": call.public_id,
        "survey_id": survey.public_id,
        "outgoing_id": text.pk,
        "slug": w.slug,
        "colleague": colleague.pk,
        "seq": said.seq,
    }

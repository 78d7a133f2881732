"""Takes a case and an agent, leaves texts pressed, due, and older than they are."""

from dataclasses import replace
from typing import Any

from accounts.models import Agent
from conversations import outreach
from conversations.models import Case, Outgoing
from conversations.networks.base import Author
from tests.factories.heard import person


def press(case: Case, maya: Agent, text: str = "Hi, this is Maya. Let us talk on our own site:") -> Outgoing:
    """Pressed, and the time to undo is over."""
    outgoing = outreach.invite(case, maya, text=text)
    return outreach.send_now(outgoing.pk, maya)


def person_of(case: Case) -> Author:
    """The author of a case, as the network names them in what they write next."""
    return replace(person(case.author.handle), external_id=case.author.external_id)


def later(outgoing: Outgoing, **changes: Any) -> None:
    """Columns as time would have left them."""
    Outgoing.objects.filter(pk=outgoing.pk).update(**changes)

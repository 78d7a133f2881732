"""Takes a template, leaves its text filled in for a case; says which are offered and what is wrong with one."""

from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import Agent
from citisocial.clock import now
from conversations import cases, gate
from conversations.errors import BadText
from conversations.gate import VARIABLE
from conversations.models import Brand, Case, ReplyTemplate
from conversations.networks.base import LINK

# What an example is filled with: as long as real names get.
EXAMPLE = {"first_name": "Maximiliana", "agent": "Konstantina", "handle": "@maximiliana_long", "time": "13:45"}
KINDS = {ReplyTemplate.Use.INVITATION: "dm", ReplyTemplate.Use.REPLY: "reply", ReplyTemplate.Use.CHAT: "chat"}


def fill(template: ReplyTemplate, case: Case, agent: Agent) -> str:
    """A template's text with what we know filled in; what we do not know stays and blocks sending."""
    post = cases.newest_mention(case)
    return _filled(
        template.text,
        {
            "first_name": case.author.name.split(" ")[0] if case.author.name else "",
            "agent": agent.name,
            "handle": f"@{case.author.handle}",
            "time": f"{post.posted_at:%H:%M}" if post else "",
        },
    )


def example(text: str) -> str:
    """The text as a customer with a long name would read it; variables that nobody knows stay."""
    return _filled(text, EXAMPLE)


def _filled(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda m: values.get(m.group(1)) or m.group(0), text)


def offered(brand: Brand, *, language: str) -> list[ReplyTemplate]:
    """What an agent may pick from, by use: the case's language first, then English, in each the most used first.

    Their texts are not read: they come filled in when one is picked.
    """
    rows = brand.templates.filter(active=True, language__in={language, "en"}).defer("text")
    order = {use: at for at, use in enumerate(ReplyTemplate.Use.values)}
    return sorted(rows, key=lambda t: (order[t.use], t.language != language, -t.uses, t.name))


def used(template: ReplyTemplate) -> None:
    """Count a use; call it in the transaction that stores what was sent."""
    ReplyTemplate.objects.filter(pk=template.pk).update(uses=F("uses") + 1, used_at=now())


def check(text: str, *, use: str, address: str) -> None:
    """BadText for a template that could not be sent however it is filled."""
    for match in VARIABLE.finditer(text):
        if match.group(1) not in EXAMPLE:
            known = ", ".join(f"{{{{{name}}}}}" for name in EXAMPLE)
            words = {"name": match.group(), "known": known}
            sentence = _("Nothing is known as %(name)s. These are filled in: %(known)s.") % words
            raise BadText(sentence, start=match.start(), end=match.end())
    kind = KINDS[ReplyTemplate.Use(use)]
    ready = example(text)
    if kind == "dm" and LINK not in ready:
        ready = f"{ready.rstrip()} {LINK}"  # as it is sent
    gate.check(ready, kind=kind, address=address)

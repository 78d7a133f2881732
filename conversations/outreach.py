"""Takes what an agent presses send on, leaves an Outgoing QUEUED or a refusal in words: what may be sent now."""

import re
import unicodedata
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Agent, User
from citisocial.clock import now
from conversations import audit, cases, credentials, eligibility, events, invitations, outbox
from conversations.errors import (
    AlreadyReplied,
    BadText,
    CaseClosed,
    ConversationError,
    NotAllowed,
    NotFound,
    NotReachable,
    NotSummoned,
    OptedOut,
    SendingStopped,
)
from conversations.masking import mask
from conversations.models import Brand, Case, Outgoing, ReplyTemplate, SendingStop
from conversations.outbox import LINK
from conversations.permissions import may_work_on

VARIABLE = re.compile(r"\{\{\s*(\w*)\s*\}\}")

# What leads away though X itself makes no link of it: people copy it, and their telephones make one.
LEADS_AWAY = re.compile(
    r"""(?ix)
    \b[a-z][a-z0-9+.-]*://\S* | \bwww\.\S* | \b(?:javascript|data|mailto|tel):\S+  # a scheme, hxxp as well
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+  # an address for mail
    | \b\d{1,3}(?:\.\d{1,3}){3}\b  # the number of a computer
    | (?<![\w.-])[\w-]+(?:\.[\w-]+)*\.[^\W\d_][\w-]*(?::\d+)?/\S*  # a name with a path
    | \b[\w-]+(?:\.[\w-]+)*\.(?:example|localhost|local|internal|onion)\b  # names that no registry gives
    """
)
# A name with a dot in it, in any script; whether it is one of the internet is looked up by its last part.
DOTTED = re.compile(r"(?<![\w.@#$-])[\w-]+(?:\.[\w-]+)+")
HIDDEN_DOT = re.compile(
    r"(?ix) (?<=\w) \s* [\[({<] \s* (?:\.|dot|punkt|punto) \s* [\])}>] \s* (?=\w)"
    r"| (?<=\w) \s+ (?:dot|punkt|punto|\.) \s* (?=(?:com|net|org|info|biz|xyz|io|co)\b)"
)
IDEOGRAPHIC_STOP = re.compile(r"(?<=[a-z0-9])[\u3002\uff61](?=[a-z0-9])", re.I)
MISSING_SPACE = re.compile(r"[^\W\d_]+\.[A-Z][a-z]*")

REFUSALS: dict[str, type[ConversationError]] = {"opted_out": OptedOut, "already_replied": AlreadyReplied}


def invite(case: Case, agent: Agent, *, text: str, template: ReplyTemplate | None = None) -> Outgoing:
    """A direct message with a link of ours in it; `{link}` says where, otherwise it comes last."""
    text = text if LINK in text else f"{text.rstrip()} {LINK}"
    with transaction.atomic():
        pressed = _press(case, agent, kind=Outgoing.Kind.DM, text=text, template=template)
        outgoing = outbox.enqueue(pressed, verb="invited")
        invitations.create(outgoing, hours=settings.INVITATION_HOURS)
        return outgoing


def message(case: Case, agent: Agent, *, text: str) -> Outgoing:
    """A follow-up direct message without a link."""
    if LINK in text:
        raise BadText(_("A message with our link is an invitation. Take {link} out, or send it as one."))
    with transaction.atomic():
        return outbox.enqueue(_press(case, agent, kind=Outgoing.Kind.DM, text=text), verb="messaged")


def reply(case: Case, agent: Agent, *, text: str, message_button: bool = True) -> Outgoing:
    """A public reply to their newest post that may be answered, by default with a button to write to us."""
    if LINK in text:
        raise BadText(_("Our link goes into a direct message, never into a public reply. Take {link} out."))
    try:
        with transaction.atomic():
            outgoing = _press(case, agent, kind=Outgoing.Kind.REPLY, text=text)
            outgoing.message_button = message_button
            return outbox.enqueue(outgoing, verb="replied")
    except IntegrityError:  # pressed twice at one moment: the ledger lets the first one in
        raise AlreadyReplied from None


def _press(case: Case, agent: Agent, *, kind: str, text: str, template: ReplyTemplate | None = None) -> Outgoing:
    """Everything that must hold before a text is stored; the row is made here and stored by the outbox."""
    may_work_on(case, agent)
    if case.status not in cases.WORKED_ON:
        raise CaseClosed(_("Reopen this case before you write to the customer."))
    if stopped(case.brand):
        raise SendingStopped
    with timezone.override(ZoneInfo(agent.time_zone)):  # days in the sentence are the agent's, as on the page
        may = eligibility.of(case)
    allowed, refusal = (may.dm, NotReachable) if kind == Outgoing.Kind.DM else (may.reply, NotSummoned)
    if not allowed.ok:
        raise REFUSALS.get(allowed.code, refusal)(allowed.why)
    check(text, kind=kind, network=case.author.network)
    at = now()
    leaves_at = at + timedelta(seconds=settings.OUTREACH_UNDO_SECONDS)
    return Outgoing(
        case=case,
        account=may.account,
        recipient=case.author,
        answers=may.post if kind == Outgoing.Kind.REPLY else None,
        kind=kind,
        text=text.strip(),
        template=template,
        pressed_by=agent.user,
        leaves_at=leaves_at,
        created_at=at,
    )


def check(text: str, *, kind: str, network: str = "x") -> None:
    """BadText, with what to do, for a text that must not leave: empty, unfilled, private, foreign link, too long."""
    if not text.replace(LINK, "").strip():
        raise BadText(_("Write something first."))
    if missing := VARIABLE.search(text):
        raise BadText(_("“%(name)s” is missing. Fill it in or take it out.") % {"name": missing.group(1)})
    if found := mask(text).found:
        what = {"card": _("a card number"), "code": _("a security code")}.get(found[0], _("account data"))
        raise BadText(_("This looks like %(what)s. It cannot leave the secure chat.") % {"what": what})
    if found_link := foreign_link(text.replace(LINK, " ")):
        if MISSING_SPACE.fullmatch(found_link):
            raise BadText(_("X would make “%(word)s” a link. Put a space after the full stop.") % {"word": found_link})
        raise BadText(_("Only our own links can be sent. Ours is added for you."))
    if text.count(LINK) > 1:
        raise BadText(_("One message carries one link. Take the other {link} out."))
    measure = credentials.network(network).measure(text, kind="dm" if kind == "dm" else "reply", link=LINK in text)
    if not measure.valid:
        over = {"used": measure.used, "limit": measure.limit}
        raise BadText(_("%(used)d characters of %(limit)d: shorten it.") % over)


def foreign_link(text: str) -> str:
    """The first thing in a text that leads somewhere else, "" without one: what X would make a link of, and disguises.

    A dot between two words is a link only where the second is a top-level domain: “Thanks.We will” is none.
    """
    # Here, because its tables cost every process half a second at its start, and few ever send.
    from twitter_text.extract_urls import extract_urls
    from twitter_text.regexp.valid_cctld import valid_cctld
    from twitter_text.regexp.valid_gtld import valid_gtld

    # Invisible signs go, wide and circled letters become plain ones, as in a browser's address line.
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    text = IDEOGRAPHIC_STOP.sub(".", HIDDEN_DOT.sub(".", text))
    if found := LEADS_AWAY.search(text):
        return found.group(0)
    for name in DOTTED.findall(text):
        last = name.rsplit(".", 1)[1].lower()
        if last.startswith("xn--") or valid_cctld.fullmatch(last) or valid_gtld.fullmatch(last):
            return str(name)
    return next(iter(extract_urls(text)), "")


def cancel(outgoing_id: int, agent: Agent) -> Outgoing:
    """Take it back before it leaves; TooLate afterwards."""
    return outbox.cancel(_own(outgoing_id, agent))


def send_now(outgoing_id: int, agent: Agent) -> Outgoing:
    """Do not wait for the time to undo; TooLate when it is not waiting any more."""
    return outbox.hurry(_own(outgoing_id, agent))


def fill(template: ReplyTemplate, case: Case, agent: Agent) -> str:
    """A template's text with what we know filled in; what we do not know stays and blocks sending."""
    post = cases.newest_mention(case)
    values = {
        "first_name": case.author.name.split(" ")[0] if case.author.name else "",
        "agent": agent.name,
        "handle": f"@{case.author.handle}",
        "time": f"{post.posted_at:%H:%M}" if post else "",
    }
    return VARIABLE.sub(lambda m: values.get(m.group(1)) or m.group(0), template.text)


def stopped(brand: Brand) -> SendingStop | None:
    """The stop that holds now, if any."""
    return SendingStop.objects.filter(brand=brand, ended_at=None).select_related("started_by").first()


def stop(brand: Brand, *, by: User, reason: str) -> SendingStop:
    """Nothing of this brand leaves from now on. What waits is kept. A stop that holds already is returned as it is."""
    reason = mask(reason.strip()).text[:200]
    if not reason:
        raise BadText(_("Say why sending is stopped: everybody will read it."))
    try:
        with transaction.atomic():
            held = SendingStop.objects.create(brand=brand, reason=reason, started_at=now(), started_by=by)
            audit.record("stopped", user=by, actor="supervisor", data={"brand": brand.slug, "reason": held.reason})
            events.poke_brand(brand.pk)
    except IntegrityError:
        return SendingStop.objects.get(brand=brand, ended_at=None)
    return held


def resume(brand: Brand, *, by: User) -> None:
    """Let what waits leave again."""
    with transaction.atomic():
        ended = SendingStop.objects.filter(brand=brand, ended_at=None).update(ended_at=now(), ended_by=by)
        if ended:
            audit.record("resumed", user=by, actor="supervisor", data={"brand": brand.slug})
            events.poke_brand(brand.pk)


def _own(outgoing_id: int, agent: Agent) -> Outgoing:
    outgoing = Outgoing.objects.filter(pk=outgoing_id).select_related("case__agent", "pressed_by").first()
    if outgoing is None:
        raise NotFound
    if agent.user_id not in {outgoing.pressed_by_id, outgoing.case.agent and outgoing.case.agent.user_id}:
        raise NotAllowed(_("Only who wrote it can take it back or hurry it."))
    return outgoing

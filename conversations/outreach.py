"""Takes what an agent presses send on, leaves an Outgoing QUEUED or a refusal in words: what may be sent now."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import Agent, User
from citisocial.clock import now
from conversations import audit, cases, credentials, events, invitations, outbox
from conversations.errors import BadText, CaseClosed, NotAllowed, NotFound, NotReachable, NotSummoned, SendingStopped
from conversations.masking import mask
from conversations.models import Brand, BrandAccount, Case, Mention, Outgoing, ReplyTemplate, SendingStop
from conversations.outbox import LINK
from conversations.permissions import may_work_on

VARIABLE = re.compile(r"\{\{\s*(\w*)\s*\}\}")
# What X would turn into a link: a scheme, or a bare name with a dot and letters. Agents never type links.
FOREIGN_LINK = re.compile(r"(?i)\b(?:https?|hxxps?)://|\bwww\.|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b")


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be sent to the person of a case now, and why not; `dm_left` of `dm_limit` until `dm_free_at`."""

    dm: bool
    dm_why: str
    reply: bool
    reply_why: str
    dm_left: int
    dm_limit: int
    dm_free_at: datetime | None
    stopped: SendingStop | None


def reach(case: Case) -> Reach:
    """The network's rules applied to this person now: who wrote to us or accepts messages; who named us."""
    account = _account(case)
    wrote = case.mentions.filter(kind=Mention.Kind.DM).exists()
    accepts = case.author.receives_dm is not False
    if wrote:
        dm_why = _("They wrote to us in a direct message.")
    elif case.author.receives_dm:
        dm_why = _("They accept direct messages.")
    else:
        dm_why = NotReachable.message if not accepts else _("X does not say whether they accept direct messages.")
    post = _summons(case)
    reply_why = _("They named us, so we may reply.") if post else NotSummoned.message
    left, free_at = outbox.allowance(account)
    return Reach(
        dm=wrote or accepts,
        dm_why=dm_why,
        reply=post is not None,
        reply_why=reply_why,
        dm_left=left,
        dm_limit=settings.OUTREACH_DM_LIMIT,
        dm_free_at=free_at,
        stopped=stopped(case.brand),
    )


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
    """A public reply to the newest post that named us, by default with a button to write to us."""
    if LINK in text:
        raise BadText(_("Our link goes into a direct message, never into a public reply. Take {link} out."))
    with transaction.atomic():
        outgoing = _press(case, agent, kind=Outgoing.Kind.REPLY, text=text)
        outgoing.message_button = message_button
        return outbox.enqueue(outgoing, verb="replied")


def _press(case: Case, agent: Agent, *, kind: str, text: str, template: ReplyTemplate | None = None) -> Outgoing:
    """Everything that must hold before a text is stored; the row is made here and stored by the outbox."""
    may_work_on(case, agent)
    if case.status not in cases.WORKED_ON:
        raise CaseClosed(_("Reopen this case before you write to the customer."))
    if stopped(case.brand):
        raise SendingStopped
    reachable = reach(case)
    if kind == Outgoing.Kind.DM and not reachable.dm:
        raise NotReachable
    if kind == Outgoing.Kind.REPLY and not reachable.reply:
        raise NotSummoned
    check(text, kind=kind, network=case.author.network)
    at = now()
    leaves_at = at + timedelta(seconds=settings.OUTREACH_UNDO_SECONDS)
    return Outgoing(
        case=case,
        account=_account(case),
        recipient=case.author,
        answers=_summons(case) if kind == Outgoing.Kind.REPLY else None,
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
    if FOREIGN_LINK.search(text.replace(LINK, " ")):
        raise BadText(_("Only our own links can be sent. Ours is added for you."))
    if text.count(LINK) > 1:
        raise BadText(_("One message carries one link. Take the other {link} out."))
    measure = credentials.network(network).measure(text, kind="dm" if kind == "dm" else "reply", link=LINK in text)
    if not measure.valid:
        over = {"used": measure.used, "limit": measure.limit}
        raise BadText(_("%(used)d characters of %(limit)d: shorten it.") % over)


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
    if not reason.strip():
        raise BadText(_("Say why sending is stopped: everybody will read it."))
    try:
        with transaction.atomic():
            held = SendingStop.objects.create(brand=brand, reason=reason.strip()[:200], started_at=now(), started_by=by)
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


def _account(case: Case) -> BrandAccount:
    """The brand's care account on the person's network: care speaks as one handle, whichever was named."""
    accounts = BrandAccount.objects.filter(brand=case.brand_id, network=case.author.network, active=True)
    account = accounts.filter(purpose=BrandAccount.Purpose.CARE).order_by("pk").first()
    if account is None:
        raise NotReachable(_("No care account is connected on this network. A supervisor can connect one."))
    return account


def _summons(case: Case) -> Mention | None:
    """The newest post that named the account we reply as: X accepts a reply to no other."""
    posts = case.mentions.filter(kind=Mention.Kind.POST, accounts=_account(case))
    return posts.exclude(state=Mention.State.DELETED).order_by("-posted_at").first()

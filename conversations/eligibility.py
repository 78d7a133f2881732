"""Takes a person and what they wrote, leaves what may be sent to them now and why; the only writer of `opted_out_at`.

One answer for everybody who asks: the agent's page before a word is typed, the press of the button, and the worker
at the moment of sending. What the network's rules forbid is refused before it is stored; what is merely unknown is
allowed and says so.

Direct messages to people of whom X does not say whether they accept ours: allowed, on every access tier. X's rule
that support may write only after the person wrote is about automation. Here nothing is written by itself: an agent
reads the post, writes to this one person and presses. If the person does not accept it, X refuses: that is definite,
costs nothing, and is remembered, so it is asked at most once. Refusing by ourselves would close the only private way
to everybody whom X has merely not spoken about.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from conversations import audit, events
from conversations.models import Author, BrandAccount, Case, Mention, Naming, Outgoing

Kind, State = Mention.Kind, Mention.State

PRIVATE = [Kind.DM, Kind.OPAQUE]
LOOKED_AT = 20  # newest posts of a person among which the one to answer is looked for
NO_LONGER_A_REPLY = [Outgoing.Delivery.FAILED, Outgoing.Delivery.CANCELLED]

LEADING = re.compile(r"^(?:\s*\.?@\w{1,15}:?)+\s*")
NAMED = re.compile(r"@(\w{1,15})")

# Words that mean "write to me no more" or "you may again" when they are all that somebody says, as `plain` leaves them:
# lower case, without accents, apostrophes, signs and politeness. Anything besides them makes it a matter for an agent;
# so does "cancel", which is as good an answer to "shall we keep the transfer?".
_DOING = r"(?:messaging|texting|contacting|writing|writing to|dming|pinging|replying to|tweeting|tweeting at|spamming)"
OUT = "|".join(
    (
        r"stop|stopp|stop ?all|unsubscribe(?: me)?|(?:i want to )?opt(?: me)? ?out",
        rf"stop (?:all )?{_DOING} (?:me|us)(?: (?:dms|messages|texts))?",
        r"stop (?:the |these |all |your )?(?:messages|dms|texts|replies)|no more (?:messages|dms|texts|replies)",
        r"stop (?:sending|writing) (?:me|us) (?:dms|messages|texts)",
        r"(?:dont|do not|never) (?:message|text|contact|dm|write|write to|reply to) (?:me|us)",
        r"leave (?:me|us) alone|remove me(?: from (?:this|your|the) list)?",
        # Spanish
        r"baja|(?:quiero )?dar(?:me|nos) de baja|d(?:a|e|en)me de baja|no mas mensajes",
        r"(?:deja|deje|dejen|dejad) de (?:escribirme|contactarme|mandarme mensajes|enviarme mensajes)",
        r"no me (?:escriba|contacte)[ns]?(?: mas)?|no me (?:mande|envie)[ns]? (?:mas )?mensajes",
        # German
        r"abmelden|abbestellen|austragen|aufhoe?ren|keine (?:weiteren )?nachrichten(?: mehr)?",
        r"(?:schreib|schreibt|schreiben sie) mir nicht(?: mehr)?|nicht mehr (?:schreiben|anschreiben|kontaktieren)",
        r"(?:kontaktiert|kontaktieren sie) mich nicht(?: mehr)?|(?:lass|lasst|lassen sie) mich in ruhe",
    )
)
IN = (
    r"start|unstop|opt(?: me)? ?in|(?:re)?subscribe|you (?:may|can) (?:write|message) me again"
    r"|alta|empezar|iniciar|comenzar|anmelden|starten"
)
AGAIN = r"(?: (?:again|anymore|any more|ever again|nunca mas))?"
WISHES = {
    name: re.compile(rf"(?:{words}){AGAIN}(?: (?:{words}){AGAIN})*") for name, words in (("out", OUT), ("in", IN))
}
POLITE = re.compile(
    r"\b(?:please|pls|plz|kindly|thanks|thank you|thx|now|immediately|por favor|gracias|ya|ahora|bitte|danke|jetzt"
    r"|sofort)\b"
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes or no; `code` for programs, `why` in the agent's words. Codes of a no have words in `outbox.REASONS`."""

    ok: bool
    code: str
    why: str

    @property
    def sure(self) -> bool:
        """Whether the network has said yes; otherwise it is the one to decide, when something is sent."""
        return self.ok and self.code not in {"unknown", "encrypted"}


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What may be sent to a person now, as `account`; a public reply would answer `post`."""

    dm: Allowed
    reply: Allowed
    account: BrandAccount | None
    post: Mention | None
    opted_out_at: datetime | None

    @property
    def watch_only(self) -> bool:
        """Neither way is open: what they write can be read, and nothing can be answered."""
        return not (self.dm.ok or self.reply.ok)

    @property
    def opted_out(self) -> str:
        """The sentence for somebody who asked us to stop; empty for everybody else."""
        return _asked_to_stop(self.opted_out_at) if self.opted_out_at else ""


def of(case: Case) -> Eligibility:
    """The answer for the person of a case (`case.author` loaded), in three queries whatever they wrote."""
    author = case.author
    ours = _ours(case.brand_id, author.network)
    account = next((a for a in ours if a.active and a.purpose == BrandAccount.Purpose.CARE), None)
    if account is None:
        return Eligibility(_no_account(), _no_account(), None, None, author.opted_out_at)
    if closed := _closed(author, ours):
        return Eligibility(closed, closed, account, None, author.opted_out_at)
    reply, post = _reply(_posts(case), ours, account)
    return Eligibility(_dm(author, case.brand_id), reply, account, post, author.opted_out_at)


def still(outgoing: Outgoing) -> Allowed:
    """Asked again when it leaves: the person, their post and our account as the database has them at this moment."""
    author = Author.objects.get(pk=outgoing.recipient_id)
    ours = _ours(outgoing.case.brand_id, author.network)
    account = next((a for a in ours if a.active and a.pk == outgoing.account_id), None)
    if account is None:
        return _no_account()
    if closed := _closed(author, ours):
        return closed
    if outgoing.answers is None or outgoing.kind == Outgoing.Kind.DM:
        return _dm(author, outgoing.case.brand_id)
    return _may_answer(_known(Mention.objects.filter(pk=outgoing.answers.pk)).get(), ours, account)


def _ours(brand_id: int, network: str) -> list[BrandAccount]:
    """All of the brand's accounts on a network; care speaks as the first active one of that purpose."""
    return list(BrandAccount.objects.filter(brand=brand_id, network=network).order_by("pk"))


def _closed(author: Author, ours: Sequence[BrandAccount]) -> Allowed | None:
    """Why both ways are shut, whatever was written; None when they are not."""
    if author.external_id in {a.external_id for a in ours}:
        return _no("ours", _("This is an account of our own. Nobody is there to answer."))
    if author.opted_out_at:
        return _no("opted_out", _asked_to_stop(author.opted_out_at))
    return None


def _asked_to_stop(at: datetime) -> str:
    day = date_format(timezone.localtime(at), "j M")
    return _("They asked us to stop writing on %(day)s. They can write START. The secure chat goes on.") % {"day": day}


def _dm(author: Author, brand_id: int) -> Allowed:
    private = Mention.objects.filter(author=author, brand=brand_id, kind__in=PRIVATE)
    wrote = set(private.values_list("kind", flat=True).distinct())
    if Kind.DM in wrote:
        return _yes("wrote", _("They wrote to us in a direct message."))
    if author.receives_dm:
        return _yes("accepts", _("They accept direct messages."))
    if author.receives_dm is False:
        return _no(
            "not_reachable", _("This person does not accept direct messages from us. They can write to us first.")
        )
    if Kind.OPAQUE in wrote:
        return _yes("encrypted", _("They wrote to us encrypted. X may refuse a plain message; then nothing is sent."))
    return _yes("unknown", _("X does not say whether they accept direct messages. If not, nothing is sent."))


def _posts(case: Case) -> list[Mention]:
    """The newest posts of a case that are still there, newest first."""
    posts = case.mentions.filter(kind=Kind.POST).exclude(state=State.DELETED)
    return list(_known(posts).order_by("-posted_at", "-pk")[:LOOKED_AT])


def _known(posts: QuerySet[Mention]) -> QuerySet[Mention]:
    """With the accounts of ours that each names (`named`, their pks), and whether a reply is out or on its way."""
    replies = Outgoing.objects.filter(answers=OuterRef("pk"), kind=Outgoing.Kind.REPLY)
    return posts.select_related("author").annotate(
        named=ArraySubquery(Naming.objects.filter(mention=OuterRef("pk")).values("account")),
        answered=Exists(replies.exclude(delivery__in=NO_LONGER_A_REPLY)),
    )


def _reply(
    posts: Sequence[Mention], ours: Sequence[BrandAccount], account: BrandAccount
) -> tuple[Allowed, Mention | None]:
    """Whether one of the posts may be answered, and which: the newest that may, unless it or a newer one was.

    One reply to one post: somebody whom we answered gets the next one when they write again.
    """
    refused: Allowed | None = None
    for post in posts:
        if post.answered:  # type: ignore[attr-defined]  # of _known
            return refused or _no(
                "already_replied",
                _("We have answered their newest post. X allows one reply to a post: wait for the next."),
            ), None
        verdict = _may_answer(post, ours, account)
        if verdict.ok:
            return verdict, post
        refused = refused or verdict
    return refused or _no("no_post", _("They wrote no public post that is still there.")), None


def _may_answer(post: Mention, ours: Sequence[BrandAccount], account: BrandAccount) -> Allowed:
    """One post by the network's rules. X lets apps answer only where the post's author summoned the account."""
    if post.state == State.DELETED:
        return _no("deleted", _("They deleted the post. There is nothing to answer."))
    if post.is_retweet:
        return _no("retweet", _("They only passed on somebody else’s post. There is nothing to answer."))
    if settings.X_ACCESS_TIER == "enterprise":
        return _yes("any_post", _("Our access to X lets us answer any public post."))
    named = [a for a in ours if a.pk in post.named]  # type: ignore[attr-defined]  # of _known
    if account not in named and named:
        values = {"other": named[0], "care": account}
        return _no("not_summoned", _("They named %(other)s, and X lets only that one reply, not %(care)s.") % values)
    if account not in named:
        return _no("not_summoned", _("X lets us reply only to people who named us. This post did not."))
    if _only_carried_along(post, account, ours):
        return _no(
            "not_summoned", _("They answered somebody else. X put our name there, and lets nobody reply to that.")
        )
    return _yes("named", _("They named us, so we may reply."))


def _only_carried_along(post: Mention, account: BrandAccount, ours: Sequence[BrandAccount]) -> bool:
    """A reply to somebody else, with our name only among the leading ones, which X puts there by itself.

    In a reply to ourselves they stand there as well, but there the author turned to us: X calls that engaged.
    """
    to = post.in_reply_to_author
    if not to or to in {post.author.external_id, *(a.external_id for a in ours)}:
        return False
    leading, body = split(post.text)
    handle = account.handle.lower()
    return handle not in handles(body) and handles(leading)[:1] != [handle]


def _yes(code: str, why: str) -> Allowed:
    return Allowed(True, code, why)


def _no(code: str, why: str) -> Allowed:
    return Allowed(False, code, why)


def _no_account() -> Allowed:
    return _no("no_account", _("No care account is connected on this network. A supervisor can connect one."))


def split(text: str) -> tuple[str, str]:
    """The names that a text begins with, and the rest."""
    found = LEADING.match(text)
    at = found.end() if found else 0
    return text[:at], text[at:]


def handles(text: str) -> list[str]:
    """The handles in a text, lower case, without @."""
    return [name.lower() for name in NAMED.findall(text)]


def plain(text: str) -> str:
    """What somebody said, bare: no names, links, accents, apostrophes, signs or politeness; lower case."""
    text = re.sub(r"https?://\S+|@\w+", " ", text)
    text = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(c))
    text = re.sub(r"[^\w]+", " ", re.sub(r"['’`´]", "", text))
    return " ".join(POLITE.sub(" ", text).split())


def wish(text: str) -> str:
    """ "out" when the whole text asks us to stop writing (also several times over), "in" for writing again, else ""."""
    said = plain(text)
    return next((name for name, words in WISHES.items() if words.fullmatch(said)), "")


def to_us(mention: Mention, ours: Sequence[BrandAccount]) -> bool:
    """Whether it was said to us: in private, in answer to us, or in a post that names us and answers nobody else."""
    if mention.kind in PRIVATE:
        return True
    if to := mention.in_reply_to_author:
        return to in {a.external_id for a in ours}
    return bool({a.handle.lower() for a in ours} & set(handles(mention.text)))


def heed(mentions: Sequence[Mention]) -> set[int]:
    """Obey those among these mentions that are a `wish`, in the order they were written. Call it in a transaction.

    Each has its author and its case. Returns the authors who asked us to stop: what waits for them must not leave.
    An older wish that comes late changes nothing: whoever wrote START after it has been heard already.
    """
    wished = [(m, name) for m in sorted(mentions, key=lambda m: m.posted_at) if (name := wish(m.text))]
    if not wished:
        return set()
    later = _later_starts({m.author_id for m, _name in wished})
    stopped = set()
    for mention, name in wished:
        at, people = mention.posted_at, Author.objects.filter(pk=mention.author_id)
        if name == "out":
            overtaken = mention.author_id in later and later[mention.author_id] > at
            changed = not overtaken and people.filter(opted_out_at=None).update(opted_out_at=at)
            stopped |= set() if overtaken else {mention.author_id}
        else:
            changed = people.filter(opted_out_at__lt=at).update(opted_out_at=None)
            stopped -= {mention.author_id} if changed else set()
        if changed:
            assert mention.case is not None  # the verdict on a mention comes first
            verb = "opted_out" if name == "out" else "opted_in"
            audit.record(verb, case=mention.case, actor="customer", data={"post": mention.external_id})
            events.poke_case(mention.case.pk, verb)
    return stopped


def _later_starts(authors: set[int]) -> dict[int, datetime]:
    """When each of these people last wrote START, as far as it is stored."""
    said = Mention.objects.filter(author__in=authors, state=State.CASED).order_by("posted_at")
    return {m.author_id: m.posted_at for m in said.only("author", "text", "posted_at") if wish(m.text) == "in"}

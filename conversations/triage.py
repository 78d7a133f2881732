"""Takes Mentions NEW, leaves each IGNORED with a named reason or CASED: is it for us, and does somebody need help?

The rules are pure functions from what is known of a post to a reason to ignore it, asked in order; the first that
speaks decides, and what spoke is kept with the mention. A better judge takes the place of `judge` and nothing else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models.functions import Length

from citisocial.clock import now
from conversations import cases, eligibility, outbox, scrutiny
from conversations.eligibility import handles, split
from conversations.mentions import alone, decide, save
from conversations.models import Author, BrandAccount, Case, Mention

Order = tuple[datetime, int, str]

BATCH = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules may look at."""

    text: str  # masked
    kind: str  # post | dm | opaque
    handle: str  # the author's, lower case
    is_ours: bool  # written by one of the brand's own accounts
    is_retweet: bool
    answers_other: bool  # a reply to somebody who is neither us nor the author
    open_case: bool  # the author has a case that is not closed
    handles: frozenset[str]  # our handles, lower case
    ignored_handles: frozenset[str]  # lower case


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is empty when the post needs somebody; `because` are the lines kept with the mention."""

    reason: str
    because: tuple[dict[str, str], ...]


LOOK_ALIKE = re.compile(
    r"\bciti\s*(?:field|fields|bike|bikes|open|pond|center|centre|tower|zen|private pass)\b|\bciti(?:field|bike)\w*",
    re.I,
)
CASHTAG = re.compile(r"(?<!\w)\$(?:C|CITI)\b(?!\w)")
TRADING = re.compile(
    r"\b(?:shares?|stocks?|calls|puts|price target|upgrade[sd]?|downgrade[sd]?|earnings|eps|bullish|bearish)\b", re.I
)
JOB_ADVERT = re.compile(
    r"\b(?:we(?:'|’)?re hiring|is hiring|job opening|job alert|apply now|careers? (?:at|with))\b|#(?:jobs?|hiring)\b",
    re.I,
)
THANKS = re.compile(
    r"^(?:(?:many|big|great|awesome|ok|okay)[,.!]? ?)?"
    r"(?:thanks?(?: you| u)?|thank ?you|thx|ty|tks|gracias|danke|merci)"
    r"(?: so much| very much| a lot| again| for (?:the |your )?(?:help|(?:quick )?(?:reply|response)|info))*$",
    re.I,
)
OURS = re.compile(r"\bciti\b|\bciti ?(?:bank|card|cards|group)\b|\b(?:my|the) (?:bank|card|account)\b", re.I)

TOPICS = {
    "card": re.compile(r"\b(?:cards?|declin\w*|chip|tarjeta|karte)\b", re.I),
    "fraud": re.compile(r"\b(?:fraud\w*|scam\w*|phish\w*|stolen|hacked|unauthori[sz]ed|fraude|betrug)\b", re.I),
    "login": re.compile(r"\b(?:log ?in|log(?:ged)? ?out|sign ?in|password|locked out|username|access)\b", re.I),
    "fees": re.compile(r"\b(?:fees?|charged?|overdraft|interest|refund\w*|comisi[oó]n|geb[uü]hr\w*)\b", re.I),
    "transfer": re.compile(
        r"\b(?:transfer\w*|wire|deposit\w*|payment\w*|direct debit|zelle|check|cheque|transferencia)\b", re.I
    ),
    "app": re.compile(r"\b(?:app|website|site|online banking|mobile|android|iphone|ios)\b", re.I),
    "branch": re.compile(r"\b(?:branch\w*|atms?|teller|on hold|phone (?:line|queue)|waiting)\b", re.I),
}


def words(text: str) -> str:
    """What somebody said, without handles, links, hashtag signs and the punctuation around it."""
    text = re.sub(r"https?://\S+|@\w+", " ", text)
    return re.sub(r"[^\w\s$%'’-]+", " ", text).strip()


def own_post(f: Facts) -> bool:
    return f.is_ours


def other_brand(f: Facts) -> bool:
    return f.handle in f.ignored_handles


def retweet(f: Facts) -> bool:
    return f.is_retweet or bool(re.match(r"\s*RT ?@\w", f.text))


def other_conversation(f: Facts) -> bool:
    """A reply to somebody else in which we are only among the leading handles, which X adds by itself."""
    leading, body = split(f.text)
    named_in_body = f.handles & set(handles(body))
    first_is_ours = f.handles & set(handles(leading)[:1])
    return f.answers_other and not named_in_body and not first_is_ours and not OURS.search(body)


def look_alike(f: Facts) -> bool:
    """Citi Field, Citi Bike, Citi Open ... and nothing of the bank besides."""
    if not LOOK_ALIKE.search(f.text):
        return False
    rest = LOOK_ALIKE.sub(" ", f.text)
    return not OURS.search(rest) and not _names_us(f)


def stock_chatter(f: Facts) -> bool:
    return (bool(CASHTAG.search(f.text)) and not _names_us(f)) or bool(
        CASHTAG.search(f.text) and TRADING.search(f.text)
    )


def job_advert(f: Facts) -> bool:
    return bool(JOB_ADVERT.search(f.text))


def nothing_said(f: Facts) -> bool:
    """Only handles, links or signs: nothing an agent could answer."""
    return not re.search(r"\w", words(f.text))


def only_thanks(f: Facts) -> bool:
    return bool(THANKS.match(words(f.text)))


def _names_us(f: Facts) -> bool:
    return bool(f.handles & set(handles(f.text)))


# Asked in this order. Whoever has an open case is heard whatever they write, so the rules after it are about strangers.
ALWAYS: tuple[Callable[[Facts], bool], ...] = (own_post, other_brand, retweet)
STRANGERS: tuple[Callable[[Facts], bool], ...] = (
    other_conversation,
    look_alike,
    stock_chatter,
    job_advert,
    nothing_said,
    only_thanks,
)


def judge(facts: Facts) -> Verdict:
    """The verdict on one post. Pure: the same facts, the same verdict."""
    for rule in ALWAYS:
        if rule(facts):
            return Verdict(rule.__name__, ({"rule": rule.__name__},))
    if facts.open_case or facts.kind in ("dm", "opaque"):
        because = {"rule": "open_case" if facts.open_case else "direct_message"}
        return Verdict("", (because, *_topic(facts)))
    for rule in STRANGERS:
        if rule(facts):
            return Verdict(rule.__name__, ({"rule": rule.__name__},))
    return Verdict("", ({"rule": "needs_somebody"}, *_topic(facts)))


def _topic(facts: Facts) -> tuple[dict[str, str], ...]:
    topic = next((name for name, pattern in TOPICS.items() if pattern.search(facts.text)), "")
    return ({"topic": topic},) if topic else ()


def drain() -> int:
    """Triage all that waits, batch by batch. Returns how many mentions were decided."""
    decided = 0
    while True:
        with transaction.atomic():
            alone()  # cases are opened in one order, and no two batches wait for each other
            new = Mention.objects.filter(state=Mention.State.NEW).select_related("author", "brand").order_by("id")
            waiting = list(new[:BATCH])
            triage(waiting)
        decided += len(waiting)
        if len(waiting) < BATCH:
            return decided


def triage(mentions: list[Mention]) -> None:
    """Decide one batch: IGNORED + reason, or CASED through `cases.open_case`. Call it in the transaction of `drain`.

    Ways in deliver in any order (a restarted listener brings the newest first), and the verdict must not depend on
    it. So "has a case" means: of an older post. And a post that turns out to begin a case brings in what its author
    posted after it and was ignored only because they seemed a stranger.
    """
    if not mentions:
        return
    at = now()
    mentions.sort(key=_order)
    since = _cases_since(mentions)
    ours = _our_accounts(mentions)
    wanted = []
    for mention in mentions:
        key = (mention.brand_id, mention.author_id)
        verdict = judge(_facts(mention, ours, key in since and since[key] <= _order(mention)))
        decide(mention, reason=verdict.reason, because=verdict.because, at=at)
        if not verdict.reason:
            wanted.append(mention)
            since[key] = min(_order(mention), since.get(key, _order(mention)))
    # Stored first: what follows must see this batch's own ignored posts as well.
    save([m for m in mentions if m.reason])
    if wanted:
        wanted += _ignored_after(wanted, since)
        found = cases.open_case(wanted)
        for mention in wanted:
            mention.case = found[mention.pk]
        save(wanted)
        # Only what needs somebody is looked at, and it stays with somebody: a wish hides nothing.
        asked = eligibility.heed([m for m in wanted if eligibility.to_us(m, ours.get(m.brand_id, []))])
        if outbox.withdraw(asked, reason="opted_out", why="they asked us to stop"):
            scrutiny.settle()


def _order(mention: Mention) -> Order:
    """In which order posts were written: by time, and within a moment by the network's growing ids."""
    return mention.posted_at, len(mention.external_id), mention.external_id


def _cases_since(mentions: list[Mention]) -> dict[tuple[int, int], Order]:
    """For each author with a case that is not closed: its oldest post."""
    cased = Mention.objects.filter(author_id__in={m.author_id for m in mentions}, case__isnull=False)  # also deleted
    cased = cased.exclude(case__status=Case.Status.CLOSED).only("brand", "author", "posted_at", "external_id")
    ordered = cased.order_by("brand", "author", "posted_at", Length("external_id"), "external_id")
    return {(m.brand_id, m.author_id): _order(m) for m in ordered.distinct("brand", "author")}


def _ignored_after(wanted: list[Mention], since: dict[tuple[int, int], Order]) -> list[Mention]:
    """What these authors posted after their case began and was ignored as a stranger's: it joins after all."""
    names = [rule.__name__ for rule in STRANGERS]
    authors = {mention.author_id for mention in wanted}
    ignored = Mention.objects.filter(author_id__in=authors, state=Mention.State.IGNORED, reason__in=names)
    later = [m for m in ignored if _order(m) > since.get((m.brand_id, m.author_id), _order(m))]
    for mention in later:
        decide(mention, reason="", because=[*mention.because, {"rule": "open_case"}], at=now())
    return later


def _our_accounts(mentions: list[Mention]) -> dict[int, list[BrandAccount]]:
    ours: dict[int, list[BrandAccount]] = {}
    for account in BrandAccount.objects.filter(brand_id__in={m.brand_id for m in mentions}):
        ours.setdefault(account.brand_id, []).append(account)
    return ours


def _facts(mention: Mention, ours: dict[int, list[BrandAccount]], open_case: bool) -> Facts:
    accounts = [a for a in ours.get(mention.brand_id, []) if a.network == mention.network]
    ids = {a.external_id for a in accounts}
    author: Author = mention.author
    return Facts(
        text=mention.text,
        kind=mention.kind,
        handle=author.handle.lower(),
        is_ours=author.external_id in ids,
        is_retweet=mention.is_retweet,
        answers_other=bool(mention.in_reply_to_author) and mention.in_reply_to_author not in ids | {author.external_id},
        open_case=open_case,
        handles=frozenset(a.handle.lower() for a in accounts),
        ignored_handles=frozenset(h.lower() for h in mention.brand.ignored_handles),
    )

"""Takes calls about posts, leaves them listed, found, made or deleted: /2/tweets and a user's mentions."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import Q, QuerySet

from sandbox import clock, posting, texts
from sandbox.api import fields, pages, problems, wire
from sandbox.api.calls import Answer, Call, endpoint, post_id
from sandbox.limits import DAY, Window
from sandbox.models import Mention, Person, Post
from sandbox.rules import MAX_SEARCH_QUERY, InvalidRule, Rule, compile_rule
from sandbox.snowflakes import MAX_ID, id_at

SCOPES = "tweet.read users.read"
RANGE = ("since_id", "until_id", "start_time", "end_time", "max_results", "pagination_token")
SEARCH_DAYS = 7
CHUNK = 500
POSTING = (
    Window(100),
    Window(10_000, DAY, header="x-app-limit-24hour", shared=True),
)


@endpoint("users/:id/mentions", user=300, app=450, scopes=SCOPES, query=(*RANGE, *fields.POST_QUERY))
def mentions(call: Call, *, id: str) -> Answer:
    """Posts that name a user, newest first."""
    wanted = fields.of_posts(call)
    most = call.number("max_results", least=5, most=100, default=10)
    low, high = _range(call, "pagination_token")
    person = Person.objects.filter(pk=post_id(id, "id")).first()
    if person is None:
        return Answer({"errors": [problems.not_found("user", "id", id)]})
    owned = call.person is not None and call.person.pk == person.pk and person.owns_app
    rows = (
        Post.objects.select_related("author")
        .filter(mention__person=person, mention__post_id__gt=low, mention__post_id__lt=high)
        .order_by("-mention__post_id")[: most + 1]
    )
    return replace(_listing(list(rows), most, wanted, call.person), owned=owned)


@endpoint(
    "tweets/search/recent",
    user=300,
    app=450,
    scopes=SCOPES,
    query=("query", "sort_order", "next_token", *RANGE, *fields.POST_QUERY),
)
def search(call: Call) -> Answer:
    """Posts of the last seven days that match a query, newest first."""
    wanted = fields.of_posts(call)
    call.choices("sort_order", ("recency", "relevancy"))
    most = call.number("max_results", least=10, most=100, default=10)
    query = call.query.get("query", "")
    if not query.strip():
        raise problems.invalid("Invalid 'query':''. 'query' must be a non-empty string", {"query": [query]})
    try:
        rule = compile_rule(query, longest=MAX_SEARCH_QUERY)
    except InvalidRule as error:
        raise problems.invalid(str(error), {"query": [query]}) from error
    low, high = _range(call, "next_token", "pagination_token", recent=True)
    return _listing(_matching(rule, low, high, most + 1), most, wanted, call.person)


@endpoint("tweets/:id", user=900, app=450, scopes=SCOPES, query=fields.POST_QUERY)
def by_id(call: Call, *, id: str) -> Answer:
    """A post by id; one that is not there is an error in an answer of 200."""
    wanted = fields.of_posts(call)
    posts = list(Post.objects.select_related("author").filter(pk=post_id(id, "id")))
    if not posts:
        return Answer({"errors": [problems.not_found("tweet", "id", id)]})
    data, includes = wire.posts_answer(posts, wanted, viewer=call.person)
    return Answer({"data": data[0]} | ({"includes": includes} if includes else {}))


@endpoint("tweets", user=900, app=450, scopes=SCOPES, query=("ids", *fields.POST_QUERY))
def by_ids(call: Call) -> Answer:
    """Up to 100 posts by id."""
    wanted = fields.of_posts(call)
    ids = call.ids()
    found = Post.objects.select_related("author").in_bulk([int(number) for number in ids])
    posts = [found[int(number)] for number in ids if int(number) in found]
    data, includes = wire.posts_answer(posts, wanted, viewer=call.person)
    body: dict[str, Any] = {"data": data} if data else {}
    if includes:
        body["includes"] = includes
    if missing := [problems.not_found("tweet", "ids", number) for number in ids if int(number) not in found]:
        body["errors"] = missing
    return Answer(body)


class _Reply(msgspec.Struct, forbid_unknown_fields=True):
    in_reply_to_tweet_id: str
    exclude_reply_user_ids: list[str] = []
    auto_populate_reply_metadata: bool = True


class _New(msgspec.Struct, forbid_unknown_fields=True):
    """A new post. What the sandbox has no part of (media, polls, places) is refused as unknown."""

    text: str = ""
    reply: _Reply | None = None
    quote_tweet_id: str | None = None
    direct_message_deep_link: str | None = None
    reply_settings: str | None = None
    made_with_ai: bool = False


@endpoint("POST tweets", user=POSTING, scopes="tweet.read tweet.write users.read")
def create(call: Call) -> Answer:
    """Post, reply or quote, within X's rules."""
    new = call.body(_New)
    if not new.text.strip():
        raise problems.invalid("$.text: one of text or media is required", {"text": [new.text]})
    if new.reply_settings not in (None, "following", "mentionedUsers", "subscribers", "verified"):
        raise problems.invalid(
            "$.reply_settings: does not have a value in the enumeration", {"reply_settings": [new.reply_settings or ""]}
        )
    wired, entities = texts.wire(new.text)
    if texts.weight(wired) > texts.MAX_WEIGHT:
        raise problems.invalid("Your Tweet text is too long.", {"text": [new.text]})
    if len(entities.get("cashtags", ())) > 1:
        raise problems.forbidden("A post can hold one cashtag at most.")
    parent = (
        _summoned(call.user, post_id(new.reply.in_reply_to_tweet_id, "reply.in_reply_to_tweet_id"))
        if new.reply
        else None
    )
    quoted = post_id(new.quote_tweet_id, "quote_tweet_id") if new.quote_tweet_id else None
    _refuse_duplicate(call.user, texts.addressed(wired, parent.author.handle) if parent else wired, wired)
    draft = posting.Draft(
        author=call.user.handle,
        text=new.text,
        in_reply_to=parent.pk if parent else None,
        quote_of=quoted,
        dm_button=_recipient(new.direct_message_deep_link, call.user),
    )
    post = posting.publish([draft])[0].post
    shown = wire.post_json(post, fields.Wanted())
    return Answer({"data": shown}, status=201, charges=((_price(post, parent), post.pk),))


@endpoint("DELETE tweets/:id", user=50, scopes="tweet.read tweet.write users.read")
def delete(call: Call, *, id: str) -> Answer:
    """Delete a post of one's own."""
    post = Post.objects.filter(pk=post_id(id, "id")).first()
    if post is not None and post.author_id != call.user.pk:
        raise problems.forbidden("You are not authorized to delete this Tweet.")
    if post is not None:
        posting.delete([post.pk])
    return Answer({"data": {"deleted": post is not None}})


def _summoned(replier: Person, number: int) -> Post:
    """The post to reply to; X lets an app reply only to an author who named the replier or quoted a post of theirs."""
    parent = Post.objects.select_related("author").filter(pk=number).first()
    if parent is None:
        raise problems.forbidden("You attempted to reply to a Tweet that is deleted or not visible to you.")
    named = Mention.objects.filter(post=parent, person=replier).exists()
    quoted = parent.quote_of and Post.objects.filter(pk=parent.quote_of, author=replier).exists()
    if not (named or quoted or parent.author_id == replier.pk):
        raise problems.forbidden(
            "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged "
            "by the author of the post you are replying to."
        )
    return parent


def _price(post: Post, parent: Post | None) -> str:
    """As what X charges a new post: one with a link most, a reply to somebody who called for it least."""
    if post.entities.get("urls"):
        return "post_create_url"
    return "reply_summoned" if parent and parent.author_id != post.author_id else "post_create"


def _refuse_duplicate(author: Person, *wired: str) -> None:
    """X refuses what the same account posted a moment ago."""
    since = id_at(clock.now() - timedelta(days=1))
    if Post.objects.filter(author=author, pk__gt=since, text__in=wired).exists():
        raise problems.forbidden("You are not allowed to create a Tweet with duplicate content.")


def _recipient(deep_link: str | None, author: Person) -> int | None:
    """Whom the message button writes to: the `recipient_id` of the link, else the author."""
    if deep_link is None:
        return None
    _, _, rest = deep_link.partition("recipient_id=")
    number = rest.split("&")[0]
    return int(number) if number.isdigit() and len(number) < 19 else author.pk


def _matching(rule: Rule, low: int, high: int, most: int) -> list[Post]:
    """The newest posts in a range of ids that match: looked through in chunks, narrowed first."""
    rows = Post.objects.select_related("author").order_by("-id")
    if rule.only_from:
        rows = rows.filter(author__handle_lower=rule.only_from)
    if rule.only_conversation is not None:
        rows = rows.filter(conversation=rule.only_conversation)
    if rule.needles:
        rows = rows.filter(reduce(or_, (Q(text__icontains=needle) for needle in rule.needles)))
    if rule.uses_words:
        rows = rows.filter(retweet_of=None)  # since May 2026 keyword searches return no retweets
    found: list[Post] = []
    while len(found) < most:
        chunk = list(rows.filter(pk__gt=low, pk__lt=high)[:CHUNK])
        answered = _answered(chunk) if "to:" in rule.source else {}
        for post in chunk:
            if rule.matches(posting.subject(post, reply_to=answered.get(post.in_reply_to_person or 0, ""))):
                found.append(post)
        if len(chunk) < CHUNK:
            break
        high = chunk[-1].pk
    return found[:most]


def _answered(posts: Iterable[Post]) -> dict[int, str]:
    numbers = {post.in_reply_to_person for post in posts if post.in_reply_to_person}
    rows: QuerySet[Person, tuple[int, str]] = Person.objects.filter(pk__in=numbers).values_list("pk", "handle_lower")
    return dict(rows)


def _range(call: Call, *tokens: str, recent: bool = False) -> tuple[int, int]:
    """The ids that may be listed, both ends exclusive."""
    now = clock.now()
    oldest = now - timedelta(days=SEARCH_DAYS) if recent else datetime.fromtimestamp(0, UTC)
    since, until = call.snowflake("since_id"), call.snowflake("until_id")
    start, end = call.moment("start_time"), call.moment("end_time")
    for name, moment in (("start_time", start), ("end_time", end)):
        if moment is not None and recent and moment < oldest:
            raise problems.invalid(
                f"Invalid '{name}':'{call.query[name]}'. '{name}' must be on or after {wire.timestamp(oldest)}",
                {name: [call.query[name]]},
            )
    if end is not None and recent and end > now - timedelta(seconds=10):
        raise problems.invalid(
            f"Invalid 'end_time':'{call.query['end_time']}'. "
            "'end_time' must be a minimum of 10 seconds prior to the request time.",
            {"end_time": [call.query["end_time"]]},
        )
    if since is not None and recent and since < id_at(oldest):
        raise problems.invalid(
            f"'since_id' must be a tweet id created after [{wire.timestamp(oldest)}]. "
            f"Please use a 'since_id' that is larger than {id_at(oldest)}",
            {"since_id": [str(since)]},
        )
    low = max(since or 0, id_at(start) - 1 if start else 0, id_at(oldest))
    highs = [until, id_at(end) if end else None, pages.before(call, *tokens)]
    if recent and settings.SANDBOX_SEARCH_LAG_SECONDS and end is None:
        highs.append(id_at(now - timedelta(seconds=settings.SANDBOX_SEARCH_LAG_SECONDS)))
    return low, min((high for high in highs if high is not None), default=MAX_ID)


def _listing(rows: list[Post], most: int, wanted: fields.Wanted, viewer: Person | None) -> Answer:
    """A page of posts; `rows` holds one more than the page when there is a next one."""
    shown = rows[:most]
    meta: dict[str, Any] = {"result_count": len(shown)}
    if not shown:
        return Answer({"meta": meta})
    meta = {"newest_id": str(shown[0].pk), "oldest_id": str(shown[-1].pk)} | meta
    if len(rows) > most:
        meta["next_token"] = pages.token(shown[-1].pk)
    data, includes = wire.posts_answer(shown, wanted, viewer=viewer)
    return Answer({"data": data, "meta": meta} | ({"includes": includes} if includes else {}))

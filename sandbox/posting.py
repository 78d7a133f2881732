"""Takes what people tweet, leaves stored posts, their mentions, and lines on the stream.

A batch costs the same few queries whatever its size: this is the way in for hundreds of posts a second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from sandbox import activity, clock, languages, streaming, texts
from sandbox.models import DeletedPost, Mention, Person, Post
from sandbox.people import clean_handle, ensure
from sandbox.rules import Subject
from sandbox.snowflakes import next_id


@dataclass(frozen=True, slots=True)
class Draft:
    """A post before it is one. `author` and `in_reply_to_author` are handles; `key` is the sender's own mark."""

    author: str
    text: str
    lang: str | None = None
    in_reply_to: int | None = None
    in_reply_to_author: str | None = None
    retweet: bool = False
    quote_of: int | None = None
    dm_button: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A stored post, the people it names (also in X's own prefix of a reply), and the stream rules it matched."""

    key: str
    post: Post
    named: list[Person] = field(default_factory=list)
    matched: list[tuple[int, str]] = field(default_factory=list)


def publish(drafts: Sequence[Draft]) -> list[Published]:
    """Store the posts in order and hand them to the stream; unknown people are made. One transaction."""
    with transaction.atomic():
        people = ensure(_handles(drafts))
        references = _references(drafts)
        published = [_compose(draft, people=people, references=references) for draft in drafts]
        # A reply's prefix can name somebody who was not in the texts.
        missing = [name for one in published for name in texts.names(one.post.text) if name.lower() not in people]
        people |= ensure(missing) if missing else {}
        for one in published:
            _name(one, people)
        Post.objects.bulk_create(one.post for one in published)
        Mention.objects.bulk_create(
            Mention(person_id=person.pk, post_id=one.post.pk) for one in published for person in one.named
        )
    rules = streaming.stored_rules()
    handles = {person.pk: person.handle_lower for person in people.values()}
    for one in published:
        quoted = references.get(one.post.quote_of or 0)
        # The stream, unlike search, also looks into what a post quotes.
        seen = subject(
            one.post, reply_to=handles.get(one.post.in_reply_to_person or 0, ""), also=quoted.text if quoted else ""
        )
        one.matched.extend((rule.id, rule.tag) for rule in rules if rule.rule.matches(seen))
    streaming.hub.publish([(one.post, one.matched) for one in published if one.matched])
    if activity.wanted("post.mention.create"):
        activity.mentioned(
            (one.post, _typed(draft, one.post, people))
            for draft, one in zip(drafts, published, strict=True)
            if not draft.retweet
        )
    return published


def delete(numbers: Iterable[int]) -> list[int]:
    """Delete posts as their authors would; returns those that were there. What was deleted is remembered."""
    wanted = list(numbers)
    posts = list(Post.objects.select_related("author").filter(pk__in=wanted).order_by("id")) if wanted else []
    if not posts:
        return []
    now = clock.now()
    with transaction.atomic():
        DeletedPost.objects.bulk_create(
            [DeletedPost(id=post.pk, author=post.author_id, deleted_at=now) for post in posts], ignore_conflicts=True
        )
        Post.objects.filter(pk__in=[post.pk for post in posts]).delete()
    activity.deleted(posts)
    return [post.pk for post in posts]


def subject(post: Post, *, reply_to: str, also: str = "") -> Subject:
    """What rules see of a post whose author is loaded."""
    found = post.entities
    return Subject(
        text=f"{post.text}\n{also}" if also else post.text,
        author=post.author.handle_lower,
        author_id=post.author_id,
        author_verified=post.author.verified,
        mentions=frozenset(mention["username"].lower() for mention in found.get("mentions", ())),
        hashtags=frozenset(tag["tag"].lower() for tag in found.get("hashtags", ())),
        cashtags=frozenset(tag["tag"].lower() for tag in found.get("cashtags", ())),
        urls=tuple(url["expanded_url"] for url in found.get("urls", ())),
        lang=post.lang,
        reply_to=reply_to,
        reply_to_post=post.in_reply_to,
        conversation=post.conversation,
        is_reply=post.in_reply_to is not None or post.in_reply_to_person is not None,
        is_retweet=post.retweet_of is not None,
        is_quote=post.quote_of is not None,
    )


def _typed(draft: Draft, post: Post, people: dict[str, Person]) -> list[Person]:
    """Whom the author named in so many words: neither themself, nor whom X put in front of the reply."""
    typed = {name.lower() for name in texts.names(draft.text)} - {post.author.handle_lower}
    named = {mention["username"].lower() for mention in post.entities.get("mentions", ())}
    return [people[name] for name in sorted(typed & named)]


def _handles(drafts: Iterable[Draft]) -> list[str]:
    handles: list[str] = []
    for draft in drafts:
        handles.append(clean_handle(draft.author))
        handles += texts.names(draft.text)
        if draft.in_reply_to_author:
            handles.append(clean_handle(draft.in_reply_to_author))
    return handles


def _references(drafts: Iterable[Draft]) -> dict[int, Post]:
    ids = {number for draft in drafts for number in (draft.in_reply_to, draft.quote_of) if number}
    return Post.objects.select_related("author").in_bulk(ids) if ids else {}


def _compose(draft: Draft, *, people: dict[str, Person], references: dict[int, Post]) -> Published:
    author = people[clean_handle(draft.author).lower()]
    parent = references.get(draft.in_reply_to or 0)
    answered = parent.author if parent else None
    if answered is None and draft.in_reply_to_author:
        answered = people[clean_handle(draft.in_reply_to_author).lower()]
    text = draft.text
    if answered is not None and answered.pk != author.pk and not draft.retweet:
        text = texts.addressed(text, answered.handle)
    wired, entities = texts.wire(text)
    # A retweet points at an original; one that we never saw is as one that was deleted since.
    retweet_of = (draft.in_reply_to or next_id()) if draft.retweet else None
    number = next_id()
    post = Post(
        id=number,
        author=author,
        text=wired,
        lang=draft.lang or languages.guess(draft.text),
        entities=entities,
        conversation=number if draft.retweet else _conversation(number, parent, draft),
        in_reply_to=None if draft.retweet else draft.in_reply_to,
        in_reply_to_person=answered.pk if answered and not draft.retweet else None,
        retweet_of=retweet_of,
        quote_of=draft.quote_of,
        dm_button=draft.dm_button,
    )
    return Published(key=draft.key, post=post)


def _conversation(number: int, parent: Post | None, draft: Draft) -> int:
    return parent.conversation if parent else draft.in_reply_to or number


def _name(one: Published, people: dict[str, Person]) -> None:
    named: dict[int, Person] = {}
    for mention in one.post.entities.get("mentions", ()):
        person = people[mention["username"].lower()]
        mention["id"] = str(person.pk)
        named[person.pk] = person
    one.named.extend(named.values())

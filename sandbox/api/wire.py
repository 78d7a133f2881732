"""Takes rows and what a call wants to see of them, leaves X's JSON for posts, users and message events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox import texts
from sandbox.api.fields import Wanted
from sandbox.models import DirectMessage, Person, Post
from sandbox.people import conversation, writers_to
from sandbox.snowflakes import moment_of

Json = dict[str, Any]


@dataclass
class Includes:
    """What goes beside `data`: people and posts, each once, by id."""

    people: dict[int, Person] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)


def posts_answer(posts: Sequence[Post], wanted: Wanted, *, viewer: Person | None) -> tuple[list[Json], Json]:
    """(data, includes) for posts whose authors are loaded."""
    shown = [post_json(post, wanted) for post in posts]
    includes = _related(posts, wanted)
    return shown, _includes_json(includes, wanted, viewer=viewer)


def stream_lines(posts: Sequence[Post], wanted: Wanted) -> list[Json]:
    """One stream object per post, each with its own includes; one look-up for all."""
    related = _related(posts, wanted)
    lines: list[Json] = []
    for post in posts:
        line: Json = {"data": post_json(post, wanted)}
        people = _people_of(post, wanted, related)
        quoted = [related.posts[number] for _, number in references(post) if number in related.posts]
        own = Includes(people, {each.pk: each for each in quoted})
        if included := _includes_json(own, wanted, viewer=None):
            line["includes"] = included
        lines.append(line)
    return lines


def post_json(post: Post, wanted: Wanted) -> Json:
    """A post: id, text and edit history always, the rest as asked for; what is empty is absent."""
    referenced, history = (
        ("referenced_posts", "edit_history_post_ids")
        if wanted.newer
        else (
            "referenced_tweets",
            "edit_history_tweet_ids",
        )
    )
    text, entities = texts.escaped(post.text, post.entities)
    shown: Json = {"id": str(post.pk), "text": text, history: [str(post.pk)]}
    asked = wanted.post | {expansion.split(".")[0] for expansion in wanted.expansions}
    if "entities" in asked and entities:
        shown["entities"] = entities
    if "author_id" in asked or "username" in asked:
        shown["author_id"] = str(post.author_id)
    if "conversation_id" in asked:
        shown["conversation_id"] = str(post.conversation)
    if "created_at" in asked:
        shown["created_at"] = timestamp(moment_of(post.pk))
    if "lang" in asked:
        shown["lang"] = post.lang
    if "in_reply_to_user_id" in asked and post.in_reply_to_person:
        shown["in_reply_to_user_id"] = str(post.in_reply_to_person)
    if referenced in asked and (pointed := references(post)):
        shown[referenced] = [{"type": kind, "id": str(number)} for kind, number in pointed]
    if "display_text_range" in asked:
        shown["display_text_range"] = [0, len(text)]
    shown |= {name: value for name, value in _constant(post, wanted).items() if name in asked}
    return shown


def references(post: Post) -> list[tuple[str, int]]:
    """What a post points at: (type, id)."""
    pointed = (("retweeted", post.retweet_of), ("quoted", post.quote_of), ("replied_to", post.in_reply_to))
    return [(kind, number) for kind, number in pointed if number]


def users_json(people: Sequence[Person], wanted: Wanted, *, viewer: Person | None) -> list[Json]:
    """Users; what depends on the viewer is only shown to one (never to the app)."""
    asks = viewer is not None and "receives_your_dm" in wanted.user
    wrote = writers_to(viewer, [person.pk for person in people]) if viewer is not None and asks else frozenset()
    shown: list[Json] = []
    for person in people:
        user: Json = {"id": str(person.pk), "name": person.name, "username": person.handle}
        if viewer is not None:
            if "receives_your_dm" in wanted.user:
                takes = person.accepts_dm or person.pk in wrote
                user["receives_your_dm"] = takes and person.pk != viewer.pk
            if "connection_status" in wanted.user:
                user["connection_status"] = []  # nobody follows or blocks anybody here
        user |= {name: value for name, value in _about(person, wanted).items() if name in wanted.user}
        shown.append(user)
    return shown


def events_answer(events: Sequence[DirectMessage], wanted: Wanted, *, viewer: Person) -> tuple[list[Json], Json]:
    """(data, includes) for direct messages whose people are loaded."""
    included = Includes()
    for event in events:
        if "sender_id" in wanted.expansions:
            included.people[event.sender_id] = event.sender
        if "participant_ids" in wanted.expansions:
            included.people |= {event.sender_id: event.sender, event.recipient_id: event.recipient}
    return [_event_json(event, wanted) for event in events], _includes_json(included, wanted, viewer=viewer)


def timestamp(moment: datetime) -> str:
    """X's times: whole seconds, written with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _event_json(event: DirectMessage, wanted: Wanted) -> Json:
    asked = wanted.event | wanted.expansions
    shown: Json = {"id": str(event.pk), "event_type": "MessageCreate", "text": event.text}
    if "created_at" in asked:
        shown["created_at"] = timestamp(moment_of(event.pk))
    if "dm_conversation_id" in asked:
        shown["dm_conversation_id"] = conversation(event.sender_id, event.recipient_id)
    if "sender_id" in asked:
        shown["sender_id"] = str(event.sender_id)
    if "entities" in asked and event.entities:
        shown["entities"] = event.entities
    return shown


def _constant(post: Post, wanted: Wanted) -> Json:
    """Fields that are the same for every post here, or follow from its id and text."""
    made = moment_of(post.pk)
    return {
        "edit_controls": {
            "edits_remaining": 5,
            "is_edit_eligible": post.in_reply_to is None,
            "editable_until": timestamp(made + timedelta(hours=1)),
        },
        "possibly_sensitive": False,
        "reply_settings": "everyone",
        "public_metrics": {
            ("repost_count" if wanted.newer else "retweet_count"): 0,
            "reply_count": 0,
            "like_count": 0,
            "quote_count": 0,
            "bookmark_count": 0,
            "impression_count": 0,
        },
    }


def _about(person: Person, wanted: Wanted) -> Json:
    return {
        "created_at": timestamp(person.created_at),
        "description": "",
        "protected": False,
        "verified": person.verified,
        "verified_type": "blue" if person.verified else "none",
        "url": "",
        "public_metrics": {
            "followers_count": person.followers,
            "following_count": 0,
            ("post_count" if wanted.newer else "tweet_count"): 0,
            "listed_count": 0,
        },
    }


def _related(posts: Iterable[Post], wanted: Wanted) -> Includes:
    """The posts and people that the expansions point at: at most one query each."""
    posts = list(posts)
    found = Includes()
    if wanted.expansions & {"referenced_tweets.id", "referenced_tweets.id.author_id", "referenced_posts"}:
        numbers = {number for post in posts for _, number in references(post)}
        found.posts = Post.objects.select_related("author").in_bulk(numbers) if numbers else {}
    wanted_people: set[int] = set()
    for post in posts:
        wanted_people |= _people_ids(post, wanted)
    known = {post.author_id: post.author for post in (*posts, *found.posts.values())}
    missing = wanted_people - known.keys()
    known |= Person.objects.in_bulk(missing) if missing else {}
    found.people = {number: known[number] for number in wanted_people if number in known}
    if "referenced_tweets.id.author_id" in wanted.expansions:
        found.people |= {post.author_id: post.author for post in found.posts.values()}
    return found


def _people_ids(post: Post, wanted: Wanted) -> set[int]:
    numbers: set[int] = set()
    if wanted.expansions & {"author_id", "username"}:
        numbers.add(post.author_id)
    if "in_reply_to_user_id" in wanted.expansions and post.in_reply_to_person:
        numbers.add(post.in_reply_to_person)
    if "entities.mentions.username" in wanted.expansions:
        numbers |= {int(mention["id"]) for mention in post.entities.get("mentions", ()) if "id" in mention}
    return numbers


def _people_of(post: Post, wanted: Wanted, related: Includes) -> dict[int, Person]:
    """The people that one post's expansions point at, out of what was loaded for all."""
    own = {number: related.people[number] for number in _people_ids(post, wanted) if number in related.people}
    if "referenced_tweets.id.author_id" in wanted.expansions:
        quoted = [related.posts[number] for _, number in references(post) if number in related.posts]
        own |= {each.author_id: each.author for each in quoted}
    return own


def _includes_json(found: Includes, wanted: Wanted, *, viewer: Person | None) -> Json:
    included: Json = {}
    if found.people:
        included["users"] = users_json(list(found.people.values()), wanted, viewer=viewer)
    if found.posts:
        included["posts" if wanted.newer else "tweets"] = [post_json(post, wanted) for post in found.posts.values()]
    return included

"""Takes the fields and expansions a call asks for, leaves what to show, in which of X's two vocabularies.

X's specification renamed posts (tweet.fields to post.fields, referenced_tweets to referenced_posts, ...) and made of
relations (who wrote it, what it answers) expansions only; its documentation and the filtered stream keep the older
names.
"""

from dataclasses import dataclass, replace

from django.conf import settings

from sandbox.api import problems
from sandbox.api.calls import Call

_COMMON = [
    "article",
    "attachments",
    "card_uri",
    "community_id",
    "context_annotations",
    "conversation_id",
    "created_at",
    "display_text_range",
    "edit_controls",
    "entities",
    "geo",
    "id",
    "lang",
    "matched_media_notes",
    "media_metadata",
    "non_public_metrics",
    "note_request_suggestions",
    "organic_metrics",
    "paid_partnership",
    "possibly_sensitive",
    "promoted_metrics",
    "public_metrics",
    "reply_settings",
    "scopes",
    "source",
    "suggested_source_links",
    "suggested_source_links_with_counts",
    "text",
    "withheld",
]
TWEET_FIELDS = sorted(
    [*_COMMON, "author_id", "edit_history_tweet_ids", "in_reply_to_user_id", "note_tweet", "referenced_tweets"]
)
POST_FIELDS = sorted([*_COMMON, "article_title", "note_post"])
_EXPANSIONS = [
    "article.cover_media",
    "article.media_entities",
    "attachments.media_keys",
    "attachments.media_source_tweet",
    "attachments.poll_ids",
    "author_id",
    "entities.mentions.username",
    "geo.place_id",
    "in_reply_to_user_id",
]
TWEET_EXPANSIONS = sorted(
    [
        *_EXPANSIONS,
        "edit_history_tweet_ids",
        "entities.note.mentions.username",
        "referenced_tweets.id",
        "referenced_tweets.id.attachments.media_keys",
        "referenced_tweets.id.author_id",
    ]
)
POST_EXPANSIONS = sorted([*_EXPANSIONS, "edit_history_post_ids", "referenced_posts", "username"])
_USER_FIELDS = [
    "confirmed_email",
    "connection_status",
    "created_at",
    "description",
    "entities",
    "id",
    "is_identity_verified",
    "location",
    "name",
    "parody",
    "profile_banner_url",
    "profile_image_url",
    "protected",
    "public_metrics",
    "receives_your_dm",
    "subscription",
    "subscription_type",
    "url",
    "username",
    "verified",
    "verified_followers_count",
    "verified_type",
    "withheld",
]
TWEET_USER_FIELDS = sorted([*_USER_FIELDS, "affiliation", "most_recent_tweet_id", "pinned_tweet_id"])
POST_USER_FIELDS = sorted([*_USER_FIELDS, "subscribes_to_you"])
TWEET_USER_EXPANSIONS = ["affiliation", "most_recent_tweet_id", "pinned_tweet_id"]
POST_USER_EXPANSIONS = ["affiliation", "most_recent_post_id", "pinned_post_id"]
_DM_FIELDS = ["attachments", "created_at", "dm_conversation_id", "entities", "event_type", "id", "text"]
TWEET_DM_FIELDS = sorted([*_DM_FIELDS, "participant_ids", "referenced_tweets", "sender_id"])
_DM_EXPANSIONS = ["attachments.media_keys", "participant_ids", "sender_id"]
MEDIA_FIELDS = [
    "alt_text",
    "duration_ms",
    "height",
    "media_key",
    "non_public_metrics",
    "organic_metrics",
    "preview_image_url",
    "promoted_metrics",
    "public_metrics",
    "type",
    "url",
    "variants",
    "width",
]
POLL_FIELDS = ["duration_minutes", "end_datetime", "id", "options", "voting_status"]
PLACE_FIELDS = ["contained_within", "country", "country_code", "full_name", "geo", "id", "name", "place_type"]
OTHERS = {"media.fields": MEDIA_FIELDS, "poll.fields": POLL_FIELDS, "place.fields": PLACE_FIELDS}

POST_QUERY = ("tweet.fields", "post.fields", "expansions", "user.fields", *OTHERS)
USER_QUERY = ("tweet.fields", "post.fields", "expansions", "user.fields")
STREAM_QUERY = ("tweet.fields", "expansions", "user.fields", *OTHERS)
DM_QUERY = ("tweet.fields", "post.fields", "expansions", "user.fields", "dm_event.fields", "media.fields")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show. `newer` is the post vocabulary."""

    newer: bool = False
    post: frozenset[str] = frozenset()
    user: frozenset[str] = frozenset()
    event: frozenset[str] = frozenset()
    expansions: frozenset[str] = frozenset()


def of_posts(call: Call) -> Wanted:
    """For endpoints that answer posts."""
    return _wanted(call, TWEET_EXPANSIONS, POST_EXPANSIONS)


def of_users(call: Call) -> Wanted:
    """For endpoints that answer users."""
    return _wanted(call, TWEET_USER_EXPANSIONS, POST_USER_EXPANSIONS)


def of_stream(call: Call) -> Wanted:
    """For the filtered stream, which kept the older names."""
    return _wanted(call, TWEET_EXPANSIONS, [])


def of_messages(call: Call) -> Wanted:
    """For endpoints that answer direct messages; dm_event.fields bears the same name in both vocabularies."""
    wanted = _wanted(call, [*_DM_EXPANSIONS, "referenced_tweets.id"], [*_DM_EXPANSIONS, "referenced_posts"])
    events = call.choices("dm_event.fields", _DM_FIELDS if wanted.newer else TWEET_DM_FIELDS)
    return replace(wanted, event=events)


def _wanted(call: Call, older: list[str], newer: list[str]) -> Wanted:
    in_newer = _vocabulary(call, older, newer)
    for name, allowed in OTHERS.items():
        call.choices(name, allowed)
    return Wanted(
        newer=in_newer,
        post=call.choices("post.fields", POST_FIELDS) if in_newer else call.choices("tweet.fields", TWEET_FIELDS),
        user=call.choices("user.fields", POST_USER_FIELDS if in_newer else TWEET_USER_FIELDS),
        expansions=call.choices("expansions", newer if in_newer else older),
    )


def _vocabulary(call: Call, older: list[str], newer: list[str]) -> bool:
    """Whether the call speaks the newer vocabulary; the older one when nothing tells. Both at once are refused."""
    asked = set(call.query.get("expansions", "").split(","))
    speaks_newer = "post.fields" in call.query or bool(asked & (set(newer) - set(older)))
    speaks_older = "tweet.fields" in call.query or bool(asked & (set(older) - set(newer)))
    allowed = settings.SANDBOX_VOCABULARY if newer else "tweet"
    if speaks_newer and (speaks_older or allowed == "tweet"):
        raise _unknown(call, "post.fields", newer)
    if speaks_older and allowed == "post":
        raise _unknown(call, "tweet.fields", older)
    return speaks_newer or allowed == "post"


def _unknown(call: Call, name: str, words: list[str]) -> problems.Problem:
    """The refusal of a vocabulary, as of any unknown parameter or value."""
    if name in call.query:
        return problems.invalid(
            f"The query parameter [{name}] is not one of the known ones", {name: [call.query[name]]}
        )
    asked = call.query.get("expansions", "")
    value = next((word for word in asked.split(",") if word in words), asked)
    return problems.invalid(
        f"The `expansions` query parameter value [{value}] is not one of the known ones", {"expansions": [value]}
    )

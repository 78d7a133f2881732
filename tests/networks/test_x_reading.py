"""What X sends becomes posts, messages and people in our words, in both of X's vocabularies."""

from datetime import UTC, datetime
from typing import Any

import pytest

from conversations.networks.base import Account, Author, Post
from conversations.networks.errors import Refused, Unavailable

MAYA = {"id": "2002", "username": "maya_r", "name": "Maya Roth", "receives_your_dm": True}


def tweet(**more: Any) -> dict[str, Any]:
    return {
        "id": "1784600000000000001",
        "text": "@AskCiti my card was declined &amp; nobody answers &lt;3",
        "author_id": "2002",
        "created_at": "2024-04-28T15:00:00.000Z",
        "lang": "en",
        "conversation_id": "1784600000000000001",
        "entities": {"mentions": [{"start": 0, "end": 8, "username": "AskCiti", "id": "1001"}]},
        "edit_history_tweet_ids": ["1784600000000000001"],
    } | more


def page(*posts: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"data": list(posts), "includes": {"users": [MAYA]}, "meta": {"result_count": len(posts)} | meta}


def test_a_mention_is_read_whole(scripted, brand: Account) -> None:
    scripted.says(200, page(tweet(), newest_id="1784600000000000001", next_token="more"))

    found = scripted.x.mentions(brand, since_id="5")

    assert found.newest_id == "1784600000000000001"
    assert found.next_token == "more"
    assert found.posts == (
        Post(
            network="x",
            kind="post",
            external_id="1784600000000000001",
            author=Author("x", "2002", "maya_r", "Maya Roth", True),
            text="@AskCiti my card was declined & nobody answers <3",
            language="en",
            created_at=datetime(2024, 4, 28, 15, tzinfo=UTC),
            conversation_id="1784600000000000001",
            in_reply_to=None,
            in_reply_to_author=None,
            is_retweet=False,
            is_quote=False,
            names=("1001",),
            named_handles=("AskCiti",),
            permalink="https://x.com/maya_r/status/1784600000000000001",
            matched=(),
        ),
    )
    request = scripted.requests[0]
    assert request.url.path == "/2/users/1001/mentions"
    assert request.headers["authorization"] == "Bearer brand-token"
    assert dict(request.url.params) == {
        "max_results": "100",
        "since_id": "5",
        "tweet.fields": "author_id,conversation_id,created_at,entities,in_reply_to_user_id,lang,note_tweet,"
        "referenced_tweets",
        "expansions": "author_id",
        "user.fields": "username,name,public_metrics,receives_your_dm",
    }


@pytest.mark.parametrize(
    ("metrics", "followers"),
    [
        ({"followers_count": 5502, "tweet_count": 789}, 5502),
        ({"followers_count": 0, "post_count": 1}, 0),
        ({"followers_count": 2**40}, 2**31 - 1),
        ({"followers_count": -1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_followers_are_counted_where_x_says_so(scripted, brand, metrics, followers) -> None:
    told = page(tweet()) | {"includes": {"users": [MAYA | {"public_metrics": metrics}]}}
    scripted.says(200, told)

    assert scripted.x.mentions(brand).posts[0].author.followers == followers


@pytest.mark.parametrize("key", ["referenced_tweets", "referenced_posts"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("replied_to", ("77", False, False)), ("retweeted", (None, True, False)), ("quoted", (None, False, True))],
)
def test_references_are_read_in_both_vocabularies(scripted, brand, key, kind, expected) -> None:
    scripted.says(200, page(tweet(**{key: [{"type": kind, "id": "77"}], "in_reply_to_user_id": "9"})))

    (post,) = scripted.x.mentions(brand).posts

    assert (post.in_reply_to, post.is_retweet, post.is_quote) == expected
    assert post.in_reply_to_author == "9"


@pytest.mark.parametrize("key", ["note_tweet", "note_post"])
def test_a_long_post_is_read_to_its_end(scripted, brand, key) -> None:
    note = {"text": "long &gt; 280, cc @Citi", "entities": {"mentions": [{"username": "Citi", "id": "1002"}]}}
    scripted.says(200, page(tweet(**{key: note})))

    (post,) = scripted.x.mentions(brand).posts

    assert post.text == "long > 280, cc @Citi"
    assert post.names == ("1002",)


def test_what_x_leaves_out_is_filled_or_left_empty(scripted, brand) -> None:
    bare = {"id": "1784600000000000001", "author_id": "3", "text": "hi @AskCiti, @Citi! @askciti", "lang": "und"}
    scripted.says(200, {"data": [bare]})

    (post,) = scripted.x.mentions(brand).posts

    assert post.author == Author("x", "3", "", "", None)
    assert post.language is None
    assert post.named_handles == post.names == ("AskCiti", "Citi")
    assert post.permalink == "https://x.com/i/status/1784600000000000001"
    assert post.created_at == datetime(2024, 4, 28, 15, 6, 10, 921000, tzinfo=UTC)


def test_an_account_named_twice_is_named_once(scripted, brand) -> None:
    twice = [
        {"username": "AskCiti", "id": "1001"},
        {"username": "Citi", "id": "1002"},
        {"username": "AskCiti", "id": "1001"},
    ]
    scripted.says(200, page(tweet(entities={"mentions": twice})))

    (post,) = scripted.x.mentions(brand).posts

    assert (post.names, post.named_handles) == (("1001", "1002"), ("AskCiti", "Citi"))


def test_entities_without_names_mean_no_names(scripted, brand) -> None:
    scripted.says(200, page(tweet(text="see @nobody_there", entities={"hashtags": []})))

    assert scripted.x.mentions(brand).posts[0].names == ()


def test_one_odd_post_does_not_take_the_page_with_it(scripted, brand, caplog) -> None:
    odd = tweet(id=7)
    nobody = tweet(id="8")
    del nobody["author_id"]
    scripted.says(200, page(odd, nobody, tweet()))

    assert [post.external_id for post in scripted.x.mentions(brand).posts] == ["1784600000000000001"]
    assert "declined" not in caplog.text


def test_half_an_emoji_and_a_nul_do_not_stop_a_page(scripted, brand) -> None:
    body = (
        b'{"data":[{"id":"5","author_id":"2","text":"cut \\ud83d off\\u0000"},{"id":"4","author_id":"2","text":"ok"}]}'
    )
    scripted.says(200, body)

    assert [post.text for post in scripted.x.mentions(brand).posts] == ["cut ? off", "ok"]


def test_newest_id_is_found_by_number_where_x_does_not_say(scripted, brand) -> None:
    scripted.says(200, page(tweet(id="9"), tweet(id="10")))

    assert scripted.x.mentions(brand).newest_id == "10"


def test_an_empty_page_leaves_the_cursor_alone(scripted) -> None:
    scripted.says(200, {"meta": {"result_count": 0}})

    found = scripted.x.search("@AskCiti", page_token="t", since_id="3")

    assert (found.posts, found.newest_id, found.next_token) == ((), None, None)
    params = scripted.requests[0].url.params
    assert (params["query"], params["next_token"], params["since_id"]) == ("@AskCiti", "t", "3")
    assert scripted.requests[0].headers["authorization"] == "Bearer app-token"


def wrong_parameter(name: str) -> dict[str, Any]:
    return {
        "errors": [{"parameters": {name: ["x"]}, "message": f"The query parameter [{name}] is not one of [...]"}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.x.com/2/problems/invalid-request",
    }


def test_the_other_vocabulary_is_tried_once_and_kept(scripted, brand) -> None:
    scripted.says(400, wrong_parameter("tweet.fields"))
    scripted.says(200, page(tweet()))
    scripted.says(200, page(tweet()))

    assert len(scripted.x.mentions(brand).posts) == 1
    scripted.x.mentions(brand)

    first, second, third = (request.url.params for request in scripted.requests)
    assert "tweet.fields" in first
    assert "post.fields" not in first
    assert second["post.fields"] == "conversation_id,created_at,entities,lang,note_post"
    assert second["expansions"] == "author_id,in_reply_to_user_id,referenced_posts"
    assert "tweet.fields" not in second
    assert "post.fields" in third


def test_a_server_that_knows_neither_vocabulary_is_asked_twice(scripted, brand) -> None:
    scripted.says(400, wrong_parameter("tweet.fields"))
    scripted.says(400, wrong_parameter("post.fields"))

    with pytest.raises(Refused) as refused:
        scripted.x.mentions(brand)

    assert refused.value.reason == "invalid"
    assert len(scripted.requests) == 2


def test_another_bad_request_is_not_repeated(scripted) -> None:
    scripted.says(400, wrong_parameter("query"))

    with pytest.raises(Refused, match="query"):
        scripted.x.search("(")

    assert len(scripted.requests) == 1


def test_direct_messages_are_the_others(scripted, brand) -> None:
    common = {"event_type": "MessageCreate", "dm_conversation_id": "1001-2002", "created_at": "2024-04-28T15:00:00Z"}
    scripted.says(
        200,
        {
            "data": [
                {"id": "31", "sender_id": "1001", "text": "ours", **common},
                {"id": "30", "sender_id": "2002", "text": "AT&amp;T owes me", **common},
                {"id": "29", "sender_id": "2002", "event_type": "ParticipantsJoin", "participant_ids": ["2002"]},
            ],
            "includes": {"users": [MAYA]},
            "meta": {"result_count": 3, "next_token": "0123456789abcdef"},
        },
    )

    found = scripted.x.direct_messages(brand, page_token="fedcba9876543210")

    (message,) = found.posts
    assert (message.kind, message.external_id, message.text) == ("dm", "30", "AT&amp;T owes me")
    assert message.author == Author("x", "2002", "maya_r", "Maya Roth", True)
    assert message.conversation_id == "1001-2002"
    assert message.names == ()
    assert message.permalink == "https://x.com/messages/compose?recipient_id=2002"
    assert (found.newest_id, found.next_token) == ("31", "0123456789abcdef")
    params = scripted.requests[0].url.params
    assert (params["event_types"], params["pagination_token"]) == ("MessageCreate", "fedcba9876543210")


def test_sent_messages_are_ours_newest_first_with_their_real_links(scripted, brand) -> None:
    link = {"url": "https://t.co/abc", "expanded_url": "https://go.bank.test/Abc123"}
    scripted.says(
        200,
        {
            "data": [
                {"id": "9", "sender_id": "1001", "text": "see https://t.co/abc", "entities": {"urls": [link]}},
                {"id": "11", "sender_id": "1001", "text": "or https://go.bank.test/X."},
                {"id": "10", "sender_id": "2002", "text": "https://not.ours"},
            ]
        },
    )

    sent = scripted.x.sent_direct_messages(brand, recipient_id="2002")

    assert [(message.external_id, message.urls) for message in sent] == [
        ("11", ("https://go.bank.test/X",)),
        ("9", ("https://go.bank.test/Abc123",)),
    ]
    assert scripted.requests[0].url.path == "/2/dm_conversations/with/2002/dm_events"


def test_sent_replies_are_those_to_the_one_post_on_every_page(scripted, brand) -> None:
    def reply(number: str, to: str) -> dict[str, Any]:
        return tweet(id=number, text=f"reply {number}", referenced_tweets=[{"type": "replied_to", "id": to}])

    scripted.says(200, page(reply("53", "50"), reply("52", "51"), next_token="more"))
    scripted.says(200, page(reply("51", "50")))

    sent = scripted.x.sent_replies(brand, in_reply_to="50")

    assert [message.external_id for message in sent] == ["53", "51"]
    assert scripted.requests[0].url.params["query"] == "from:AskCiti is:reply"
    assert "since_id" not in scripted.requests[0].url.params  # the post is older than what X lets us search
    assert scripted.requests[1].url.params["next_token"] == "more"


def test_a_read_back_that_cannot_see_everything_does_not_say_absent(scripted, brand) -> None:
    for _ in range(10):
        scripted.says(200, page(tweet(), next_token="more"))

    with pytest.raises(Unavailable):
        scripted.x.sent_replies(brand, in_reply_to="50")


def test_lookup(scripted) -> None:
    scripted.says(200, {"data": {"id": "2002", "username": "maya_r", "name": "Maya Roth"}})

    assert scripted.x.lookup("@maya_r") == Author("x", "2002", "maya_r", "Maya Roth", None)
    assert scripted.requests[0].url.path == "/2/users/by/username/maya_r"


def test_lookup_of_nobody(scripted) -> None:
    problem = {"title": "Not Found Error", "type": "https://api.x.com/2/problems/resource-not-found"}
    scripted.says(200, {"errors": [problem]})

    for handle in ("maya_r", "../me", "a" * 16, ""):
        with pytest.raises(Refused) as refused:
            scripted.x.lookup(handle)
        assert refused.value.reason == "gone"
    assert len(scripted.requests) == 1


def test_an_id_that_is_none_never_becomes_a_path(scripted, brand) -> None:
    for odd in ("", "12/../me", "１２", "1" * 20, "5\n"):
        with pytest.raises(Refused):
            scripted.x.send_direct_message(brand, recipient_id=odd, text="hello")
    assert scripted.requests == []


def test_nothing_private_is_in_a_repr(scripted, brand) -> None:
    scripted.says(200, page(tweet()))

    shown = repr(scripted.x.mentions(brand)) + repr(brand)

    assert "declined" not in shown
    assert "brand-token" not in shown

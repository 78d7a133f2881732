"""Answers that X itself gave, and the examples of its documentation, are read without loss."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conversations.networks.base import Post, Sent
from conversations.networks.errors import RateLimited
from conversations.networks.x import feed, stream, wire
from conversations.networks.x.reading import snowflake_time

RealData = Callable[[str], Path]


def recorded(real_data: RealData, part: str) -> Any:
    lines = real_data("x_api_wire/recorded_v2_responses.jsonl").read_text(encoding="utf-8").splitlines()
    return next(row["body"] for row in map(json.loads, lines) if part in row["request"])


def documented(real_data: RealData) -> list[dict[str, Any]]:
    lines = real_data("x_api_wire/docs_examples.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_recorded_search(scripted, real_data) -> None:
    """Recorded with no field asked for, so no author: the cursor moves, and no post is given to nobody."""
    body = recorded(real_data, "search/recent")
    listing = wire.decode(json.dumps(body).encode(), wire.Listing)
    scripted.says(200, body)

    posts = wire.items(listing.data, wire.Post)
    assert [(post.id, post.text) for post in posts] == [(post["id"], post["text"]) for post in body["data"]]
    page = scripted.x.search("Tweepy")
    assert (page.posts, page.newest_id, page.next_token) == (
        (),
        "1578516068309794817",
        "b26v89c19zqg8o3fpzbn1e0ffhxjiofzw6po136rvbnul",
    )


def test_an_id_s_time_is_when_the_recorded_post_was_written(real_data) -> None:
    """The recorded texts hold the writer's own clock."""
    for post in recorded(real_data, "search/recent")["data"]:
        written = datetime.fromisoformat(post["text"].removesuffix(" tweepy")).replace(tzinfo=UTC)
        assert abs(snowflake_time(post["id"]) - written) < timedelta(seconds=5)


def test_recorded_direct_messages(scripted, real_data, brand) -> None:
    scripted.says(201, recorded(real_data, "messages"))
    scripted.says(200, recorded(real_data, "GET https://api.twitter.com/2/dm_events"))
    body = recorded(real_data, ":id/dm_events")

    sent = scripted.x.send_direct_message(brand, recipient_id="1072250532645998596", text="Testing 1")
    assert sent == Sent("1585800613253812228", "750362064426721281-1072250532645998596")
    assert scripted.x.direct_messages(brand).posts == ()
    listing = wire.decode(json.dumps(body).encode(), wire.Listing)
    assert [message.text for message in wire.items(listing.data, wire.DirectMessage)] == ["Testing 2", "Testing 1"]


def test_recorded_headers_are_understood(scripted, real_data, brand) -> None:
    headers = json.loads(real_data("x_api_wire/recorded_headers.json").read_text(encoding="utf-8"))["search_recent"]
    late = str(int(datetime.now(UTC).timestamp()) + 100)
    scripted.says(429, b"", headers=headers | {"x-rate-limit-remaining": "0", "x-rate-limit-reset": late})

    with pytest.raises(RateLimited) as limited:
        scripted.x.mentions(brand)

    assert limited.value.retry_after == pytest.approx(100, abs=2)


def test_every_documented_post_on_a_stream_is_read(real_data) -> None:
    examples = [row["json"] for row in documented(real_data)]
    lines = [row for row in examples if isinstance(row, dict) and isinstance(row.get("data"), dict)]
    posts = [row for row in lines if {"id", "text"} <= set(row["data"])]

    assert len(posts) >= 3
    for row in posts:
        glanced = feed._glance(json.dumps(row, ensure_ascii=False).encode())
        assert glanced.data is not None
        assert glanced.data.text == row["data"]["text"]


def test_documented_goodbyes_end_the_connection(real_data) -> None:
    kinds = []
    for row in documented(real_data):
        text = json.dumps(row["json"])
        if "operational-disconnect" in text or "TooManyConnections" in text:
            reader = feed.Feed(None, web_url="")
            assert reader.feed(text.encode() + b"\r\n").posts == ()
            assert reader.goodbye is not None
            kinds.append(stream._farewell(reader.goodbye).trouble)

    assert set(kinds) == {stream.Trouble.DROP, stream.Trouble.SLOT}


def test_real_posts_of_the_older_api_keep_their_text(scripted, real_data, brand) -> None:
    """120 real posts, put into the newer shape: escapes, emoji and all."""
    with gzip.open(real_data("x_api_wire/v1_1_statuses.jsonl.gz"), "rt", encoding="utf-8") as lines:
        old = [json.loads(line) for line in lines]
    shaped = [
        {
            "id": status["id_str"],
            "text": status["text"],
            "author_id": status["user"]["id_str"],
            "lang": status["lang"],
            "entities": {
                "mentions": [
                    {"username": m["screen_name"], "id": m["id_str"]} for m in status["entities"]["user_mentions"]
                ]
            },
        }
        for status in old
    ]
    scripted.says(200, {"data": shaped})

    posts: tuple[Post, ...] = scripted.x.mentions(brand).posts

    assert len(posts) == len(old) >= 100
    assert any("&" in post.text for post in posts)
    assert not any(escape in post.text for post in posts for escape in ("&amp;", "&lt;", "&gt;"))
    for post, status in zip(posts, old, strict=True):
        expected = datetime.strptime(status["created_at"], "%a %b %d %H:%M:%S %z %Y")
        assert timedelta() <= post.created_at - expected < timedelta(seconds=2)

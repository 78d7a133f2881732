"""Posts: made within X's rules, listed by mention and by search, paged while others post."""

import threading
from datetime import UTC, datetime

from tests.sandbox.conftest import Sandbox


def reply_to(post: str, text: str = "We are looking into it.") -> dict[str, object]:
    return {"text": text, "reply": {"in_reply_to_tweet_id": post}}


def test_only_who_was_named_or_quoted_may_reply(sandbox: Sandbox) -> None:
    sandbox.people(AskCiti=True, Citi=True, maya_r=True)
    brand = sandbox.user("AskCiti")
    named = sandbox.tweet("maya_r", "@askciti help")
    unnamed = sandbox.tweet("maya_r", "my bank @Citi is no help")

    assert brand.post("/2/tweets", json=reply_to(named["id"])).status_code == 201
    refused = brand.post("/2/tweets", json=reply_to(unnamed["id"], "May we help?"))
    assert refused.status_code == 403
    assert refused.json()["title"] == "Forbidden"
    assert "not been mentioned" in refused.json()["detail"]

    offer = brand.post("/2/tweets", json={"text": "New: cards in violet"}).json()["data"]
    quote = sandbox.user("maya_r").post("/2/tweets", json={"text": "violet, really?", "quote_tweet_id": offer["id"]})
    assert brand.post("/2/tweets", json=reply_to(quote.json()["data"]["id"], "Really.")).status_code == 201
    assert sandbox.user("omar_h").post("/2/tweets", json=reply_to(quote.json()["data"]["id"])).status_code == 403


def test_a_reply_joins_the_conversation_and_names_the_author(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    post = sandbox.tweet("maya_r", "@AskCiti help")

    reply = sandbox.user("AskCiti").post("/2/tweets", json=reply_to(post["id"])).json()["data"]

    fields = {"tweet.fields": "author_id,conversation_id,in_reply_to_user_id,referenced_tweets,entities"}
    told = sandbox.app.get(f"/2/tweets/{reply['id']}", params=fields).json()["data"]
    assert told["text"] == "@maya_r We are looking into it."
    assert told["conversation_id"] == post["id"]
    assert told["in_reply_to_user_id"] == ids["maya_r"]
    assert told["referenced_tweets"] == [{"type": "replied_to", "id": post["id"]}]
    assert [(m["username"], m["id"]) for m in told["entities"]["mentions"]] == [("maya_r", ids["maya_r"])]
    found = sandbox.app.get("/2/tweets/search/recent", params={"query": f"from:AskCiti conversation_id:{post['id']}"})
    assert [each["id"] for each in found.json()["data"]] == [reply["id"]]
    to = sandbox.app.get("/2/tweets/search/recent", params={"query": "to:maya_r looking"})
    assert [each["id"] for each in to.json()["data"]] == [reply["id"]]


def test_the_same_text_twice_is_refused(sandbox: Sandbox) -> None:
    sandbox.people(AskCiti=True)
    post = sandbox.tweet("maya_r", "@AskCiti help")
    brand = sandbox.user("AskCiti")
    assert brand.post("/2/tweets", json=reply_to(post["id"], "See http://localhost:8001/a")).status_code == 201

    again = brand.post("/2/tweets", json=reply_to(post["id"], "See http://localhost:8001/a"))

    assert again.status_code == 403
    assert again.json()["detail"] == "You are not allowed to create a Tweet with duplicate content."
    assert brand.post("/2/tweets", json=reply_to(post["id"], "See http://localhost:8001/b")).status_code == 201


def test_a_reply_to_nothing_is_refused(sandbox: Sandbox) -> None:
    answer = sandbox.user("AskCiti").post("/2/tweets", json=reply_to("123"))

    assert answer.status_code == 403
    assert "deleted or not visible" in answer.json()["detail"]


def test_only_ones_own_posts_are_deleted(sandbox: Sandbox) -> None:
    post = sandbox.tweet("maya_r", "@AskCiti help")

    assert sandbox.user("omar_h").delete(f"/2/tweets/{post['id']}").status_code == 403
    assert sandbox.user("maya_r").delete(f"/2/tweets/{post['id']}").json() == {"data": {"deleted": True}}
    assert sandbox.app.get(f"/2/tweets/{post['id']}").json()["errors"][0]["title"] == "Not Found Error"
    assert sandbox.app.get("/2/tweets", params={"ids": post["id"]}).json()["errors"][0]["resource_id"] == post["id"]


def test_a_retweet_points_at_its_original_and_is_not_found_by_words(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True)
    sandbox.rule("declined", "words")
    original = sandbox.tweet("maya_r", "@AskCiti declined")
    retweet = sandbox.tweet("omar_h", "RT @maya_r: @AskCiti declined", retweet=True, in_reply_to=original["id"])

    assert retweet["matched"] == ["words"]  # the stream does deliver it
    fields = {"tweet.fields": "referenced_tweets"}
    told = sandbox.user("AskCiti").get(f"/2/users/{ids['AskCiti']}/mentions", params=fields).json()["data"]
    assert told[0]["id"] == retweet["id"]
    assert told[0]["referenced_tweets"] == [{"type": "retweeted", "id": original["id"]}]
    by_words = sandbox.app.get("/2/tweets/search/recent", params={"query": "declined"}).json()["data"]
    assert [each["id"] for each in by_words] == [original["id"]]
    by_handle = sandbox.app.get("/2/tweets/search/recent", params={"query": "@AskCiti"}).json()["data"]
    assert [each["id"] for each in by_handle] == [retweet["id"], original["id"]]


def test_ids_tell_the_time(sandbox: Sandbox) -> None:
    before = datetime.now(UTC).timestamp()
    post = sandbox.tweet("maya_r", "now")
    after = datetime.now(UTC).timestamp()

    made = ((int(post["id"]) >> 22) + 1288834974657) / 1000
    assert before - 0.002 <= made <= after + 0.002
    told = sandbox.app.get(f"/2/tweets/{post['id']}", params={"tweet.fields": "created_at"}).json()["data"][
        "created_at"
    ]
    assert told == datetime.fromtimestamp(int(made), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_lists_page_from_new_to_old_without_gaps(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True)
    posts = sandbox.control("posts", posts=[{"author": f"u{n}", "text": f"@AskCiti number {n}"} for n in range(25)])[
        "posts"
    ]
    newest_first = [post["id"] for post in posts][::-1]
    brand = sandbox.user("AskCiti")

    for http, path, query, token, size in (
        (brand, f"/2/users/{ids['AskCiti']}/mentions", {}, "pagination_token", 10),
        (sandbox.app, "/2/tweets/search/recent", {"query": "number"}, "next_token", 10),
    ):
        seen: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = http.get(path, params=query | {"max_results": str(size)} | more).json()
            seen += [each["id"] for each in page["data"]]
            assert page["meta"]["result_count"] == len(page["data"])
            assert page["meta"]["newest_id"] == page["data"][0]["id"]
            assert page["meta"]["oldest_id"] == page["data"][-1]["id"]
            if "next_token" not in page["meta"]:
                break
            more = {token: page["meta"]["next_token"]}
        assert seen == newest_first
        since = http.get(path, params=query | {"since_id": newest_first[5]}).json()
        assert [each["id"] for each in since["data"]] == newest_first[:5]
        until = http.get(path, params=query | {"until_id": newest_first[22], "max_results": "10"}).json()
        assert [each["id"] for each in until["data"]] == newest_first[23:]
        assert http.get(path, params=query | {"since_id": newest_first[0]}).json() == {"meta": {"result_count": 0}}


def test_a_reader_with_since_id_misses_nothing_while_others_post(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True)
    brand = sandbox.user("AskCiti")
    path = f"/2/users/{ids['AskCiti']}/mentions"
    posted: list[str] = []

    def post(writer: int) -> None:
        for batch in range(10):
            drafts = [{"author": f"w{writer}_{n}", "text": f"@AskCiti {writer}.{batch}.{n}"} for n in range(7)]
            posted.extend(each["id"] for each in sandbox.control("posts", posts=drafts)["posts"])

    writers = [threading.Thread(target=post, args=(writer,)) for writer in range(3)]
    for writer in writers:
        writer.start()
    seen: list[str] = []
    since: dict[str, str] = {}
    last_round = False
    while True:
        last_round = not any(writer.is_alive() for writer in writers)
        newest, more = "", {}
        while True:
            page = brand.get(path, params={"max_results": "20"} | since | more).json()
            seen += [each["id"] for each in page.get("data", ())]
            newest = newest or page["meta"].get("newest_id", "")
            if "next_token" not in page["meta"]:
                break
            more = {"pagination_token": page["meta"]["next_token"]}
        since = {"since_id": newest} if newest else since
        if last_round:
            break

    assert len(posted) == 210
    assert sorted(seen) == sorted(posted)


def test_search_narrows_by_time(sandbox: Sandbox) -> None:
    post = sandbox.tweet("maya_r", "declined")

    later = {"query": "declined", "start_time": "2999-01-01T00:00:00Z"}
    assert sandbox.app.get("/2/tweets/search/recent", params=later).json()["meta"]["result_count"] == 0
    earlier = {"query": "declined", "start_time": datetime.now(UTC).strftime("%Y-%m-%dT%H:00:00Z")}
    assert sandbox.app.get("/2/tweets/search/recent", params=earlier).json()["meta"]["newest_id"] == post["id"]


def test_the_control_door_makes_people_and_answers_in_order(sandbox: Sandbox) -> None:
    posts = [
        {"author": "new_one", "text": "@AskCiti and @BrandNew, help", "key": "a", "lang": "en"},
        {"author": "new_two", "text": "nobody named", "key": 7},
        {"author": "NEW_ONE", "text": "still waiting", "in_reply_to": "123456", "in_reply_to_author": "AskCiti"},
    ]

    told = sandbox.control("posts", posts=posts)["posts"]

    assert [(post["key"], post["names"]) for post in told] == [
        ("a", ["AskCiti", "BrandNew"]),
        (7, []),
        (None, ["AskCiti"]),
    ]
    assert [int(post["id"]) for post in told] == sorted(int(post["id"]) for post in told)
    assert sandbox.app.get("/2/users/by/username/brandnew").json()["data"]["username"] == "BrandNew"
    fields = {"tweet.fields": "author_id,conversation_id,lang,referenced_tweets"}
    third = sandbox.app.get(f"/2/tweets/{told[2]['id']}", params=fields).json()["data"]
    assert third["conversation_id"] == "123456"
    assert third["text"] == "@AskCiti still waiting"
    assert third["referenced_tweets"] == [{"type": "replied_to", "id": "123456"}]


def test_the_control_door_says_what_is_wrong(sandbox: Sandbox) -> None:
    wrong = [
        {"posts": [{"author": "a-b", "text": "x"}]},
        {"posts": [{"author": "a", "text": "x", "in_reply_to": "abc"}]},
        {"posts": [{"author": "a", "text": "x", "mood": "bad"}]},
        {"posts": [{"author": "a", "text": "x"}] * 501},
    ]

    for body in wrong:
        answer = sandbox.anonymous.post("/_sandbox/posts", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert sandbox.anonymous.post("/_sandbox/posts", json={"posts": []}).json() == {"posts": []}


def test_texts_are_escaped_on_the_wire_and_only_there(sandbox: Sandbox) -> None:
    written = "Fees & <charges> on my card"
    brand = sandbox.user("AskCiti")
    made = brand.post("/2/tweets", json={"text": written}).json()["data"]
    assert made["text"] == "Fees &amp; &lt;charges&gt; on my card"

    found = sandbox.app.get(f"/2/tweets/{made['id']}", params={"tweet.fields": "display_text_range"}).json()["data"]
    assert (found["text"], found["display_text_range"]) == (made["text"], [0, len(made["text"])])
    assert sandbox.app.get("/2/tweets/search/recent", params={"query": '"fees charges"'}).json()["data"][0] == made
    assert sandbox.app.get("/2/tweets/search/recent", params={"query": "amp"}).json()["meta"]["result_count"] == 0
    assert brand.post("/2/tweets", json={"text": written}).status_code == 403  # the same text again

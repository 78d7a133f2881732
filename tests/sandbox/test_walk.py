"""The sandbox as the project's walk uses it: one post, found in every way, answered by message and by reply."""

from tests.sandbox.conftest import Browser, Consent, Sandbox, code_of


def test_a_post_is_streamed_found_and_answered(sandbox: Sandbox, browser: Browser) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    assert sandbox.rule("@AskCiti -is:retweet", "handles").status_code == 201

    post = sandbox.tweet("maya_r", "@AskCiti my card was declined", lang="en", key="k1")

    assert post["matched"] == ["handles"]
    assert post["names"] == ["AskCiti"]
    assert post["key"] == "k1"
    brand = sandbox.user("AskCiti")
    assert brand.get("/2/users/me").json()["data"] == {"id": ids["AskCiti"], "name": "Askciti", "username": "AskCiti"}
    mentions = brand.get(
        f"/2/users/{ids['AskCiti']}/mentions",
        params={
            "tweet.fields": "author_id,created_at,lang",
            "expansions": "author_id",
            "user.fields": "receives_your_dm",
        },
    ).json()
    assert [(each["id"], each["author_id"], each["lang"]) for each in mentions["data"]] == [
        (post["id"], ids["maya_r"], "en")
    ]
    assert mentions["includes"]["users"][0]["receives_your_dm"] is True
    assert mentions["meta"] == {"newest_id": post["id"], "oldest_id": post["id"], "result_count": 1}
    found = sandbox.app.get("/2/tweets/search/recent", params={"query": "declined card"}).json()
    assert [each["id"] for each in found["data"]] == [post["id"]]

    sent = brand.post(
        f"/2/dm_conversations/with/{ids['maya_r']}/messages", json={"text": "Here: http://localhost:8001/Ab3xYz. Maya"}
    )
    assert sent.status_code == 201
    browser.become("maya_r").get("/dms")
    assert '<a href="http://localhost:8001/Ab3xYz"' in browser.page.text
    browser.press("/dms", text="thank you")
    events = brand.get(
        "/2/dm_events", params={"dm_event.fields": "sender_id,entities", "event_types": "MessageCreate"}
    ).json()
    assert (events["data"][0]["sender_id"], events["data"][0]["text"]) == (ids["maya_r"], "thank you")
    assert events["data"][1]["entities"]["urls"][0]["expanded_url"] == "http://localhost:8001/Ab3xYz"
    assert "https://t.co/" in events["data"][1]["text"]

    link = f"https://x.com/messages/compose?recipient_id={ids['AskCiti']}"
    reply = brand.post(
        "/2/tweets",
        json={
            "text": "Please write to us.",
            "reply": {"in_reply_to_tweet_id": post["id"]},
            "direct_message_deep_link": link,
        },
    )
    assert reply.status_code == 201
    assert reply.json()["data"]["text"] == "@maya_r Please write to us."
    assert 'href="/dms?to=AskCiti"' in browser.get(f"/status/{post['id']}")


def test_a_person_proves_a_handle(sandbox: Sandbox, browser: Browser) -> None:
    ids = sandbox.people(maya_r=True)
    consent = Consent()

    browser.get(consent.query())
    browser.press("/i/oauth2/authorize", handle="maya_r")
    back = code_of(browser.press("/i/oauth2/authorize", approve="1", follow=False))
    answer = consent.exchange(sandbox, back["code"])

    assert back["state"] == "a-state"
    assert answer.status_code == 200
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("bearer", 7200, "users.read tweet.read")
    assert "refresh_token" not in tokens
    me = sandbox.client({"Authorization": f"Bearer {tokens['access_token']}"}).get("/2/users/me")
    assert me.json()["data"]["id"] == ids["maya_r"]

"""The person's doors, as a browser uses them."""

import re

from tests.sandbox.conftest import Browser, Sandbox


def test_anybody_can_be_anybody_and_tweet(sandbox: Sandbox, browser: Browser) -> None:
    assert "Who are you?" in browser.get("/")
    browser.become("new_person")
    assert "@new_person" in browser.page.text

    browser.press("/tweet", text="@AskCiti <b>help</b> & see http://localhost:8001/x")

    assert "@AskCiti" in browser.page.text
    assert "&lt;b&gt;help&lt;/b&gt; &amp; see" in browser.page.text
    assert '<a href="http://localhost:8001/x"' in browser.page.text
    found = sandbox.app.get("/2/tweets/search/recent", params={"query": "from:new_person"}).json()
    assert found["meta"]["result_count"] == 1


def test_pages_keep_a_browser_careful(browser: Browser) -> None:
    browser.get("/")
    headers = browser.page.headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", browser.page.text)
    assert {cookie.name for cookie in browser.http.cookies.jar} <= {"sandbox_session", "sandbox_csrf"}
    for asset in re.findall(r'(?:href|src)="(/static/[^"]+)"', browser.page.text):
        assert browser.http.get(asset).status_code == 200


def test_doors_need_the_csrf_token(sandbox: Sandbox, browser: Browser) -> None:
    browser.become("maya_r")

    for path in ("/login", "/tweet", "/example", "/dms", "/privacy", "/logout"):
        assert browser.http.post(path, data={"text": "x", "handle": "x", "to": "x"}).status_code == 403
    assert (
        sandbox.app.get("/2/tweets/search/recent", params={"query": "from:maya_r"}).json()["meta"]["result_count"] == 0
    )


def test_examples_take_turns(sandbox: Sandbox, browser: Browser) -> None:
    browser.get("/")
    for _ in range(12):
        browser.press("/example")
        assert browser.page.status_code == 200

    found = sandbox.app.get(
        "/2/tweets/search/recent",
        params={"query": "@AskCiti OR @Citi OR @Citibank", "max_results": "100", "tweet.fields": "author_id,lang"},
    ).json()["data"]
    assert len({post["text"] for post in found}) == 12
    assert len({post["author_id"] for post in found}) >= 8
    assert {"en", "es", "pt", "de", "fr", "ja"} <= {post["lang"] for post in found}


def test_too_long_a_tweet_stays_in_the_form(browser: Browser) -> None:
    browser.become("maya_r")
    browser.press("/tweet", text="x" * 281)

    assert "1 characters too long" in browser.page.text
    assert "x" * 281 in browser.page.text


def test_messages_wait_unread_with_a_tappable_link(sandbox: Sandbox, browser: Browser) -> None:
    sandbox.people(AskCiti=True)
    browser.become("maya_r")
    path = f"/2/dm_conversations/with/{id_of(sandbox, 'maya_r')}/messages"
    text = "It is Grace from the bank: http://localhost:8001/Ab3xYz <i>"
    assert sandbox.user("AskCiti").post(path, json={"text": text}).status_code == 201

    assert '1<span class="quiet"> new' in browser.get("/")
    browser.get("/dms")
    assert (
        '<a href="http://localhost:8001/Ab3xYz" rel="noopener nofollow">localhost:8001/Ab3xYz</a> &lt;i&gt;'
        in browser.page.text
    )
    assert "new</span>" not in browser.get("/")

    browser.get("/dms")
    browser.press("/dms", text="It is me")
    assert "It is me" in browser.page.text
    assert sandbox.control_dms("AskCiti")[0]["text"] == "It is me"


def test_a_reply_with_a_button_leads_to_a_message(sandbox: Sandbox, browser: Browser) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=False)
    post = sandbox.tweet("maya_r", "@AskCiti declined")
    browser.become("maya_r")
    assert "Message @" not in browser.get(f"/status/{post['id']}")
    link = f"https://x.com/messages/compose?recipient_id={ids['AskCiti']}&text=Hi"
    body = {"text": "Write to us", "reply": {"in_reply_to_tweet_id": post["id"]}, "direct_message_deep_link": link}
    assert sandbox.user("AskCiti").post("/2/tweets", json=body).status_code == 201

    page = browser.get(f"/status/{post['id']}")
    assert '<a class="button button--message" href="/dms?to=AskCiti">Message @AskCiti</a>' in page
    browser.get("/dms?to=AskCiti")
    browser.press("/dms", text="My card was declined")

    message = sandbox.control_dms("AskCiti")[0]
    assert (message["from"], message["text"]) == ("maya_r", "My card was declined")


def test_a_person_answers_a_tweet(sandbox: Sandbox, browser: Browser) -> None:
    ids = sandbox.people(AskCiti=True)
    post = sandbox.tweet("AskCiti", "How can we help?")
    browser.become("maya_r").get(f"/status/{post['id']}")

    browser.press("/tweet", text="My card was declined")

    assert "My card was declined" in browser.page.text
    mentions = sandbox.user("AskCiti").get(f"/2/users/{ids['AskCiti']}/mentions").json()["data"]
    assert [each["text"] for each in mentions] == ["@AskCiti My card was declined"]


def test_who_takes_no_messages_is_said_on_the_page(sandbox: Sandbox, browser: Browser) -> None:
    sandbox.people(jorge_p=False)
    browser.become("maya_r").get("/dms?to=jorge_p")

    assert "does not take messages from you" in browser.page.text
    browser.become("jorge_p")
    browser.press("/privacy", accepts_dm="1")
    browser.become("maya_r").get("/dms?to=jorge_p")
    browser.press("/dms", text="Hola")
    assert sandbox.control_dms("jorge_p")[0]["text"] == "Hola"


def test_news_come_as_a_fragment_and_only_when_there_are_some(sandbox: Sandbox, browser: Browser) -> None:
    browser.become("maya_r")
    tag = re.search(r'data-news="/\?fragment=1" data-tag="(\w+)"', browser.get("/"))
    assert tag
    headers = {"If-None-Match": f'"{tag[1]}"'}

    assert browser.http.get("/?fragment=1", headers=headers).status_code == 304
    sandbox.tweet("omar_h", "news")
    fresh = browser.http.get("/?fragment=1", headers=headers)
    assert fresh.status_code == 200
    assert "news" in fresh.text
    assert "<html" not in fresh.text


def test_strangers_are_asked_who_they_are_and_brought_back(sandbox: Sandbox, browser: Browser) -> None:
    post = sandbox.tweet("omar_h", "hello")

    assert "Who are you?" in browser.get(f"/status/{post['id']}")
    browser.press("/login", handle="maya_r")
    assert str(browser.page.url).endswith(f"/status/{post['id']}")
    assert browser.http.get("/status/12345").status_code == 404
    browser.press("/logout")
    assert "Who are you?" in browser.page.text


def test_a_bad_handle_and_a_foreign_way_back_are_refused(browser: Browser) -> None:
    browser.get("/")
    assert "is not a handle" in browser.press("/login", handle="not a handle").text
    answer = browser.press("/login", handle="maya_r", next="//evil.example/", follow=False)
    assert answer.headers["location"] == "/"


def id_of(sandbox: Sandbox, handle: str) -> str:
    return str(sandbox.app.get(f"/2/users/by/username/{handle}").json()["data"]["id"])

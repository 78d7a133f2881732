"""X's own client for Python against the sandbox: made from X's document by X, it knows nothing of ours.

Its models check what they are given, so a call that returns says that the answer had X's shape.
"""

import importlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from tests.sandbox.conftest import BEARER, CLIENT, EVERYTHING, REDIRECT, Browser, Receiver, Sandbox

# Importing the client costs a second: one worker pays.
pytestmark = pytest.mark.xdist_group("conformance")

Client = Any


@pytest.fixture
def connect(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Client]]:
    """connect(**credentials) -> X's client, pointed at the sandbox."""
    xdk = importlib.import_module("xdk")
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # for a token endpoint without TLS
    made: list[Client] = []

    def client(**credentials: Any) -> Client:
        made.append(xdk.Client(base_url=sandbox.url, authorization_base_url=sandbox.url + "/i", **credentials))
        return made[-1]

    yield client
    for each in made:
        each.session.close()


@pytest.fixture
def app(connect: Callable[..., Client]) -> Client:
    """The client with the app's bearer token."""
    return connect(bearer_token=BEARER)


@pytest.fixture
def brand(connect: Callable[..., Client], sandbox: Sandbox) -> Client:
    """The client with AskCiti's token."""
    answer = sandbox.control("tokens", handle="AskCiti", scopes=EVERYTHING)
    return connect(access_token=answer["access_token"])


def shown(model: Any) -> Any:
    """What a model holds, without what X left out."""
    return model.model_dump(exclude_none=True)


def test_people_posts_and_pages(sandbox: Sandbox, app: Client, brand: Client) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    posts = [sandbox.tweet("maya_r", f"@AskCiti card {n}")["id"] for n in range(25)]

    me = brand.users.get_me(user_fields=["receives_your_dm", "public_metrics"], post_fields=["lang"])
    assert shown(me.data)["id"] == ids["AskCiti"]
    maya = brand.users.get_by_username("maya_r", user_fields=["receives_your_dm"])
    assert (shown(maya.data)["id"], shown(maya.data)["receives_your_dm"]) == (ids["maya_r"], True)
    assert [each["username"] for each in shown(app.users.get_by_ids([*ids.values()]))["data"]] == ["AskCiti", "maya_r"]
    assert shown(app.users.get_by_id("5"))["errors"][0]["resource_type"] == "user"

    fields = {"post_fields": ["conversation_id", "created_at", "entities"], "expansions": ["author_id"]}
    mentions = [shown(page) for page in brand.users.get_mentions(ids["AskCiti"], max_results=10, **fields)]
    assert [page["meta"]["result_count"] for page in mentions] == [10, 10, 5]
    assert [post["id"] for page in mentions for post in page["data"]] == posts[::-1]
    assert mentions[0]["includes"]["users"][0]["username"] == "maya_r"
    found = [shown(page) for page in app.posts.search_recent("card", max_results=10, since_id=posts[4], **fields)]
    assert [post["id"] for page in found for post in page["data"]] == posts[:4:-1]
    looked_up = shown(app.posts.get_by_ids([posts[0], "5"]))
    assert (looked_up["data"][0]["id"], looked_up["errors"][0]["value"]) == (posts[0], "5")


def test_writing(sandbox: Sandbox, brand: Client) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    asked = sandbox.tweet("maya_r", "@AskCiti my card was declined")

    made = shown(brand.posts.create({"text": "Good morning"}))["data"]
    link = f"https://x.com/messages/compose?recipient_id={ids['AskCiti']}"
    reply = {"in_reply_to_tweet_id": asked["id"]}
    answer = shown(brand.posts.create({"text": "Write to us", "reply": reply, "direct_message_deep_link": link}))
    assert answer["data"]["text"] == "@maya_r Write to us"
    assert shown(brand.posts.delete(made["id"])) == {"data": {"deleted": True}}
    assert "errors" in shown(brand.posts.get_by_id(made["id"]))

    sent = shown(brand.direct_messages.create_by_participant_id(ids["maya_r"], {"text": "Hello"}))["data"]
    sandbox.control("dms", **{"from": "maya_r", "to": "AskCiti", "text": "hi"})
    messages = brand.direct_messages
    pages = (
        messages.get_events(dm_event_fields=["created_at", "dm_conversation_id"]),
        messages.get_events_by_participant_id(ids["maya_r"]),
        messages.get_events_by_conversation_id(sent["dm_conversation_id"]),
    )
    for page in pages:
        assert [event["text"] for event in shown(next(iter(page)))["data"]] == ["hi", "Hello"]
    paged = messages.get_events(max_results=1)
    assert [shown(page)["data"][0]["text"] for page in paged] == ["hi", "Hello"]


def test_rules_and_the_stream(sandbox: Sandbox, app: Client) -> None:
    streaming = importlib.import_module("xdk.streaming")
    added = shown(app.stream.update_rules({"add": [{"value": "card", "tag": "cards"}]}))
    assert added["meta"]["summary"]["created"] == 1
    assert [rule["value"] for page in app.stream.get_rules() for rule in shown(page)["data"]] == ["card"]
    sent: list[str] = []
    config = streaming.StreamConfig(
        timeout=5,
        on_connect=lambda: sent.extend(sandbox.tweet("maya_r", f"card {n} 💳\u2028ü")["id"] for n in range(3)),
    )

    lines = app.stream.posts(expansions=["author_id"], tweet_fields=["created_at"], stream_config=config)
    came = [shown(line) for line in islice(lines, 3)]
    lines.close()

    assert [line["data"]["id"] for line in came] == sent
    assert came[0]["matching_rules"] == [{"id": added["data"][0]["id"], "tag": "cards"}]
    assert came[0]["includes"]["users"][0]["username"] == "maya_r"
    assert "\u2028" in came[0]["data"]["text"]
    deleted = shown(app.stream.update_rules({"delete": {"values": ["card"]}}))
    assert deleted["meta"]["summary"]["deleted"] == 1


def test_a_consent_and_its_refreshing(sandbox: Sandbox, browser: Browser, connect: Callable[..., Client]) -> None:
    ids = sandbox.people(maya_r=True)
    client = connect(client_id=CLIENT[0], client_secret=CLIENT[1], redirect_uri=REDIRECT,
                     scope=["users.read", "tweet.read", "offline.access"])  # fmt: skip
    url = client.get_authorization_url("a-state")
    browser.get(url.removeprefix(sandbox.url))
    browser.press("/i/oauth2/authorize", handle="maya_r")
    back = browser.press("/i/oauth2/authorize", approve="1", follow=False)

    token = client.fetch_token(back.headers["location"])

    assert (token["token_type"], token["expires_in"]) == ("bearer", 7200)
    assert shown(client.users.get_me().data)["id"] == ids["maya_r"]
    fresh = client.refresh_token()
    assert fresh["refresh_token"] != token["refresh_token"]
    assert fresh["access_token"] != token["access_token"]
    assert shown(client.users.get_me().data)["username"] == "maya_r"


def test_webhooks_and_subscriptions(sandbox: Sandbox, app: Client, brand: Client, receiver: Receiver) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    hook = shown(app.webhooks.create({"url": receiver.url}))["data"]
    assert (hook["valid"], receiver.asked) == (True, 1)
    assert [each["id"] for each in shown(app.webhooks.get())["data"]] == [hook["id"]]
    assert shown(app.webhooks.validate(hook["id"]))["data"]["valid"] is True

    order = {"event_type": "post.mention.create", "filter": {"user_id": ids["AskCiti"]}, "webhook_id": hook["id"]}
    made = shown(brand.activity.create_subscription(order))["data"]["subscription"]
    assert (made["event_type"], made["filter"]["user_id"]) == ("post.mention.create", ids["AskCiti"])
    listed = [each for page in app.activity.get_subscriptions() for each in shown(page)["data"]]
    assert [each["subscription_id"] for each in listed] == [made["subscription_id"]]
    post = sandbox.tweet("maya_r", "@AskCiti my card")
    assert receiver.wait(1)[0]["payload"]["id"] == post["id"]
    changed = shown(app.activity.update_subscription(made["subscription_id"], {"tag": "care"}))
    assert changed["data"]["subscription"]["tag"] == "care"
    assert shown(app.activity.delete_subscription(made["subscription_id"]))["data"]["deleted"] is True
    assert shown(app.webhooks.delete(hook["id"]))["data"]["deleted"] is True


def test_usage_connections_and_compliance(sandbox: Sandbox, app: Client) -> None:
    sandbox.rule("card")
    post = sandbox.tweet("maya_r", "card")
    assert shown(app.posts.get_by_id(post["id"]))["data"]["id"] == post["id"]

    assert shown(app.usage.get(days=7))["data"]["project_usage"] == "1"
    assert shown(next(iter(app.connections.get_connection_history())))["meta"]["result_count"] == 0
    assert shown(app.connections.delete_by_endpoint("filtered_stream"))["data"]["successful_kills"] == 0
    job = shown(app.compliance.create_jobs({"type": "tweets"}))["data"]
    assert (job["type"], job["status"]) == ("tweets", "created")
    assert shown(app.compliance.get_jobs_by_id(job["id"]))["data"]["id"] == job["id"]
    assert [each["id"] for each in shown(app.compliance.get_jobs("tweets"))["data"]] == [job["id"]]


def test_refusals_are_the_client_s_errors(sandbox: Sandbox, app: Client, brand: Client) -> None:
    requests = importlib.import_module("requests")
    ids = sandbox.people(AskCiti=True, shy=False)
    post = sandbox.tweet("shy", "a fine day")
    calls: tuple[tuple[int, Callable[[], Any]], ...] = (
        (403, lambda: brand.direct_messages.create_by_participant_id(ids["shy"], {"text": "Hello"})),
        (403, lambda: brand.posts.create({"text": "Hi", "reply": {"in_reply_to_tweet_id": post["id"]}})),
        (400, lambda: next(iter(app.posts.search_recent("-is:retweet")))),
        (400, lambda: app.users.get_by_username("no such handle")),
    )
    for status, call in calls:
        with pytest.raises(requests.HTTPError) as refused:
            call()
        assert refused.value.response.status_code == status

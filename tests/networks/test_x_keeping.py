"""What must stand at X for us to be told things: found or made, once, and never at another's cost."""

import json
from typing import Any

import pytest

from conversations.networks.base import Author, Charge, ComplianceOrder, Tokens
from conversations.networks.errors import RateLimited, Refused

URL = "https://care.example/hooks/x/"
DATE = {"date": "Sun, 22 Nov 2026 23:59:59 GMT"}
HOOK: dict[str, Any] = {"id": "7", "url": URL, "valid": True}
DEAD: dict[str, Any] = {"id": "6", "url": "https://old.example/hooks/x/", "valid": False}
LIMIT = {"errors": [{"message": "WebhookLimitExceeded: 1"}], "title": "Invalid Request"}


def asked(scripted) -> list[str]:
    return [f"{request.method} {request.url.path}" for request in scripted.requests]


def test_a_webhook_that_stands_is_left_alone(scripted) -> None:
    scripted.says(200, {"data": [DEAD, HOOK]})
    assert scripted.x.keep_webhook(URL) == "7"
    assert asked(scripted) == ["GET /2/webhooks"]


def test_a_webhook_that_x_gave_up_is_proved_again(scripted) -> None:
    scripted.says(200, {"data": [HOOK | {"valid": False}]})
    scripted.says(200, {"data": {"valid": True}})
    assert scripted.x.keep_webhook(URL) == "7"
    assert asked(scripted)[1:] == ["PUT /2/webhooks/7"]


@pytest.mark.parametrize(
    "answer", [(200, {"data": {"valid": False}}), (400, {"errors": [{"message": "CrcValidationFailed"}]})]
)
def test_a_webhook_without_proof_says_what_to_do(scripted, answer) -> None:
    scripted.says(200, {"data": [HOOK | {"valid": False}]})
    scripted.says(*answer)
    with pytest.raises(Refused, match="X_CONSUMER_SECRET"):
        scripted.x.keep_webhook(URL)


def test_a_webhook_is_made(scripted) -> None:
    scripted.says(200, {"meta": {"result_count": 0}})
    scripted.says(200, {"data": HOOK})
    assert scripted.x.keep_webhook(URL) == "7"
    assert scripted.sent() == {"url": URL}


def test_the_place_of_a_dead_webhook_is_taken_and_that_of_a_living_one_is_not(scripted) -> None:
    scripted.says(200, {"data": [DEAD]})
    scripted.says(400, LIMIT)
    scripted.says(400, {"errors": [{"message": "CrcValidationFailed"}]})
    scripted.says(200, {"data": {"deleted": True}})
    scripted.says(200, {"data": HOOK})
    assert scripted.x.keep_webhook(URL) == "7"
    assert asked(scripted)[2:4] == ["PUT /2/webhooks/6", "DELETE /2/webhooks/6"]

    scripted.says(200, {"data": [DEAD | {"valid": True}]})
    scripted.says(400, LIMIT)
    scripted.says(200, {"data": {"valid": True}})
    with pytest.raises(Refused, match="no further webhook"):
        scripted.x.keep_webhook(URL)


def subscription(event_type: str, *, user: str = "1001", hook: str = "7", number: str = "1") -> dict[str, Any]:
    return {
        "subscription_id": number,
        "event_type": event_type,
        "filter": {"user_id": user},
        "webhook_id": hook,
    }


def test_only_missing_subscriptions_are_made_and_with_the_account_s_own_token(scripted, brand) -> None:
    there = [subscription("post.mention.create"), subscription("dm.received", user="999")]
    scripted.says(200, {"data": there, "meta": {"next_token": "more"}})
    scripted.says(200, {"data": [subscription("chat.received", hook="6", number="3")]})
    scripted.says(200, {"data": {"subscription": subscription("dm.received")}})
    scripted.says(200, {"data": {"subscription": subscription("dm.sent")}})
    scripted.says(200, {"data": {"subscription": {}}})
    scripted.says(200, {"data": [subscription("oauth.revoke")]})

    assert scripted.x.keep_subscriptions(brand, webhook_id="7") == 3

    assert asked(scripted)[2:] == [
        "POST /2/activity/subscriptions",
        "POST /2/activity/subscriptions",
        "PUT /2/activity/subscriptions/3",
        "POST /2/activity/subscriptions",
    ]
    assert scripted.sent(2) == {
        "event_type": "dm.received",
        "filter": {"user_id": "1001"},
        "tag": "dm-received",
        "webhook_id": "7",
    }
    assert {r.headers["authorization"] for r in scripted.requests[2:]} == {"Bearer brand-token"}
    assert scripted.requests[0].headers["authorization"] == "Bearer app-token"


def test_a_subscription_that_is_there_and_an_event_that_is_not_offered_are_no_failures(scripted, brand) -> None:
    scripted.says(200, {"meta": {}})
    scripted.says(400, {"errors": [{"message": "DuplicateSubscription"}]})
    scripted.says(200, {"data": {}})
    scripted.says(200, {"data": {}})
    scripted.says(200, {"data": {}})
    scripted.says(400, {"title": "Invalid Request", "errors": [{"parameters": {"event_type": ["oauth.revoke"]}}]})
    assert scripted.x.keep_subscriptions(brand, webhook_id="7") == 3


def test_a_subscription_without_permission_says_so(scripted, brand) -> None:
    scripted.says(200, {"meta": {}})
    scripted.says(403, {"title": "Forbidden", "detail": "Forbidden", "type": "about:blank", "status": 403})
    with pytest.raises(Refused) as refused:
        scripted.x.keep_subscriptions(brand, webhook_id="7")
    assert refused.value.reason == "scope"


JOB = {"id": "55", "status": "created", "upload_url": "https://store.example/put?key=k"}


def test_a_question_about_posts(scripted) -> None:
    scripted.says(200, {"data": JOB})
    scripted.says(200, b"")
    scripted.says(200, {"data": JOB | {"status": "in_progress"}})
    scripted.says(200, {"data": JOB | {"status": "complete", "download_url": "https://store.example/get?key=k"}})
    lines = [{"id": "2", "action": "delete"}, {"id": "x", "error": "invalid_id"}, {"id": "3", "action": "scrub_geo"}]
    scripted.says(200, b"\n".join(json.dumps(line).encode() for line in lines) + b"\nnonsense\n")
    x = scripted.x

    order = x.begin_compliance()
    x.name_posts(order, ["2", "3"])

    assert order == ComplianceOrder("55", JOB["upload_url"])
    assert "key=k" not in repr(order)
    assert (x.deleted_posts("55"), x.deleted_posts("55")) == (None, ["2"])
    put, get = scripted.requests[1], scripted.requests[-1]
    assert (put.method, put.content, put.headers["content-type"]) == ("PUT", b"2\n3\n", "text/plain")
    assert "authorization" not in put.headers
    assert "authorization" not in get.headers


def test_our_token_goes_to_the_api_itself_and_never_in_the_clear(scripted) -> None:
    scripted.says(200, b"")
    scripted.x.name_posts(ComplianceOrder("55", "https://api.test/2/upload/1"), ["2"])
    assert scripted.requests[0].headers["authorization"] == "Bearer app-token"
    for address in ("http://api.test/upload", "http://store.example/put", "ftp://x"):
        with pytest.raises(Refused):
            scripted.x.name_posts(ComplianceOrder("55", address), ["2"])
    assert len(scripted.requests) == 1


def test_an_open_question_is_taken_up_or_waited_for(scripted) -> None:
    scripted.says(409, {"title": "Conflict"})
    scripted.says(200, {"data": [JOB | {"id": "54", "status": "in_progress"}, JOB]})
    assert scripted.x.begin_compliance().external_id == "55"
    scripted.says(409, {"title": "Conflict"})
    scripted.says(200, {"data": [JOB | {"status": "in_progress"}]})
    with pytest.raises(RateLimited) as limited:
        scripted.x.begin_compliance()
    assert limited.value.retry_after == 900


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_question_that_x_gave_up_is_gone(scripted, status) -> None:
    scripted.says(200, {"data": JOB | {"status": status}})
    with pytest.raises(Refused) as refused:
        scripted.x.deleted_posts("55")
    assert refused.value.reason == "gone"


def test_no_connection_to_free_is_as_good(scripted) -> None:
    scripted.says(404, {"title": "Not Found"})
    scripted.x.free_stream()
    scripted.says(200, {"data": {"successful_kills": 1}})
    scripted.x.free_stream()
    assert asked(scripted) == ["DELETE /2/connections/filtered_stream"] * 2


def test_people_are_introduced_to_the_account(scripted, brand) -> None:
    scripted.says(200, {"data": [{"id": "5", "username": "m", "name": "M", "receives_your_dm": False}]}, headers=DATE)
    assert scripted.x.introduce(brand, ["5", "6", "5"]) == [Author("x", "5", "m", "M", False)]
    assert scripted.requests[0].url.params["ids"] == "5,6"
    assert scripted.requests[0].headers["authorization"] == "Bearer brand-token"
    assert scripted.charged == [Charge("user", "5", 10_000, "users")]
    assert scripted.x.introduce(brand, []) == []
    with pytest.raises(Refused):
        scripted.x.introduce(brand, [str(n) for n in range(101)])
    with pytest.raises(Refused):
        scripted.x.introduce(brand, ["5/../6"])


def test_who_a_token_is_of_and_where_it_is_allowed(scripted) -> None:
    scripted.says(200, {"data": {"id": "1001", "username": "AskCiti", "name": "Citi"}})
    assert scripted.x.whoami("fresh").handle == "AskCiti"
    assert scripted.requests[0].headers["authorization"] == "Bearer fresh"

    url = scripted.x.authorize_url(state="s t", challenge="c", redirect_uri="https://care.example/back")
    assert url.startswith("https://x.com/i/oauth2/authorize?response_type=code&client_id=client&")
    assert "scope=tweet.read+tweet.write+users.read+dm.read+dm.write+offline.access&state=s+t" in url
    assert url.endswith("code_challenge=c&code_challenge_method=S256")

    scripted.says(200, {"access_token": "a", "refresh_token": "r", "expires_in": 60, "scope": "dm.read dm.write"})
    made = scripted.x.exchange("code", verifier="v", redirect_uri="https://care.example/back")
    assert made == Tokens("a", "r", 60, ("dm.read", "dm.write"))
    assert b"grant_type=authorization_code" in scripted.requests[-1].content
    scripted.says(400, {"error": "invalid_grant"})
    with pytest.raises(Refused) as refused:
        scripted.x.exchange("code", verifier="v", redirect_uri="https://care.example/back")
    assert refused.value.reason == "auth"

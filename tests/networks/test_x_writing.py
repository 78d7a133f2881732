"""What goes to X, and what each of X's noes means: did it happen, may it be tried again, what is an agent told."""

import logging
import time
from typing import Any

import pytest

from conversations.networks.base import Account, Rule, Sent
from conversations.networks.errors import (
    NetworkError,
    RateLimited,
    Refused,
    Unavailable,
    Undetermined,
    Unreachable,
)
from conversations.networks.x.adapter import X

PROBLEMS = "https://api.x.com/2/problems/"
SECRET = "see https://go.bank.test/s3cretSLUG12"


def problem(status: int, detail: str = "", kind: str = "about:blank", **more: Any) -> dict[str, Any]:
    return {"title": "Refused", "detail": detail, "type": kind, "status": status} | more


def send_dm(x: X, account: Account) -> Sent:
    return x.send_direct_message(account, recipient_id="2002", text=SECRET)


def send_reply(x: X, account: Account) -> Sent:
    return x.reply(account, in_reply_to="50", text=SECRET, message_button=False)


def test_a_direct_message(scripted, brand) -> None:
    scripted.says(201, {"data": {"dm_conversation_id": "1001-2002", "dm_event_id": "77"}})

    assert send_dm(scripted.x, brand) == Sent("77", "1001-2002")
    request = scripted.requests[0]
    assert (request.method, request.url.path) == ("POST", "/2/dm_conversations/with/2002/messages")
    assert request.headers["authorization"] == "Bearer brand-token"
    assert scripted.sent() == {"text": SECRET}


@pytest.mark.parametrize("button", [False, True])
def test_a_reply(scripted, brand, button) -> None:
    scripted.says(201, {"data": {"id": "88", "text": "@maya_r hello"}})

    assert scripted.x.reply(brand, in_reply_to="50", text="hello", message_button=button) == Sent("88", None)
    body = {"text": "hello", "reply": {"in_reply_to_tweet_id": "50"}}
    if button:
        body["direct_message_deep_link"] = "https://x.com/messages/compose?recipient_id=1001"
    assert scripted.sent() == body


NOT_REACHABLE = "You do not have permission to DM one or more participants."


@pytest.mark.parametrize(
    ("send", "status", "body", "reason"),
    [
        (send_dm, 403, problem(403, NOT_REACHABLE), "not_reachable"),
        (send_dm, 403, problem(403, "You are not permitted to perform this action."), "not_reachable"),
        (send_dm, 403, b"<html>no</html>", "not_reachable"),
        (send_dm, 403, problem(403, "The recipient is suspended."), "not_reachable"),
        (send_dm, 403, problem(403, "Your account is suspended and may not do this."), "auth"),
        (send_dm, 403, problem(403, "this account is temporarily locked. Log in to unlock."), "auth"),
        (send_dm, 403, problem(403, "", PROBLEMS + "client-forbidden", reason="client-not-enrolled"), "auth"),
        (send_dm, 403, problem(403, "App-only is forbidden.", PROBLEMS + "unsupported-authentication"), "auth"),
        (send_dm, 403, problem(403, "Missing required OAuth2 scope: dm.write"), "scope"),
        (send_dm, 403, problem(403, "", PROBLEMS + "oauth1-permissions"), "scope"),
        (send_dm, 403, problem(403, "Forbidden", title="Forbidden"), "scope"),
        (send_dm, 403, problem(403, NOT_REACHABLE, title="Forbidden"), "not_reachable"),
        (send_dm, 400, problem(400, "The participant [5] does not exist", PROBLEMS + "invalid-request"), "gone"),
        (send_dm, 401, problem(401, "Unauthorized"), "auth"),
        (send_dm, 404, problem(404, "User not found", PROBLEMS + "resource-not-found"), "gone"),
        (send_dm, 400, problem(400, "text is too long", PROBLEMS + "invalid-request"), "too_long"),
        (send_dm, 400, problem(400, "Bad", PROBLEMS + "invalid-request", parameter="text"), "invalid"),
        (send_dm, 302, b"", "invalid"),
        (send_reply, 403, problem(403, "You can only reply to people who mentioned you."), "not_summoned"),
        (send_reply, 403, problem(403, "You are not permitted to perform this action."), "not_summoned"),
        (send_reply, 403, problem(403, "You are not allowed to create a Tweet with duplicate content."), "duplicate"),
        (send_reply, 403, problem(403, "Your Tweet text is too long."), "too_long"),
        (send_reply, 403, problem(403, "You attempted to reply to a Tweet that is deleted or not visible."), "gone"),
        (send_reply, 403, problem(403, "Missing scope tweet.write"), "scope"),
        (send_reply, 403, problem(403, "", PROBLEMS + "client-forbidden"), "auth"),
        (send_reply, 401, problem(401), "auth"),
    ],
)
def test_a_refusal_has_its_reason(scripted, brand, send, status, body, reason) -> None:
    scripted.says(status, body)

    with pytest.raises(Refused) as refused:
        send(scripted.x, brand)

    assert refused.value.reason == reason
    assert refused.value.permanent
    assert "s3cret" not in str(refused.value)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("send", [send_dm, send_reply])
def test_a_server_error_on_a_write_is_undetermined_and_not_repeated(scripted, brand, send, status) -> None:
    scripted.says(status, b"oops")

    with pytest.raises(Undetermined) as doubt:
        send(scripted.x, brand)

    assert not doubt.value.permanent
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("body", [b"", b"not json", b'{"data":{}}', b'{"data":null}'])
def test_a_yes_that_cannot_be_read_is_undetermined(scripted, brand, body) -> None:
    scripted.says(201, body)

    with pytest.raises(Undetermined):
        send_dm(scripted.x, brand)


def test_a_server_error_on_a_read_is_unavailable(scripted, brand) -> None:
    scripted.says(503, b"")
    scripted.says(200, b"<html>")

    for _ in range(2):
        with pytest.raises(Unavailable):
            scripted.x.mentions(brand)


@pytest.mark.parametrize(
    ("status", "headers", "body", "at_least", "at_most"),
    [
        (429, {"x-rate-limit-reset": "+300"}, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, 295, 300),
        (429, {"x-rate-limit-reset": "-5"}, b"", 60, 60),
        (429, {}, b"", 60, 60),
        (429, {"retry-after": "7"}, b"", 7, 7),
        (
            429,
            {
                "x-rate-limit-reset": "+60",
                "x-rate-limit-remaining": "3",
                "x-user-limit-24hour-reset": "+4000",
                "x-user-limit-24hour-remaining": "0",
            },
            b"",
            3995,
            4000,
        ),
        (403, {"x-rate-limit-reset": "+90"}, problem(403, "User is over daily status update limit."), 85, 90),
        (403, {}, problem(403, "", PROBLEMS + "usage-capped"), 900, 900),
        (402, {}, problem(402, "no credits", PROBLEMS + "credits"), 900, 900),
    ],
)
@pytest.mark.parametrize("send", [send_dm, send_reply])
def test_a_limit_says_when_it_opens(scripted, brand, send, status, headers, body, at_least, at_most) -> None:
    now = time.time()
    given = {name: str(int(now) + int(value)) if value[0] in "+-" else value for name, value in headers.items()}
    scripted.says(status, body, headers=given)

    with pytest.raises(RateLimited) as limited:
        send(scripted.x, brand)

    assert limited.value.retry_after is not None
    assert at_least <= limited.value.retry_after <= at_most
    assert not limited.value.permanent


def test_nothing_left_when_nobody_listens(connect, brand) -> None:
    x = connect("http://127.0.0.1:9")  # the discard port: nobody is there

    with pytest.raises(Unreachable) as error:
        send_dm(x, brand)

    assert not error.value.permanent


@pytest.mark.parametrize(
    "script",
    [
        ["reset"],
        [],
        [b"HTTP/1.1 201 Created\r\ncontent-length: 90\r\n\r\n{", "reset"],
        [b"HTTP/1.1 201 Created\r\ncontent-length: 90\r\n\r\n{"],
        [3.0],
    ],
    ids=["reset", "closed", "reset in the answer", "closed in the answer", "silent"],
)
def test_a_connection_that_breaks_after_the_request(raw_server, connect, brand, script) -> None:
    x = connect(raw_server.url, timeout=0.3)

    raw_server.scripts = [script, script, script]
    with pytest.raises(Undetermined):
        send_dm(x, brand)
    with pytest.raises(Unavailable):
        x.mentions(brand)
    with pytest.raises(Undetermined):  # X may have used the refresh token up
        x.refresh("refresh-token")
    assert len(raw_server.heads) == 3


def test_no_redirect_is_followed_no_proxy_trusted_no_cookie_kept(raw_server, connect, brand, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    body = b'{"meta":{"result_count":0}}'
    raw_server.scripts = [
        [
            b"HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n"
            b"set-cookie: guest=1\r\n\r\n"
        ],
        [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)],
    ]
    x = connect(raw_server.url)

    with pytest.raises(Refused):
        x.mentions(brand)
    assert x.mentions(brand).posts == ()

    assert len(raw_server.heads) == 2
    assert all("/elsewhere" not in head and "cookie" not in head.lower() for head in raw_server.heads)


@pytest.mark.parametrize("token", ["", "two\nlines", "with space", "schlüssel"])
def test_a_damaged_token_is_refused_unquoted(scripted, token) -> None:
    with pytest.raises(Refused) as refused:
        send_dm(scripted.x, Account("1001", "AskCiti", token))

    assert refused.value.reason == "auth"
    assert not token or token not in str(refused.value)
    assert scripted.requests == []


def test_nothing_secret_is_logged(scripted, brand, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.says(201, {"data": {"dm_conversation_id": "1-2", "dm_event_id": "7"}})
    scripted.says(403, problem(403, f"You may not send {SECRET}"))
    scripted.says(500, b"oops")

    send_dm(scripted.x, brand)
    for _ in range(2):
        with pytest.raises(NetworkError):
            send_reply(scripted.x, brand)

    for secret in ("s3cret", "brand-token", "app-token"):
        assert secret not in caplog.text


def test_refresh(scripted) -> None:
    answer = {"token_type": "bearer", "expires_in": 7200, "access_token": "new", "refresh_token": "next", "scope": "x"}
    scripted.says(200, answer)

    tokens = scripted.x.refresh("old")

    assert (tokens.access_token, tokens.refresh_token) == ("new", "next")
    assert tokens.expires_in == 7200
    request = scripted.requests[0]
    assert request.headers["authorization"].startswith("Basic ")
    assert request.content == b"grant_type=refresh_token&refresh_token=old&client_id=client"
    assert "new" not in repr(tokens)


def test_refresh_with_a_used_token(scripted) -> None:
    scripted.says(400, {"error": "invalid_request", "error_description": "Value passed for the token was invalid."})

    with pytest.raises(Refused) as refused:
        scripted.x.refresh("old")

    assert refused.value.reason == "auth"


def stored(*rules: tuple[str, str, str]) -> dict[str, Any]:
    return {"data": [{"id": i, "value": value, "tag": tag} for i, value, tag in rules]}


CHANGED = {"meta": {"sent": "2024-01-15T10:30:00.000Z", "summary": {"created": 1, "not_created": 0}}}


def test_rules_become_exactly_the_given_ones(scripted) -> None:
    scripted.says(200, stored(("1", "@Citi", "handle"), ("2", "old", "gone"), ("3", "citi card", "was")))
    for _ in range(3):
        scripted.says(200, CHANGED)

    scripted.x.set_rules([Rule("@Citi", "handle"), Rule("citi card", "is"), Rule("@AskCiti", "care")])

    assert [scripted.sent(i) for i in (1, 2, 3)] == [
        {"delete": {"ids": ["3"]}},
        {"add": [{"value": "citi card", "tag": "is"}, {"value": "@AskCiti", "tag": "care"}]},
        {"delete": {"ids": ["2"]}},
    ]


def test_rules_that_are_there_already_are_left_alone(scripted) -> None:
    scripted.says(200, stored(("1", "@Citi", "handle")) | {"meta": {"next_token": "0123456789abcdef"}})
    scripted.says(200, stored(("2", "@AskCiti", "care")))

    scripted.x.set_rules([Rule("@AskCiti", "care"), Rule("@Citi", "handle")])

    assert len(scripted.requests) == 2


def test_a_rule_that_x_refuses_is_an_error_and_a_duplicate_is_not(scripted) -> None:
    duplicate = {"title": "DuplicateRule", "type": PROBLEMS + "duplicate-rules", "value": "a", "id": "1"}
    invalid = {"title": "UnprocessableEntity", "type": PROBLEMS + "invalid-rules", "value": "("}
    for error in (duplicate, invalid):
        scripted.says(200, {"meta": {}})
        scripted.says(200, {"meta": {"summary": {"created": 0, "not_created": 1}}, "errors": [error]})

    scripted.x.set_rules([Rule("a", "t")])
    with pytest.raises(Refused):
        scripted.x.set_rules([Rule("(", "t")])
    with pytest.raises(Refused):
        scripted.x.set_rules([Rule("a", "t"), Rule("a", "u")])

"""Whose pages may open a socket: our own, by scheme, host and port, said once."""

import pytest

from citisocial.origins import OwnOrigin, origin

OURS = "https://care.bank.example"


@pytest.mark.parametrize(
    "said",
    [
        [],
        [""],
        ["null"],
        ["http://care.bank.example"],
        ["https://care.bank.example:8443"],
        ["https://care.bank.example.evil.example"],
        ["https://evil.example"],
        ["https://user@care.bank.example"],
        ["https://care.bank.example/"],
        ["https://care.bank.example."],
        ["https://sub.care.bank.example"],
        ["https://care.bank.example/chat"],
        ["https://care.bank.example?x"],
        ["https://care.bank.example#x"],
        ["https://care.bank.example:99999"],
        ["care.bank.example"],
        ["file://"],
        [OURS, OURS],
        [OURS, "https://evil.example"],
        ["https://evil.example", OURS],
    ],
)
async def test_every_other_is_kept_out(said):
    assert await answer(said) == "refused"


@pytest.mark.parametrize("said", [OURS, f"{OURS}:443"])
async def test_ours_is_let_in(said):
    assert await answer([said]) == "in"


def test_a_name_is_read_as_browsers_write_it():
    assert origin("http://localhost:8000") == ("http", "localhost", 8000)
    assert origin("https://[::1]:8000") is None or origin("https://[::1]:8000") == ("https", "::1", 8000)


async def answer(said):
    sent = []

    async def inside(scope, receive, send):
        sent.append("in")

    async def receive():
        return {"type": "websocket.connect"}

    async def send(event):
        sent.append("refused" if event["type"] == "websocket.close" else event["type"])

    headers = [(b"origin", one.encode()) for one in said]
    await OwnOrigin(inside, OURS)({"type": "websocket", "headers": headers}, receive, send)
    return sent[0]

"""Takes a text, leaves it pushed to the site's webhook as X pushes it: signed with the app's secret, or forged."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from typing import Any, LiteralString

import httpx
import psycopg

from citisocial.servers import House

from .people import Stumble
from .posting import X_EPOCH_MS

DOOR = "/hooks/x/"
OUR_ACCOUNT: LiteralString = "SELECT external_id FROM conversations_brandaccount WHERE lower(handle) = 'askciti'"
numbers = itertools.count(1)


def our_account(house: House) -> str:
    """The numeric id of the care account, for which events are pushed."""
    with psycopg.connect(house.database_url) as connection:
        row = connection.execute(OUR_ACCOUNT).fetchone()
    if row is None:
        raise Stumble("there is no care account")
    return str(row[0])


def mention(text: str, *, account: str) -> dict[str, Any]:
    """The event that somebody has named the account, a moment ago."""
    ident = str((int(time.time() * 1000) - X_EPOCH_MS << 22) + next(numbers))
    author = {"id": f"99{int(ident) % 7:07d}", "username": "pusher", "name": "Somebody Pushed"}
    post = {"id": ident, "text": f"@AskCiti {text}", "author_id": author["id"], "lang": "en"}
    return _event(ident, account, post, {"users": [author]})


def odd(text: str, *, account: str) -> dict[str, Any]:
    """An event with the text in places where it makes no sense, so that it cannot be read."""
    post = {"id": {"a": text}, "text": [text], "author_id": text, "created_at": text, "entities": text}
    return _event(f"odd-{next(numbers)}", account, post, {"users": [text, {"id": 1, "name": {"a": text}}]})


def _event(ident: str, account: str, payload: object, includes: object) -> dict[str, Any]:
    said = {"event_uuid": ident, "event_type": "post.mention.create", "filter": {"user_id": account}}
    return {"data": {**said, "payload": payload, "includes": includes}}


def push(client: httpx.Client, house: House, event: dict[str, Any], *, forged: bool = False) -> int:
    """Deliver it; the status that the site answered."""
    body = json.dumps(event, ensure_ascii=False).encode()
    secret = "another" if forged else house.secrets["X_CONSUMER_SECRET"]
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    headers = {"x-twitter-webhooks-signature": f"sha256={signature}", "Content-Type": "application/json"}
    return client.post(f"{house.site_url}{DOOR}", content=body, headers=headers).status_code

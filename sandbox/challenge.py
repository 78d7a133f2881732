"""Takes addresses and contents, leaves what X thinks of the one and its signature of the other (CRC, HMAC)."""

import hashlib
import hmac
import secrets
from base64 import b64encode
from urllib.parse import urlsplit

import httpx

MAX_URL = 200
ANSWER_SECONDS = 10.0


def wrong_with(url: str, *, local: bool) -> str:
    """Why X would not take this address; empty when it would. `local` also allows http and ports."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is not a URL"
    if len(url) > MAX_URL:
        return f"it is longer than {MAX_URL} characters"
    if not parts.hostname or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not local):
        return "it must begin with https://"
    if port is not None and not local:
        return "it must not name a port"
    return ""


def signature(content: bytes, secret: str) -> str:
    """What X puts in x-twitter-webhooks-signature, and expects in the answer to a challenge."""
    digest = hmac.new(secret.encode(), content, hashlib.sha256).digest()
    return "sha256=" + b64encode(digest).decode()


async def proves_itself(url: str, secret: str) -> bool:
    """Ask an address to sign a token with the app's secret. Without a secret nobody can; redirects do not count."""
    token = secrets.token_urlsafe(32)
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
            answer = await client.get(url, params={"crc_token": token})
        told = answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False
    given = told.get("response_token") if isinstance(told, dict) else None
    right = isinstance(given, str) and hmac.compare_digest(given.encode(), signature(token.encode(), secret).encode())
    return bool(secret) and right

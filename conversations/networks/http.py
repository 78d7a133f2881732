"""Takes one call to a network's HTTP API, leaves the answer of whatever status, or says if it can have
happened."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx

from conversations.networks.errors import Unavailable, Undetermined, Unreachable

USER_AGENT = "citisocial"

# httpx logs every URL at INFO and httpcore every header, tokens included, at DEBUG.
for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)

# An idle connection that the other side closes just as we write on it makes a harmless send look
# undetermined, so idle connections are given up before a usual server (5 s) does it.
_POOL = httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=4.0)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(repr=False)  # names in any case
    body: bytes = field(repr=False)


class Http:
    """A pool of connections to one network; safe to share between threads."""

    def __init__(self, base_url: str, *, timeout: float = 10.0, transport: httpx.BaseTransport | None = None) -> None:
        self.host = urlsplit(base_url).netloc
        self._origin = urlsplit(base_url)[:2]
        self._client = httpx.Client(
            base_url=base_url,
            timeout=timeout,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            limits=_POOL,
            headers={"User-Agent": USER_AGENT},
            cookies=_no_cookies(),
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        writes: bool,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """The answer, of whatever status; `path` may be a whole URL elsewhere.

        When the connection broke: Undetermined if it `writes`, else Unavailable.
        """
        try:
            answer = self._client.request(
                method,
                path,
                headers=headers,
                params=params,
                json=json,
                data=form,
                content=body,
                auth=auth or httpx.USE_CLIENT_DEFAULT,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(
                f"{self.host} could not be reached ({type(error).__name__}); nothing was sent. "
                "Check the network and the API address, or wait: it is tried again."
            ) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            if writes:
                raise Undetermined(
                    f"The connection to {self.host} broke before an answer came ({type(error).__name__}). "
                    "It may have happened: look it up there before sending again."
                ) from error
            raise Unavailable(
                f"{self.host} did not answer in full ({type(error).__name__}). Wait: it is tried again."
            ) from error
        return Answer(status=answer.status_code, headers=answer.headers, body=answer.content)

    def is_ours(self, url: str) -> bool:
        """Whether an address is the API's own, so that our tokens may go there."""
        return urlsplit(url)[:2] == self._origin

    def close(self) -> None:
        self._client.close()


def async_client(base_url: str, *, connect: float, read: float) -> httpx.AsyncClient:
    """A client for one long-lived stream, under the same rules; `read`: seconds of silence that end it."""
    return httpx.AsyncClient(
        base_url=base_url,
        # Nothing to reuse: a connection kept after a refusal would only be found closed by the next attempt.
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=httpx.Timeout(connect=connect, read=read, write=connect, pool=connect),
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": USER_AGENT},
        cookies=_no_cookies(),
    )


def _no_cookies() -> CookieJar:
    # One pool serves several accounts: a cookie set in the answer to one must never travel with another's
    # token.
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))

"""Takes a WebSocket's handshake, leaves it refused unless it says exactly once that it comes from our own site.

Channels' validator compares hosts and takes the last of several headers; here scheme, host and port are ours, or nobody
gets in: no `null`, no user name, no path, no second header.
"""

from typing import Any
from urllib.parse import urlsplit

from conversations.routing import refuse

PORTS = {"http": 80, "https": 443}


class OwnOrigin:
    """ASGI: the application, for pages of `site` (scheme://host[:port]) alone."""

    def __init__(self, application: Any, site: str) -> None:
        self.application = application
        self.site = origin(site)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        said = [value for name, value in scope["headers"] if name == b"origin"]
        ours = len(said) == 1 and origin(said[0].decode("latin1")) == self.site is not None
        await (self.application if ours else refuse)(scope, receive, send)


def origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no origin, or more than one."""
    try:
        parts = urlsplit(text)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    host = parts.hostname or ""
    plain = f"{parts.scheme}://{parts.netloc}" == text and parts.netloc.lower() in (host, f"{host}:{port}")
    return (parts.scheme, host, port) if plain and host else None

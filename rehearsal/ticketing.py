"""Takes the session cookie of somebody, leaves a ticket for one opening of one socket: by POST, as pages ask for it.

Raw and on kept-alive connections, because thousands are asked for. Whoever comes from an address of their own asks
from there.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .people import Stumble

TOKEN = "c" * 32  # the cookie and the header of one's own browser agree, whatever they say
PROTOCOL = "chat.v1"
PATIENCE = 60.0  # seconds
END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Pass:
    """Somebody's way to the socket of one case: the Cookie header, and the case."""

    cookie: str
    case: str

    @classmethod
    def of(cls, cast: dict[str, Any], case: dict[str, Any], side: str) -> "Pass":
        """Of one side of a case that `plugging` made."""
        return cls(f"{cast['session']}={case[side]}; {cast['csrf']}={TOKEN}", case["id"])

    def socket(self, site_url: str) -> str:
        return f"{site_url}/ws/case/{self.case}/"


class Refused(Stumble):
    """No ticket; `status` is what the site said."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"no ticket was given: {status} {body[:200]!r}")
        self.status = status


class Window:
    """One connection to the site, over which one ticket after the other is asked for."""

    def __init__(self, site_url: str, *, address: str | None = None) -> None:
        self.site_url, self.address = site_url, address
        self.line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ticket(self, who: Pass) -> str:
        """A ticket for their case, or Refused; asked once more when the kept connection turned out to be closed."""
        kept = self.line is not None
        try:
            status, body = await self._post(who)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            if not kept:
                raise
            status, body = await self._post(who)
        if status != 200:
            raise Refused(status, body)
        return str(json.loads(body)["ticket"])

    async def _post(self, who: Pass) -> tuple[int, bytes]:
        parts = urlsplit(self.site_url)
        if self.line is None:
            away = (self.address, 0) if self.address else None
            self.line = await asyncio.open_connection("127.0.0.1", parts.port or 80, local_addr=away)
        reader, writer = self.line
        lines = [f"POST /tickets/case/{who.case}/ HTTP/1.1", f"Host: {parts.netloc}", f"Origin: {self.site_url}"]
        lines += [f"Cookie: {who.cookie}", f"X-CSRFToken: {TOKEN}", "Accept: application/json", "Content-Length: 0"]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        async with asyncio.timeout(PATIENCE):
            head = (await reader.readuntil(END)).decode("latin-1").lower()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
            body = await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head[9:12]), body

    def close(self) -> None:
        if self.line is not None:
            self.line[1].close()
            self.line = None


def protocols(ticket: str) -> list[str]:
    """What the socket is opened with."""
    return [PROTOCOL, f"ticket.{ticket}"]

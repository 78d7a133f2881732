"""Takes somebody who may open a socket, leaves whether pages of other origins open it too: none of nine may.

Everything else is right each time: the cookie, the case, and a fresh ticket.
"""

from urllib.parse import urlsplit

from .ticketing import Pass, Window, protocols
from .wires import NotOpened, Wire, connect, handshake


def wrong(site_url: str) -> dict[str, tuple[str, ...]]:
    """Name -> the Origin headers of the handshake, none, one or two."""
    parts = urlsplit(site_url)
    other = "https" if parts.scheme == "http" else "http"
    return {
        "null": ("null",),
        "none": (),
        "scheme": (f"{other}://{parts.netloc}",),
        "port": (f"{parts.scheme}://{parts.hostname}:{(parts.port or 80) + 1}",),
        "suffix": (f"{parts.scheme}://{parts.hostname}.evil.example:{parts.port or 80}",),
        "userinfo": (f"{parts.scheme}://{parts.netloc}@evil.example",),
        "subdomain": (f"{parts.scheme}://chat.{parts.netloc}",),
        "trailing dot": (f"{parts.scheme}://{parts.hostname}.:{parts.port or 80}",),
        "doubled": ("http://evil.example", site_url),
    }


async def opens(site_url: str, who: Pass, origins: tuple[str, ...]) -> bool:
    """Whether a socket is opened for them by a page of this origin."""
    window = Window(site_url)
    ticket = await window.ticket(who)
    window.close()
    more = "".join(f"Origin: {origin}\r\n" for origin in origins)
    wire, url = Wire(), who.socket(site_url)
    try:
        await connect(wire, url, handshake(url, cookie=who.cookie, protocols=protocols(ticket), more=more))
    except NotOpened:
        return False
    wire.close()
    return True


async def tried(site_url: str, who: Pass) -> tuple[int, list[str]]:
    """How many wrong ones were refused, and what is not as it should be, in sentences."""
    bad = [name for name, origins in wrong(site_url).items() if await opens(site_url, who, origins)]
    sentences = [f"a page of another origin opened a socket: {name}" for name in bad]
    if not await opens(site_url, who, (site_url,)):
        sentences.append("our own page could not open a socket")
    return len(wrong(site_url)) - len(bad), sentences

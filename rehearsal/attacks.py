"""Takes a link that was written to somebody else, leaves hostile requests for its chat: one function, one way in.

Each is one attempt of an intruder who has what the kind gives them: the link, a login of their own at the bank and at
X, the spent or stolen pieces of another's round trip. None may lead to a chat; `Intruder` keeps all that was answered.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

from citisocial.servers import House

from .people import Answer, Person, Stumble, form_on
from .scene import open_chat

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EVIL = "https://evil.example"
SESSION = "citisocial"  # the demo's cookie


class Intruder(Person):
    """Somebody with a login at the bank who wants another's chat. `met` is every answer, `sockets` what opened."""

    def __init__(self, name: str, house: House, *, address: str | None = None) -> None:
        super().__init__(name, address=address)
        self.house = house
        self.address = address
        self.met: list[Answer] = []
        self.sockets = 0

    def _answer(self, response: httpx.Response) -> Answer:
        answer = super()._answer(response)
        self.met.append(answer)
        return answer

    def from_elsewhere(self, address: str) -> "Intruder":
        """The same browser, with the cookies that it has now, at another address."""
        moved = Intruder(self.name, self.house, address=address)
        moved.client.cookies = self.client.cookies
        return moved

    @contextmanager
    def fresh_browser(self) -> Iterator["Intruder"]:
        """Another browser of theirs, without any cookie; what it meets counts as met by them."""
        other = Intruder(self.name, self.house, address=self.address)
        other.met = self.met
        try:
            yield other
        finally:
            self.sockets += other.sockets
            other.close()

    def is_in(self) -> bool:
        """Whether anything that was answered shows a chat or leads to one."""
        pages = (a for a in self.met if urlsplit(a.location or a.url).path.startswith("/chat/"))
        return self.sockets > 0 or any(page.location or page.status == 200 for page in pages)


@dataclass
class Target:
    """What is to be opened, and what intruders have got hold of."""

    house: House
    welcome: str
    case_id: str
    code: str
    spent: str = ""  # a way back from X that was used already, with its code and state
    pointer: str = ""  # of the right person's page
    planted: str = ""  # a session that the right person's browser had before signing in

    @property
    def callback(self) -> str:
        return f"{self.house.site_url}/x/callback"


Attack = Callable[[Intruder, Target], object]


# The pieces.


def shown(intruder: Intruder, target: Target) -> Answer:
    """Open the link, press the button, and see what would be linked."""
    page = intruder.get(target.welcome)
    intruder.send(page, form_on(page, urlsplit(target.welcome).path))
    return intruder.get(f"{target.house.site_url}/handoff/")


def agreed(intruder: Intruder, target: Target) -> str:
    """Agree to it; the address at X that this leads to."""
    page = shown(intruder, target)
    away = intruder.send(page, form_on(page, "/handoff/")).location
    if not away.startswith(target.house.x_url):
        raise Stumble(f"agreeing led to {away.split('?')[0] or page.status} instead of X")
    return away


def allowed(intruder: Intruder, away: str, handle: str, press: str = "approve") -> str:
    """Say yes (or no) at X as this person; the way back."""
    page = intruder.get(away)
    form = form_on(page, "/i/oauth2/authorize")
    return intruder.submit(
        urljoin(page.url, form.action or page.url), form.fields | {"handle": handle, press: "1"}, page=page.url
    ).location


def asked(url: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def back(intruder: Intruder, target: Target, **query: str) -> Answer:
    """Come back from X with these."""
    return intruder.get(f"{target.callback}?{urlencode(query)}")


def posted(intruder: Intruder, target: Target, path: str, **fields: str) -> Answer:
    """Send a form of ours with these fields, whether or not there is such a form."""
    page = intruder.get(f"{target.house.site_url}/social/")
    data = {"csrfmiddlewaretoken": form_on(page, "/social/").fields["csrfmiddlewaretoken"]} | fields
    return intruder.submit(urljoin(target.house.site_url, path), data, page=page.url)


def knock(intruder: Intruder, target: Target) -> None:
    """The chat's page and its socket."""
    intruder.get(f"{target.house.site_url}/chat/{target.case_id}/")
    with suppress(Stumble):
        open_chat(intruder, target.house, target.case_id).close()
        intruder.sockets += 1


# While the link waits for the right person.


def other_handle(intruder: Intruder, target: Target) -> None:
    """Everything as it should be, but X knows them as somebody else."""
    target.spent = allowed(intruder, agreed(intruder, target), intruder.name + "_elsewhere")
    intruder.get(target.spent)


def forwarded_link(intruder: Intruder, target: Target) -> None:
    """A friend who opens it, and says no at X."""
    intruder.get(allowed(intruder, agreed(intruder, target), intruder.name + "_elsewhere", press="deny"))


def consent_skipped(intruder: Intruder, target: Target) -> None:
    """Straight to X, past what has to be agreed to."""
    page = shown(intruder, target)
    fields = form_on(page, "/handoff/").fields
    answer = intruder.submit(page.url, fields, page=page.url)
    if answer.location:
        raise Stumble(f"a form without consent led to {answer.location.split('?')[0]}")


def no_start(intruder: Intruder, target: Target) -> None:
    """Back from X without ever having left."""
    back(intruder, target, code=secrets.token_urlsafe(32), state=secrets.token_urlsafe(12))


def replayed_state(intruder: Intruder, target: Target) -> None:
    """A way back that was used already."""
    intruder.get(target.spent or f"{target.callback}?code=a&state=b")


def replayed_code(intruder: Intruder, target: Target) -> None:
    """A code that was used already, with a fresh state."""
    state = asked(agreed(intruder, target))["state"]
    back(intruder, target, code=asked(target.spent).get("code", "a"), state=state)


def swapped_code(intruder: Intruder, target: Target) -> None:
    """A code that X gave to the right person in one round trip, brought into another."""
    first, second = agreed(intruder, target), agreed(intruder, target)
    code = asked(allowed(intruder, second, "maria_m"))["code"]
    back(intruder, target, code=code, state=asked(first)["state"])


def forged_issuer(intruder: Intruder, target: Target) -> None:
    """Another server's answer, sent from another site."""
    state = asked(agreed(intruder, target))["state"]
    query = urlencode({"code": secrets.token_urlsafe(32), "state": state, "iss": EVIL})
    headers = {"Origin": EVIL, "Referer": f"{EVIL}/"}
    intruder._answer(intruder.client.get(f"{target.callback}?{query}", headers=headers))


def stolen_callback(intruder: Intruder, target: Target) -> None:
    """The way back of somebody else's round trip, before they used it, in a browser without a login."""
    way = allowed(intruder, agreed(intruder, target), intruder.name + "_elsewhere")
    with intruder.fresh_browser() as other:
        other.get(way)


def changed_pointer(intruder: Intruder, target: Target) -> None:
    """Another number in the signed pointer that the form carries."""
    pointer = form_on(shown(intruder, target), "/handoff/").fields["handoff"]
    number, _, signature = pointer.partition(":")
    forged = secrets.choice([f"{int(number) + 1}:{signature}", pointer[:-1] + ("A" if pointer[-1] != "A" else "B")])
    posted(intruder, target, "/handoff/", handoff=forged, consent="link")


def changed_address(intruder: Intruder, target: Target) -> None:
    """The chat's own address and socket."""
    knock(intruder, target)


def guessed_code(intruder: Intruder, target: Target) -> None:
    """Eight letters and digits that might be a code."""
    with intruder.fresh_browser() as other:
        posted(other, target, "/social/", code="".join(secrets.choice(LETTERS) for _ in range(8)))


# When the right person has come through.


def other_customer(intruder: Intruder, target: Target) -> None:
    """Another customer with the same link."""
    shown(intruder, target)
    posted(intruder, target, "/handoff/", handoff=_pointer_cookie(intruder), consent="link")
    knock(intruder, target)


def stolen_pointer(intruder: Intruder, target: Target) -> None:
    """The pointer of the right person's own page."""
    posted(intruder, target, "/handoff/", handoff=target.pointer, consent="link")


def stolen_way_back(intruder: Intruder, target: Target) -> None:
    """The right person's own way back from X, once more."""
    intruder.get(target.spent)


def fixed_session(intruder: Intruder, target: Target) -> None:
    """The session that was in the right person's browser before they signed in."""
    with intruder.fresh_browser() as other:
        other.client.cookies.set(SESSION, target.planted)
        knock(other, target)
        other.get(target.spent)


# When the link's time is over.


def expired_link(intruder: Intruder, target: Target) -> None:
    """Press the button of a page that was loaded while it lived."""
    posted(intruder, target, urlsplit(target.welcome).path)


def expired_pointer(intruder: Intruder, target: Target) -> None:
    """A pointer from that time."""
    posted(intruder, target, "/handoff/", handoff=target.pointer, consent="link")


def expired_code(intruder: Intruder, target: Target) -> None:
    """Its code."""
    with intruder.fresh_browser() as other:
        posted(other, target, "/social/", code=target.code)


# When the handle that was remembered has been taken back: the right person's own login, and no word from X.


def revoked_handle(intruder: Intruder, target: Target) -> None:
    """On the strength of a proof that was taken back."""
    consent_skipped(intruder, target)


BEFORE: tuple[Attack, ...] = (
    other_handle,
    forwarded_link,
    consent_skipped,
    no_start,
    replayed_state,
    replayed_code,
    swapped_code,
    forged_issuer,
    changed_pointer,
    changed_address,
    guessed_code,
    stolen_callback,
)
AFTER: tuple[Attack, ...] = (other_customer, stolen_pointer, stolen_way_back, fixed_session)
OVER: tuple[Attack, ...] = (expired_link, expired_pointer, expired_code)


def _pointer_cookie(person: Person) -> str:
    return next((c.value or "" for c in person.client.cookies.jar if c.name.endswith("-handoff")), "")

"""Takes a house, leaves the stage of one walk: who plays, what they have found so far, and the door to each host."""

import hmac
import re
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from citisocial.servers import House

from .people import Answer, Person, Stumble, form_on
from .sockets import Frame, Socket

PASSWORD = "walk-the-talk"  # the demo's, which everybody may know
SUPERVISOR = "grace"
AGENT = "maya"
FACTOR = "/accounts/2fa/authenticate/"
PERIOD = 30  # seconds for which an authenticator shows a code
TRIES = 4  # of at most three people who play one
USED: dict[tuple[str, str], int] = {}  # (site, login): the last period whose code was typed
Found = TypeVar("Found")
WAIT = 45.0  # seconds that anything may take; on a free machine nothing takes more than five


@dataclass(frozen=True, slots=True)
class Part:
    """A customer of the demo: the login at the bank, and the handle on the network that is theirs."""

    login: str
    handle: str
    post: str


PARTS = {
    "dm": Part("maria", "maria_m", "@AskCiti my card was declined twice at the grocery store today. Can you help me?"),
    "reply": Part("jorge", "jorge_p", "@AskCiti I was charged twice for the same transfer. Please help!"),
}


@dataclass
class Scene:
    """One walk. What a step finds (a post, a case, a link) the next ones use."""

    house: House
    form: str
    wipe: Callable[[], None]
    customer: Person = field(default_factory=lambda: Person("the customer"))
    agent: Person = field(default_factory=lambda: Person("the agent"))
    supervisor: Person = field(default_factory=lambda: Person("the supervisor"))
    agent_name: str = AGENT
    inbox: Socket | None = None
    agent_chat: Socket | None = None
    customer_chat: Socket | None = None
    post_id: str = ""
    case_id: str = ""
    link: str = ""
    welcome: Answer | None = None
    handoff: Answer | None = None
    chat_url: str = ""

    @property
    def part(self) -> Part:
        return PARTS[self.form]

    @property
    def case_url(self) -> str:
        """The agent's page of the case."""
        return f"{self.house.site_url}/workspace/cases/{self.case_id}/"

    def close(self) -> None:
        """Everybody goes home."""
        for socket in (self.inbox, self.agent_chat, self.customer_chat):
            if socket is not None:
                socket.close()
        for person in (self.customer, self.agent, self.supervisor):
            person.close()


def sign_in(person: Person, house: House, username: str, *, at: str) -> Answer:
    """Go to a page of the site that asks for a login, sign in there, and end where it leads."""
    login = person.open(house.site_url + at, to=house.site_url)
    return sign_in_here(person, house, username, login)


def sign_in_here(person: Person, house: House, username: str, login: Answer) -> Answer:
    """Fill in the sign-in page that one has been led to."""
    if urlsplit(login.url).path != "/accounts/login/":
        raise Stumble(f"{person.name} was led to {login.url} instead of the sign-in page")
    form = form_on(login, "/accounts/login/")
    answer = person.send(login, form, {"login": username, "password": PASSWORD})
    if urlsplit(answer.location).path == FACTOR:
        answer = _second_factor(person, house, username, person.open(answer.location, to=house.site_url))
    if not answer.location:
        raise Stumble(f"{username} could not sign in: {answer.status} {answer.page.text[:200]!r}")
    return person.settle(answer, to=house.site_url)


def _second_factor(person: Person, house: House, username: str, asked: Answer) -> Answer:
    """Type codes until one is taken: somebody else who plays this person may have used one just now."""
    for digits in codes(house, username):
        answer = person.send(asked, form_on(asked, FACTOR), {"code": digits})
        if answer.location:
            return answer
    raise Stumble(f"no code of {username} was taken: {answer.page.text[:200]!r}")


def codes(house: House, username: str) -> Iterator[str]:
    """What the authenticator of the demo's `username` shows, oldest first, each once; three tries, then it is over.

    A code serves once, and the site takes that of the period before and after as well: three sign-ins of one person
    can follow each other at once. Only the fourth waits for the next period, as a person does.
    """
    for _ in range(TRIES):
        step = max(USED.get((house.site_url, username), 0) + 1, int(time.time()) // PERIOD - 1)
        while step > time.time() // PERIOD + 1:
            time.sleep(0.5)
        USED[house.site_url, username] = step
        yield totp(hmac.digest(house.secrets["DEMO_SEED"].encode(), username.encode(), "sha256")[:20], step)


def totp(secret: bytes, step: int) -> str:
    """The six digits of one period of 30 s, by RFC 6238."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def open_inbox(person: Person, house: House) -> Socket:
    """The live inbox of a signed-in agent, with its first frame."""
    socket = inbox_socket(person, house).open()
    socket.wait(lambda frame: frame["type"] == "inbox", "the inbox's first frame")
    return socket


def inbox_socket(person: Person, house: House, *, also: Callable[[Frame], None] = lambda frame: None) -> Socket:
    """The inbox's socket, not yet open: resumes after the last frame's `now`; `also` hears every frame."""
    latest = {"after": ""}

    def resume() -> Frame:
        return {"type": "resume", "after": latest["after"]}

    def heard(frame: Frame) -> None:
        if frame["type"] in {"inbox", "cases"}:
            latest["after"] = frame["now"]
        also(frame)

    return Socket(person, f"{house.site_url}/ws/inbox/", resume=resume, heard=heard)


def open_chat(person: Person, house: House, case_id: str) -> Socket:
    """The case's socket of either side; it resumes after the last seq it has heard."""
    latest = {"seq": 0}

    def resume() -> Frame:
        return {"type": "resume", "after": latest["seq"]}

    def heard(frame: Frame) -> None:
        if frame["type"] == "message":
            latest["seq"] = max(latest["seq"], frame["seq"])

    socket = Socket(person, f"{house.site_url}/ws/case/{case_id}/", resume=resume, heard=heard).open()
    socket.wait(lambda frame: frame["type"] == "caught_up", "the end of the first catching up")
    return socket


def until(ask: Callable[[], Found | None], what: str, *, within: float, every: float = 0.25) -> Found:
    """Ask again and again, as somebody does who presses reload; a Stumble that says `what` never came."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise Stumble(f"{what} did not come within {within:.0f} s")
        time.sleep(every)


def find(pattern: str, text: str, what: str) -> str:
    """The first group of the pattern; a Stumble that says what is missing."""
    match = re.search(pattern, text)
    if match is None:
        raise Stumble(f"no {what} in {text[:200]!r}")
    return match.group(1)

"""Takes texts with private numbers in them and the people of a walk, leaves them said at every door that takes a text.

A door refuses a text or takes it; either way no number of it may be kept. What only the bank's staff can type is
refused with a sentence, what customers say is taken and masked.
"""

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urljoin, urlsplit

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from . import signed
from .people import Answer, Person, Stumble, form_on, origin
from .private import Seed
from .scene import WAIT, Scene
from .sockets import Frame, Socket
from .supervising import Supervisors

S = TypeVar("S")
T = TypeVar("T")
AUTHORS = 40
BATCH = 500
AT_ONCE = 25  # chat messages under way
NAME = 50  # characters that X gives a name
HEADERS = ("User-Agent", "Referer", "Accept-Language", "X-Forwarded-For", "X-Request-Id", "Authorization")
COOKIES = ("citisocial", "citisocial-language", "citisocial-csrf", "citisocial-handoff", "messages")
PLACES = (
    "/{}",
    "/welcome/{}/",
    "/social/?code={}",
    "/accounts/login/?next=/{}",
    "/x/callback?code={}&state={}",
    "/x/error?error={}",
    "/hooks/x/?crc_token={}",
    "/workspace/?tab={}",
    "/workspace/cases/{}/",
    "/admin/{}/",
    "/admin/login/?next={}",
    "/static/{}.css",
    "/healthz?{}",
)
SOCKETS = ("/ws/{}/", "/ws/case/{}/", "/ws/inbox/?q={}")
FORMS = ("/social/", "/accounts/login/", "/accounts/password/reset/", "/accounts/signup/")


@dataclass(frozen=True, slots=True)
class Doors:
    """What the doors need: the stage of a walk, with a case that the agent works on. `wrong`: what was not refused."""

    scene: Scene
    wrong: list[str] = field(default_factory=list)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    @property
    def x(self) -> str:
        return self.scene.house.x_url

    @property
    def site(self) -> str:
        return self.scene.house.site_url


# --- by way of the network ----------------------------------------------------------------------------------------


def names(doors: Doors, seeds: Sequence[Seed]) -> None:
    """What people call themselves: each writes once, so that we hear of them."""
    people = [(f"named_{number}", seed) for number, seed in enumerate(seeds)]
    _order(doors, "people", {"people": [{"handle": handle, "name": seed.text} for handle, seed in people]})
    _publish(doors, [(handle, "@AskCiti is anybody there?") for handle, _ in people])


def posts(doors: Doors, seeds: Sequence[Seed]) -> None:
    """In public, to our handle: they come by the stream, or by the mentions while nobody listens."""
    _publish(doors, [(author, f"@AskCiti {seed.text}") for author, seed in zip(_authors(), seeds, strict=False)])


def searched(doors: Doors, seeds: Sequence[Seed]) -> None:
    """In public, about us and to nobody: only the search brings them while nobody listens."""
    _publish(doors, [(author, f"my citi card: {seed.text}") for author, seed in zip(_authors(), seeds, strict=False)])


def direct_messages(doors: Doors, seeds: Sequence[Seed]) -> None:
    """To our account, in private."""
    for author, seed in zip(_authors(), seeds, strict=False):
        _order(doors, "dms", {"from": author, "to": "AskCiti", "text": seed.text})


def pushed(doors: Doors, seeds: Sequence[Seed]) -> None:
    """To our webhook: signed and taken; signed and not to be read; forged and refused."""
    house, client = doors.scene.house, doors.client
    account = signed.our_account(house)
    for number, seed in enumerate(seeds):
        good = signed.mention(seed.text, account=account)
        _pushed(doors, "a signed event", 200, signed.push(client, house, good))
        if number % 10 == 1:
            odd = signed.odd(seed.text, account=account)
            _pushed(doors, "an odd event", 200, signed.push(client, house, odd))
        elif number % 10 == 0:
            _pushed(doors, "a forged event", 403, signed.push(client, house, good, forged=True))


def _pushed(doors: Doors, what: str, expected: int, status: int) -> None:
    if status != expected:
        doors.wrong.append(f"{what} was answered {status} instead of {expected}")


def _authors() -> Iterator[str]:
    return itertools.cycle(f"seeder_{number}" for number in range(AUTHORS))


def _publish(doors: Doors, said: list[tuple[str, str]]) -> None:
    for at in range(0, len(said), BATCH):
        drafts = [{"author": author, "text": text} for author, text in said[at : at + BATCH]]
        _order(doors, "posts", {"posts": drafts})


def _order(doors: Doors, door: str, order: object) -> None:
    answer = doors.client.post(f"{doors.x}/_sandbox/{door}", json=order)
    if not answer.is_success:
        raise Stumble(f"the sandbox refused {door}: {answer.status_code} {answer.text[:200]}")


# --- secure chat --------------------------------------------------------------------------------------------------


def customer_says(doors: Doors, seeds: Sequence[Seed]) -> None:
    """In the secure chat, over the socket."""
    _say(doors.scene.customer_chat, seeds)


def agent_says(doors: Doors, seeds: Sequence[Seed]) -> None:
    """In the secure chat: over the socket, and every tenth by the page's form."""
    scene = doors.scene
    _say(scene.agent_chat, [seed for number, seed in enumerate(seeds) if number % 10])
    for seed in seeds[::10]:
        page = scene.agent.open(scene.case_url)
        form = form_on(page, urlsplit(scene.case_url).path)
        fields = {"text": seed.text, "client_id": str(uuid.uuid4())}
        scene.agent.settle(scene.agent.submit(scene.case_url, form.fields | fields, page=page.url))


def _say(socket: Socket | None, seeds: Sequence[Seed]) -> None:
    if socket is None:
        raise Stumble("the chat is not open on both sides")
    for at in range(0, len(seeds), AT_ONCE):
        ids = {str(uuid.uuid4()): seed for seed in seeds[at : at + AT_ONCE]}
        since = len(socket.frames)
        for client_id, seed in ids.items():
            socket.send({"type": "post", "client_id": client_id, "text": seed.text})
        for client_id in ids:
            socket.wait(partial(_is, client_id), "a message of one's own", within=WAIT, since=since)


def _is(client_id: str, frame: Frame) -> bool:
    return bool(frame.get("client_id") == client_id)


# --- what an agent would send out, and what staff can type ----------------------------------------------------------


def outgoing(doors: Doors, seeds: Sequence[Seed]) -> None:
    """A direct message or a public reply with a number in it is refused; counting its characters is not."""
    scene = doors.scene
    page = scene.agent.open(scene.case_url)
    form = page.page.form("/invite/", at=page.url) or form_on(page, "/message/")
    open_doors = [d for d in ("invite", "message", "reply") if page.page.form(f"/{d}/", at=page.url)]
    for seed, door in _each_once(seeds, [*open_doors, "measure"]):
        measured = door == "measure"
        url = f"{doors.site}/workspace/measure/" if measured else f"{scene.case_url}{door}/"
        fields = form.fields | {"text": seed.text, "kind": "dm"}
        answer = scene.agent.submit(url, fields, page=page.url)
        _must(doors, answer, {200} if measured else {400, 409, 422}, door)


def staff(doors: Doors, seeds: Sequence[Seed]) -> None:
    """What a supervisor types: templates, rules and names are refused, the reason of a stop is taken and masked."""
    with closing(Supervisors(doors.scene.house)) as supervisors:
        _staff(doors, seeds, supervisors)


def _staff(doors: Doors, seeds: Sequence[Seed], supervisors: Supervisors) -> None:
    person, site = supervisors.first, doors.site
    typed: list[Callable[[str], object]] = [
        lambda text: _typed(doors, person, "replytemplate", "text", text),
        lambda text: _typed(doors, person, "replytemplate", "name", text),
        lambda text: _typed(doors, person, "listeningrule", "value", text),
        lambda text: _typed(doors, person, "brand", "ignored_handles", text),
        lambda text: _stop(supervisors, text),
        lambda text: person.open(f"{site}/admin/conversations/mention/?q={quote(text)}", to=site),
    ]
    for text, door in _each_once([seed.text for seed in seeds], typed):
        door(text)


def _each_once(seeds: Sequence[S], doors: Sequence[T]) -> Iterator[tuple[S, T]]:
    """Every seed at some door, every door with some seed."""
    for turn in range(max(len(seeds), len(doors))):
        yield seeds[turn % len(seeds)], doors[turn % len(doors)]


def _typed(doors: Doors, person: Person, model: str, name: str, text: str) -> None:
    """Into the form of the first row of that model: the page comes back with a sentence, and nothing is saved."""
    page = _change(person, doors.site, model)
    form = next((f for f in page.page.forms if name in f.fields), None)
    if form is None:  # a supervisor only looks at it
        return
    answer = person.submit(page.url, form.fields | {name: text}, page=page.url)
    _must(doors, answer, {200}, f"the form of {model} ({name})")


def _change(person: Person, site: str, model: str) -> Answer:
    listing = person.open(f"{site}/admin/conversations/{model}/", to=site)
    changes = [link.href for link in listing.page.links if link.href.split("?")[0].endswith("/change/")]
    if not changes:
        raise Stumble(f"there is no {model} to change")
    return person.open(urljoin(listing.url, changes[0]), to=site)


def _stop(supervisors: Supervisors, reason: str) -> None:
    supervisors.stop(reason)
    supervisors.release()


def _must(doors: Doors, answer: Answer, statuses: set[int], what: str) -> None:
    if answer.status not in statuses:
        doors.wrong.append(f"{what} answered {answer.status} to a text with a private number")


def survey(doors: Doors, seeds: Sequence[Seed]) -> None:
    """The comment at the end, with as many numbers as it has room for. The case must be resolved."""
    scene, site = doors.scene, doors.site
    page = scene.customer.open(f"{site}/my/", to=site)
    link = next((one.href for one in page.page.links if "/survey/" in one.href), None)
    if link is None:
        raise Stumble("the customer is offered no survey")
    page = scene.customer.open(urljoin(page.url, link), to=site)
    form = form_on(page, urlsplit(page.url).path)
    comment = "\n".join(seed.text for seed in seeds)
    fields = {"csat": "4", "solved": form.choices["solved"][0], "comment": comment}
    scene.customer.settle(scene.customer.send(page, form, fields), to=site)


# --- addresses, headers, forms of strangers --------------------------------------------------------------------------


def strangers(doors: Doors, seeds: Sequence[Seed]) -> None:
    """Paths, queries, headers, cookies, sockets and every public form, on the site and on the link host."""
    person = Person("a stranger")
    try:
        for seed, knock in _each_once(seeds, _knocks(doors, person)):
            knock(seed)
    finally:
        person.close()


Knock = Callable[[Seed], object]


def _knocks(doors: Doors, person: Person) -> list[Knock]:
    site, links, ask = doors.site, doors.scene.house.link_url, person.client
    hosts = (f"{site}/social/", f"{site}/nowhere/", doors.scene.link or f"{links}/nowhere")

    def path(url: str, method: str) -> Knock:
        return lambda seed: ask.request(method, url.replace("{}", quote(seed.text, safe="")))

    def header(url: str, name: str) -> Knock:
        return lambda seed: ask.get(url, headers=httpx.Headers([(name.encode(), _header(seed))]))

    def cookie(name: str) -> Knock:
        return lambda seed: ask.get(f"{site}/social/", headers={"Cookie": f"{name}={quote(seed.text)}"})

    def socket(place: str) -> Knock:
        return lambda seed: _socket(site, place.replace("{}", quote(seed.text, safe="")))

    def form(door: str) -> Knock:
        return lambda seed: _filled(person, site, door, seed.text)

    def host(seed: Seed) -> object:
        return ask.get(f"{site}/", headers={"Host": f"{seed.numbers[0]}.example"})

    paths = [f"{site}{place}" for place in PLACES] + [f"{links}/{{}}", f"{links}/?q={{}}"]
    return [
        *(path(url, method) for url in paths for method in ("GET", "POST")),
        *(header(url, name) for url in hosts for name in HEADERS),
        *map(cookie, COOKIES),
        *map(socket, SOCKETS),
        *map(form, FORMS),
        host,
    ]


def _header(seed: Seed) -> bytes:
    return seed.text.replace("\n", " ").encode()


def _socket(site: str, path: str) -> None:
    try:
        url = f"{site.replace('http', 'ws', 1)}{path}"
        with connect(url, origin=Origin(origin(site)), proxy=None, compression=None, open_timeout=10):
            pass
    except (WebSocketException, OSError, TimeoutError):
        pass  # refused, as it should be


def _filled(person: Person, site: str, door: str, text: str) -> None:
    """Into every field of the page's form that takes a text."""
    page = person.get(site + door)
    for form in page.page.forms:
        if form.method == "post":
            kept = {"csrfmiddlewaretoken", "next"}
            fields = {name: value if name in kept else text for name, value in form.fields.items()}
            person.submit(page.url, fields, page=page.url)

"""Takes every address of the site and of the link host, leaves proof that none sends anybody to a foreign place.

A view that follows an address which it was given follows a harmless one of ours as well. So each view is asked once
with such a marker in every parameter, header and part of its path that a stranger can fill in; the few that answer
with it, and every address that does, are then given all the payloads. What leaves is judged as a browser reads it.
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from django.conf import settings
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from accounts.models import User
from tests.factories.foreign import DATA, OWN, payloads
from tests.factories.invited import PASSWORD, World, invited, signed_in

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
MARKER = "/marked-by-a-stranger/"
NAMES = re.compile(r"""<(?:input|select|textarea|button)\b[^>]*?\bname=["']([\w-]+)["']""")
FIELDS = re.compile(r"^    (\w+) = forms\.", re.MULTILINE)
ASKED = re.compile(r"""(?:GET|POST)(?:\.get\(|\[)\s*["']([\w-]+)["']""")
HEADERS = ("HTTP_REFERER", "HTTP_ORIGIN", "HTTP_X_FORWARDED_HOST", "HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL")


@dataclass(frozen=True)
class Door:
    """One address of the site. `stranger` is the same with a payload's place in it, where its path has one."""

    path: str
    stranger: str


def doors(patterns: list[Any], before: str = "/") -> Iterator[Door]:
    """Every address that the resolver knows, its parts filled in."""
    fill = {"int": "1", "uuid": str(uuid.UUID(int=7)), "slug": "a"}
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(pattern, URLResolver):
            yield from doors(pattern.url_patterns, route)
            continue
        assert isinstance(pattern, URLPattern)
        free = re.sub(r"\(\?P<\w+>[^)]*\)\$?", "{}", route)
        free = re.sub(r"<(?:(\w+):)?\w+>", lambda m: "{}" if m[1] in (None, "str", "path") else fill[m[1]], free)
        yield Door(free.replace("{}", "a"), free if "{}" in free else "")


def views() -> list[Door]:
    """Every address; of those that Django's admin makes for each model alike, the ones of one model."""
    every = sorted(set(doors(get_resolver().url_patterns)), key=lambda door: door.path)
    alike = re.compile(r"/admin/(?!conversations/case/)\w+/\w+/(?:a/)?(?:add/|a/|history/|delete/|change/)?")
    return [door for door in every if not alike.fullmatch(door.path)]


def parameters() -> list[str]:
    """Every name of a field in our templates and forms, and every one that our code asks a request for."""
    found = {"next", "url", "redirect", "redirect_to", "return", "continue", "callback", "state", "code", "error"}
    rooms = [ROOT / room for room in ("accounts", "conversations", "citisocial", "links")]
    for file in (path for room in rooms for pattern in ("*.html", "*.py") for path in room.rglob(pattern)):
        text = file.read_text(encoding="utf-8")
        found.update(NAMES.findall(text) if file.suffix == ".html" else ASKED.findall(text) + FIELDS.findall(text))
    return sorted(found - {"csrfmiddlewaretoken"})


def ours(location: str) -> bool:
    """Whether a browser that is sent there stays with us, or goes to X's own page for it and no other."""
    read = re.sub(r"[\t\r\n]", "", location).strip("".join(map(chr, range(33))))
    if read.split("?")[0] == settings.X_AUTHORIZE_URL:
        return True
    own = any(re.match(rf"{re.escape(origin)}(?:[/?#]|$)", read) for origin in (settings.SITE_URL, "http://testserver"))
    absolute = re.match(r"[/\\]{2}|\\|[A-Za-z][A-Za-z0-9+.-]*:", read)
    return own or not absolute


@pytest.mark.parametrize("place", [p for p in OWN if not p.startswith(("/%", "/\r", ".", "@"))])
def test_the_judge_knows_foreign_places(place: str) -> None:
    assert not ours(place)


@pytest.mark.parametrize("place", ["/my/", "/accounts/login/?next=//evil.example", "?all", "http://localhost:8000/a"])
def test_the_judge_knows_our_places(place: str) -> None:
    assert ours(place)


@pytest.fixture
def world() -> World:
    return invited()


@pytest.fixture
def people(world: World, settings: Settings) -> dict[str, Client]:
    """Somebody of each kind; a failure inside a view is an answer like any other here."""
    settings.X_API_URL = "http://127.0.0.1:1"  # nobody: what a view asks X is refused at once
    boss = User.objects.create_superuser("boss", "boss@example.test", PASSWORD)
    browsers = {
        "/admin/": signed_in(boss),
        "/workspace/": signed_in(world.maya.user),
        "/": signed_in(world.maria.user),
        "": Client(),
    }
    for browser in browsers.values():
        browser.raise_request_exception = False
    return browsers


def ask(browser: Client, path: str, value: str, names: list[str]) -> Iterator[tuple[str, HttpResponseBase]]:
    """One GET and one POST with the value everywhere; (what was asked, the answer)."""
    every = dict.fromkeys(names, value)
    plain = value.isprintable() and value.isascii()
    headers: dict[str, Any] = dict.fromkeys(HEADERS, value) if plain else {}
    yield f"GET {path}", browser.get(path, every, **headers)
    yield f"POST {path}", browser.post(path, every | {"login": "maria", "password": PASSWORD}, **headers)


def test_the_shared_payloads_are_here() -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA.name} is not here: set CITISOCIAL_DATA; only our own payloads were tried")
    assert len(payloads()) > len(OWN) + 60


def test_no_view_follows_a_stranger(people: dict[str, Client]) -> None:
    names = parameters()
    assert {"next", "code", "handle"} <= set(names)
    every = views()
    assert len(every) > 60
    foreign, steered = [], set()
    for door in every:
        room = next(room for room in people if door.path.startswith(room))
        for browser in (people[room], *([] if room == "/admin/" else [people[""]])):
            for asked, answer in ask(browser, door.path, MARKER, names):
                location = answer.get("Location", "")
                steered |= {(asked, browser)} if urlsplit(location).path == MARKER else set()
                foreign += [] if ours(location) else [(asked, MARKER, location)]
    assert "POST /accounts/logout/" in {asked for asked, _ in steered}
    for asked, browser in steered:
        method, path = asked.split(" ", 1)
        for value in payloads():
            answer = browser.generic(method, f"{path}?{urlencode({'next': value})}")
            location = answer.get("Location", "")
            foreign += [] if ours(location) else [(asked, value, location)]
    assert foreign == []


def test_no_address_is_a_way_out(people: dict[str, Client]) -> None:
    every = {door.stranger for door in doors(get_resolver().url_patterns) if door.stranger}
    places = ["/{}", "//{}", *(place for place in sorted(every) if not place.startswith("/admin/"))]
    foreign = []
    for value in payloads():
        for place in places:
            path = place.replace("{}", quote(value, safe="/:\\@?#[]%&=;,+!$'()*"), 1).replace("{}", "a")
            # The test's client would read a leading // as a host: a server gets it as a path, as here.
            answer = people[""].generic("GET", "/", PATH_INFO=path.partition("?")[0])
            location = answer.get("Location", "")
            foreign += [] if ours(location) else [(path, location)]
    assert foreign == []


def test_sign_in_goes_where_it_should(world: World) -> None:
    """With the right password, so that a redirect really follows."""
    foreign = []
    for value in payloads():
        browser = Client(raise_request_exception=False)
        answer = browser.post("/accounts/login/", {"login": "maria", "password": PASSWORD, "next": value})
        assert answer.status_code in {302, 429}, value
        foreign += [] if ours(answer.get("Location", "")) else [(value, answer["Location"])]
    assert foreign == []


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "evil.example:80"]
)
def test_no_host_header_is_believed(world: World, host: str) -> None:
    browser = signed_in(world.maria.user)
    for path in ("/my", "/my/", world.welcome, "/handoff/", "/accounts/login/", "/social"):
        for answer in (browser.get(path, HTTP_HOST=host), browser.post(path, HTTP_HOST=host)):
            assert answer.status_code == 400
            assert "Location" not in answer

"""Takes addresses, leaves what a person with a browser meets there: pages, redirects, forms, cookies.

A person has one cookie jar for all the hosts of the walk, as a browser has (cookies ignore ports). Forms are filled
in and sent as they stand on the page, CSRF token and all; redirects are followed by hand where their host matters.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from .pages import Button, Form, Page, read

HOPS = 10
# A page may take long on a machine that is busy with a replay; a person would wait.
PATIENCE = httpx.Timeout(45.0)


class Stumble(Exception):
    """Something was not as a person was told it would be; the message says what, in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `location` is absolute, empty when it was no redirect."""

    url: str
    status: int
    location: str
    headers: httpx.Headers
    body: str
    page: Page

    def json(self) -> Any:
        """The body as JSON, or a Stumble that shows its beginning."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Stumble(f"{_short(self.url)} answered {self.status} without JSON: {self.body[:200]!r}") from None


class Person:
    """Somebody with a browser. `name` is what the steps call them; `address`: one of this machine's, to come from."""

    def __init__(self, name: str, *, address: str | None = None) -> None:
        self.name = name
        headers = {"User-Agent": "Mozilla/5.0 (rehearsal)", "Accept-Language": "en", "Accept": "text/html,*/*;q=0.8"}
        way = httpx.HTTPTransport(local_address=address) if address else None
        self.client = httpx.Client(
            follow_redirects=False, timeout=PATIENCE, headers=headers, trust_env=False, transport=way
        )

    def close(self) -> None:
        self.client.close()

    def get(self, url: str, *, method: str = "GET") -> Answer:
        """One request, no redirect followed."""
        return self._answer(self.client.request(method, url))

    def open(self, url: str, *, to: str = "") -> Answer:
        """Go there, wherever it leads; the page at the end must be fine and on the origin `to` (when given)."""
        return self.settle(self.get(url), to=to)

    def send(self, at: Answer, form: Form, fields: dict[str, str] | None = None, *, press: str = "") -> Answer:
        """Fill in the form and press the button called `press` (its name, value, label or door), else its first."""
        data = dict(form.fields)
        button = _button(form, press)
        if press and button is None:
            labels = ", ".join(b.label for b in form.buttons) or "none"
            raise Stumble(f"{_short(at.url)} has no button {press!r}; its buttons: {labels}")
        if button is not None and button.name:
            data[button.name] = button.value
        data.update(fields or {})
        action = (button.formaction if button is not None else "") or form.action
        return self.submit(urljoin(at.url, action or at.url), data, method=form.method, page=at.url)

    def submit(self, url: str, data: dict[str, str], *, method: str = "post", page: str) -> Answer:
        """Send these fields as a form of the page at `page` would."""
        headers = {"Referer": page}
        if method == "get":
            return self._answer(self.client.get(url, params=data, headers=headers))
        headers["Origin"] = origin(page)
        return self._answer(self.client.post(url, data=data, headers=headers))

    def settle(self, answer: Answer, *, to: str = "") -> Answer:
        """Follow redirects to their end; a Stumble unless it is a fine page (200) on the origin `to`."""
        for _ in range(HOPS):
            if not answer.location:
                break
            answer = self.get(answer.location)
        if answer.status != 200:
            raise Stumble(f"{self.name} met {answer.status} at {_short(answer.url)}: {answer.page.text[:200]!r}")
        if to and origin(answer.url) != to:
            raise Stumble(f"{self.name} ended at {_short(answer.url)}, not on {to}")
        return answer

    def cookies(self, url: str) -> str:
        """The Cookie header that the browser would send there."""
        header: str = self.client.build_request("GET", url).headers.get("Cookie", "")
        return header

    def _answer(self, response: httpx.Response) -> Answer:
        url = str(response.url)
        location = response.headers.get("Location", "") if response.is_redirect else ""
        html = "html" in response.headers.get("Content-Type", "")
        page = read(response.text) if html else Page(text=response.text)
        return Answer(url, response.status_code, urljoin(url, location) if location else "", response.headers,
                      response.text, page)  # fmt: skip


def redirected(answer: Answer, *, to: str, path: str = "") -> str:
    """The Location of a redirect that must lead to this origin, and to a path beginning with `path`."""
    if not answer.location:
        said = answer.page.text[:200]
        raise Stumble(f"{_short(answer.url)} answered {answer.status} instead of a redirect: {said!r}")
    if origin(answer.location) != to:
        raise Stumble(f"{_short(answer.url)} leads to {_short(answer.location)}, which is not on {to}")
    if not urlsplit(answer.location).path.startswith(path):
        raise Stumble(f"{_short(answer.url)} leads to {_short(answer.location)} instead of {path}")
    return answer.location


def form_on(answer: Answer, door: str) -> Form:
    """The page's form that leads to a path ending with `door`; a Stumble that names the forms there are."""
    form = answer.page.form(door, at=answer.url)
    if form is None:
        doors = ", ".join(f.action or "(itself)" for f in answer.page.forms) or "none"
        raise Stumble(f"{_short(answer.url)} has no form to {door}; its forms lead to: {doors}")
    return form


def _button(form: Form, press: str) -> Button | None:
    if not press:
        return form.buttons[0] if form.buttons else None
    wanted = press.lower()
    for b in form.buttons:
        if wanted in {b.name.lower(), b.value.lower(), b.label.lower()} or urlsplit(b.formaction).path.endswith(press):
            return b
    return next((b for b in form.buttons if wanted in b.label.lower()), None)


def origin(url: str) -> str:
    """Scheme, host and port, as in an Origin header."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _short(url: str) -> str:
    """An address without its query: codes and states do not belong in a line of output."""
    return url.split("?")[0]

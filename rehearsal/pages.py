"""Takes the HTML of a page, leaves what a person can do on it: its words, its links and its forms.

Only what a browser would act on counts: what stands in a `<template>` is not on the page, a checkbox that is not
ticked is not sent, a button is sent only when it is the one that was pressed.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

UNSEEN = {"script", "style", "head", "noscript"}
VOID = {"input", "br", "img", "hr", "meta", "link", "source", "track", "wbr", "area", "base", "col", "embed"}


@dataclass(frozen=True, slots=True)
class Button:
    """What pressing it adds to the form: a name and a value (both may be empty), and where else it may lead."""

    name: str
    value: str
    label: str
    formaction: str


@dataclass(slots=True)
class Form:
    """A form as it stands on the page: `fields` are sent unless changed, of the buttons only the pressed one."""

    action: str
    method: str
    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Link:
    """A plain `<a href>`: what can be tapped."""

    href: str
    text: str


@dataclass(slots=True)
class Page:
    """A page as a person meets it."""

    title: str = ""
    text: str = ""
    forms: list[Form] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def form(self, door: str, *, at: str) -> Form | None:
        """The first form on the page at `at` that it, or a button of it, sends to a path that ends with `door`."""
        for form in self.forms:
            doors = [urljoin(at, form.action), *(urljoin(at, b.formaction) for b in form.buttons if b.formaction)]
            if any(urlsplit(one).path.endswith(door) for one in doors):
                return form
        return None


def read(html: str) -> Page:
    """What a person can do on this page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.finish()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.words: list[str] = []
        self.unseen = 0
        self.templates = 0
        self.open: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self.elsewhere: list[tuple[str, str, dict[str, str], str]] = []
        self.catching: list[list[str]] = []
        self.link: dict[str, str] | None = None
        self.button: dict[str, str] | None = None
        self.area: dict[str, str] | None = None
        self.select: tuple[dict[str, str], list[tuple[str, bool]]] | None = None
        self.in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {key: value or "" for key, value in attrs}
        if tag == "template":
            self.templates += 1
        if self.templates:
            return
        if tag in UNSEEN:
            self.unseen += 1
        if tag == "title":
            self.in_title = True
            self.catching.append([])
        elif tag == "form":
            form = Form(a.get("action", ""), a.get("method", "get").lower(), a.get("name", ""))
            self.page.forms.append(form)
            self.open.append(form)
            if a.get("id"):
                self.by_id[a["id"]] = form
        elif tag == "input":
            self._input(a)
        elif tag in {"a", "button", "textarea"}:
            self.catching.append([])
            if tag == "a":
                self.link = a
            elif tag == "button":
                self.button = a
            else:
                self.area = a
        elif tag == "select":
            self.select = (a, [])
        elif tag == "option" and self.select is not None:
            self.select[1].append((a.get("value", ""), "selected" in a))
        if tag in VOID or tag in {"p", "div", "li", "tr", "h1", "h2", "h3", "section", "article", "dt", "dd", "td"}:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self.templates = max(0, self.templates - 1)
            return
        if self.templates:
            return
        if tag in UNSEEN:
            self.unseen = max(0, self.unseen - 1)
        if tag == "title" and self.in_title:
            self.in_title = False
            self.page.title = _tidy(self.catching.pop())
        elif tag == "form" and self.open:
            self.open.pop()
        elif tag == "a" and self.link is not None:
            text = _tidy(self.catching.pop())
            if "href" in self.link:
                self.page.links.append(Link(self.link["href"], text))
            self.link = None
        elif tag == "button" and self.button is not None:
            a, self.button = self.button, None
            self._place("button", a, _tidy(self.catching.pop()))
        elif tag == "textarea" and self.area is not None:
            a, self.area = self.area, None
            # A browser drops one newline right after the tag.
            self._place("field", a, "".join(self.catching.pop()).removeprefix("\n"))
        elif tag == "select" and self.select is not None:
            (a, options), self.select = self.select, None
            chosen = [value for value, selected in options if selected] or [value for value, _ in options]
            self._place("select", {**a, "options": "\0".join(v for v, _ in options)}, chosen[0] if chosen else "")

    def handle_data(self, data: str) -> None:
        if self.templates:
            return
        for caught in self.catching:
            caught.append(data)
        if not self.unseen and not self.in_title:
            self.words.append(data)

    def finish(self) -> Page:
        for kind, owner, a, value in self.elsewhere:
            if owner in self.by_id:
                _put(self.by_id[owner], kind, a, value)
        self.page.text = _tidy(self.words)
        return self.page

    def _input(self, a: dict[str, str]) -> None:
        kind = a.get("type", "text").lower()
        if kind in {"submit", "image"}:
            self._place("button", a, a.get("value", ""))
        elif kind == "radio":
            self._place("radio", a, a.get("value", "on"))
        elif kind == "checkbox":
            if "checked" in a:
                self._place("field", a, a.get("value", "on"))
        elif kind not in {"button", "reset", "file"}:
            self._place("field", a, a.get("value", ""))

    def _place(self, kind: str, a: dict[str, str], value: str) -> None:
        """Into its form: the one that `form="id"` names (perhaps further down the page), else the one around it."""
        if a.get("form"):
            self.elsewhere.append((kind, a["form"], a, value))
        elif self.open:
            _put(self.open[-1], kind, a, value)


def _put(form: Form, kind: str, a: dict[str, str], value: str) -> None:
    name = a.get("name", "")
    if kind == "button":
        if a.get("type", "submit").lower() in {"submit", "image"}:
            form.buttons.append(Button(name, a.get("value", ""), value, a.get("formaction", "")))
    elif not name or "disabled" in a:
        return
    elif kind == "radio":
        form.choices.setdefault(name, []).append(value)
        if "checked" in a:
            form.fields[name] = value
    else:
        if kind == "select":
            form.choices[name] = a["options"].split("\0")
        form.fields[name] = value


def _tidy(parts: list[str]) -> str:
    return " ".join("".join(parts).split())

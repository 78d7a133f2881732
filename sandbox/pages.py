"""Takes a person's clicks, leaves the pages on which they tweet, read what was answered and answer messages."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sandbox import examples, messages, posting, session, texts
from sandbox.models import DirectMessage, Person, Post
from sandbox.people import BadHandle, Profile, clean_handle, find, may_message, save_profiles
from sandbox.snowflakes import moment_of

TIMELINE = 50
STATIC = {
    path.name: (path.read_bytes(), {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}[path.suffix])
    for path in (Path(__file__).parent / "static").iterdir()
}
View = Callable[..., HttpResponse]
PersonView = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class ShownPost:
    """A post as a page shows it."""

    id: str
    author: Person
    colour: int
    when: datetime
    pieces: list[texts.Piece]
    answers: str = ""
    answers_id: str = ""
    button: str = ""
    retweet: bool = False


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A direct message as a page shows it."""

    mine: bool
    when: datetime
    pieces: list[texts.Piece]


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation in the inbox."""

    other: Person
    colour: int
    when: datetime
    preview: str
    unread: int


def page(view: PersonView) -> View:
    """A page for somebody: nobody yet is sent to pick who they are, and then back."""

    @never_cache
    @csrf_protect
    @wraps(view)
    def answer(request: HttpRequest, **path: str) -> HttpResponse:
        person = session.person(request)
        if person is None:
            back = request.get_full_path() if request.method == "GET" else "/"
            return redirect("/?" + urlencode({"next": back}))
        return view(request, person, **path)

    return answer


@never_cache
@csrf_protect
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Who am I, the tweet form, the timeline."""
    person = session.person(request)
    if "fragment" in request.GET:
        return _fragment(request, _timeline())
    timeline = _timeline()
    shown = {
        "person": person,
        "people": session.suggestions(),
        "next": request.GET.get("next", ""),
        "error": request.GET.get("error", ""),
        "draft": request.GET.get("draft", ""),
        "timeline": timeline,
        "tag": _tag(timeline),
        "unread": messages.unread(person) if person else 0,
    }
    return render(request, "sandbox/home.html", shown)


@csrf_protect
@require_POST
def login(request: HttpRequest) -> HttpResponse:
    """Act as anybody; an unknown handle is made."""
    try:
        person = session.who(request.POST.get("handle", ""))
    except BadHandle as error:
        return redirect("/?" + urlencode({"error": str(error), "next": request.POST.get("next", "")}))
    return session.begin(HttpResponseRedirect(_back(request)), person)


@csrf_protect
@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Act as nobody."""
    return session.end(HttpResponseRedirect("/"))


@page
@require_POST
def privacy(request: HttpRequest, person: Person) -> HttpResponse:
    """Take messages from anybody, or only from people one wrote to."""
    save_profiles([Profile(person.handle, accepts_dm=request.POST.get("accepts_dm") == "1")])
    return redirect("/")


@page
@require_POST
def tweet(request: HttpRequest, person: Person) -> HttpResponse:
    """Tweet, or answer a tweet. People, unlike apps, may answer anybody."""
    text = request.POST.get("text", "").strip().replace("\r\n", "\n")
    parent = request.POST.get("in_reply_to", "")
    number = int(parent) if parent.isascii() and parent.isdigit() and len(parent) < 20 else None
    back = f"/status/{number}" if number else "/"
    if not text:
        return redirect(f"{back}?{urlencode({'error': 'Write something first.'})}")
    over = texts.weight(texts.wire(text)[0]) - texts.MAX_WEIGHT
    if over > 0:
        return redirect(f"{back}?{urlencode({'error': f'{over} characters too long.', 'draft': text[:1000]})}")
    published = posting.publish([posting.Draft(author=person.handle, text=text, in_reply_to=number)])
    return redirect(back if number else f"/#post-{published[0].post.pk}")


@csrf_protect
@require_POST
def example(request: HttpRequest) -> HttpResponse:
    """Tweet the next example, as its author; nobody's own identity changes by that."""
    authors = {author.handle: author for author in examples.PEOPLE}
    shown = examples.EXAMPLES[_tweeted_examples() % len(examples.EXAMPLES)]
    author = authors[shown.author]
    if find(author.handle) is None:
        save_profiles([Profile(author.handle, author.name, author.accepts_dm)])
    draft = posting.Draft(author=author.handle, text=shown.text, lang=shown.lang)
    published = posting.publish([draft])
    return redirect(f"/#post-{published[0].post.pk}")


@page
@require_GET
def status(request: HttpRequest, person: Person, *, id: str) -> HttpResponse:
    """A post with its replies."""
    post = Post.objects.select_related("author").filter(pk=int(id)).first() if len(id) < 20 else None
    if post is None:
        raise Http404
    replies = _replies(post)
    if "fragment" in request.GET:
        return _fragment(request, replies)
    shown = {
        "person": person,
        "post": _shown([post])[0],
        "timeline": replies,
        "tag": _tag(replies),
        "error": request.GET.get("error", ""),
        "draft": request.GET.get("draft", ""),
        "unread": messages.unread(person),
    }
    return render(request, "sandbox/status.html", shown)


@page
@require_http_methods(["GET", "POST"])
def dms(request: HttpRequest, person: Person) -> HttpResponse:
    """The inbox and one conversation: the one asked for, else the newest. By POST, one more message."""
    if request.method == "POST":
        return _write(request, person)
    threads = _threads(person)
    to = request.GET.get("to", "").removeprefix("@")
    other = find(to) if to else threads[0].other if threads else None
    if to and other is None:
        raise Http404
    if other is not None:
        messages.read(person, other)
        threads = [t if t.other.pk != other.pk else Thread(t.other, t.colour, t.when, t.preview, 0) for t in threads]
    conversation = _conversation(person, other) if other else ""
    if "fragment" in request.GET:
        return _fragment(request, conversation)
    shown = {
        "person": person,
        "threads": threads,
        "other": other,
        "conversation": conversation,
        "tag": _tag(conversation),
        "allowed": other is not None and may_message(person, other),
        "error": request.GET.get("error", ""),
        "unread": messages.unread(person),
    }
    return render(request, "sandbox/dms.html", shown)


@require_GET
def static(request: HttpRequest, *, name: str) -> HttpResponse:
    """The stylesheet and the script."""
    if name not in STATIC:
        raise Http404
    content, kind = STATIC[name]
    return HttpResponse(content, content_type=f"{kind}; charset=utf-8", headers={"Cache-Control": "no-cache"})


def _write(request: HttpRequest, person: Person) -> HttpResponse:
    text = request.POST.get("text", "").strip().replace("\r\n", "\n")
    try:
        to = find(clean_handle(request.POST.get("to", "")))
    except BadHandle:
        to = None
    if to is None:
        return redirect("/dms?" + urlencode({"error": "Nobody here has this handle."}))
    error = ""
    if not 1 <= len(text) <= messages.MAX_LENGTH:
        error = f"Write 1 to {messages.MAX_LENGTH} characters."
    else:
        try:
            messages.send(person, to, text)
        except messages.NotAllowed as refusal:
            error = str(refusal)
    return redirect("/dms?" + urlencode({"to": to.handle} | ({"error": error} if error else {})))


def _timeline() -> str:
    posts = list(Post.objects.select_related("author").order_by("-id")[:TIMELINE])
    return render_to_string("sandbox/_timeline.html", {"posts": _shown(posts), "empty": "Nobody has tweeted yet."})


def _replies(post: Post) -> str:
    posts = list(Post.objects.select_related("author").filter(in_reply_to=post.pk).order_by("id")[:200])
    return render_to_string("sandbox/_timeline.html", {"posts": _shown(posts), "empty": "No replies yet."})


def _shown(posts: list[Post]) -> list[ShownPost]:
    numbers = {number for post in posts for number in (post.in_reply_to_person, post.dm_button) if number}
    handles = {person.pk: person.handle for person in Person.objects.filter(pk__in=numbers)} if numbers else {}
    return [
        ShownPost(
            id=str(post.pk),
            author=post.author,
            colour=post.author.pk % 6,
            when=moment_of(post.pk),
            pieces=texts.pieces(post.text, post.entities),
            answers=handles.get(post.in_reply_to_person or 0, ""),
            answers_id=str(post.in_reply_to or ""),
            button=handles.get(post.dm_button or 0, ""),
            retweet=post.retweet_of is not None,
        )
        for post in posts
    ]


def _threads(person: Person) -> list[Thread]:
    """The newest message of each of a person's conversations, newest first."""
    newest: dict[int, DirectMessage] = {}
    unread: dict[int, int] = {}
    for row in messages.of(person)[:1000]:
        other = row.recipient_id if row.sender_id == person.pk else row.sender_id
        newest.setdefault(other, row)
        if row.recipient_id == person.pk and row.read_at is None:
            unread[other] = unread.get(other, 0) + 1
    return [
        Thread(
            other=row.recipient if row.sender_id == person.pk else row.sender,
            colour=number % 6,
            when=moment_of(row.pk),
            preview=messages.plain(row)[:90],
            unread=unread.get(number, 0),
        )
        for number, row in newest.items()
    ]


def _conversation(person: Person, other: Person) -> str:
    rows = list(messages.between(person, other)[:200])[::-1]
    shown = [
        ShownMessage(row.sender_id == person.pk, moment_of(row.pk), texts.pieces(row.text, row.entities))
        for row in rows
    ]
    return render_to_string("sandbox/_conversation.html", {"messages": shown, "other": other})


def _tweeted_examples() -> int:
    """How many examples were tweeted: it is the next one's turn, also after a restart."""
    handles = [author.handle for author in examples.PEOPLE]
    return Post.objects.filter(author__handle_lower__in=handles, in_reply_to=None).count()


def _fragment(request: HttpRequest, html: str) -> HttpResponse:
    """Only what changes on a page, or 304 when it has not."""
    tag = f'"{_tag(html)}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    return HttpResponse(html, headers={"ETag": tag})


def _tag(html: str) -> str:
    return hashlib.sha256(html.encode()).hexdigest()[:16]


def _back(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/") else "/"

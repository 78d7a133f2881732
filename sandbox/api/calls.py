"""Takes a request to the API, leaves it with the endpoint if X would, or answered with X's refusal.

The order of the checks is X's as far as it is known: token, kind of token, rate limit, scopes, parameters.
"""

import inspect
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from sandbox import bill, clock, grants, limits, refusals
from sandbox.api import problems
from sandbox.api.problems import Problem
from sandbox.limits import Window
from sandbox.models import Person

log = logging.getLogger("sandbox.api")

APP_ONLY = "OAuth 2.0 Application-Only"
USER_CONTEXT = "OAuth 2.0 User Context"
ID = re.compile(r"[0-9]{1,19}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers: JSON, a status, and headers of its own; and what X charges beyond reading it.

    `owned`: the posts are mentions of the account that owns the app, read by that account.
    """

    body: dict[str, Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    charges: tuple[bill.Thing, ...] = ()
    owned: bool = False


@dataclass
class Call:
    """A call that passed the door. `person` is None for the app itself; `query` holds the parameters as sent."""

    request: HttpRequest
    person: Person | None
    scopes: frozenset[str]
    query: dict[str, str]

    @property
    def user(self) -> Person:
        """The person whose token this is; only for endpoints that take nothing else."""
        assert self.person is not None
        return self.person

    def number(self, name: str, *, least: int, most: int, default: int) -> int:
        """A whole number within bounds."""
        value = self.query.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise problems.invalid(
                f"The `{name}` query parameter value [{value}] is not between {least} and {most}", {name: [value]}
            )
        return int(value)

    def snowflake(self, name: str) -> int | None:
        """An id."""
        value = self.query.get(name)
        return None if value is None else post_id(value, name)

    def flag(self, name: str) -> bool:
        """true or false."""
        value = self.query.get(name, "false")
        if value not in ("true", "false"):
            raise problems.invalid(f"The `{name}` query parameter value [{value}] is not a boolean", {name: [value]})
        return value == "true"

    def moment(self, name: str) -> datetime | None:
        """A time in RFC 3339."""
        value = self.query.get(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or "T" not in value:
            raise problems.invalid(
                f"The `{name}` query parameter value [{value}] is not a valid RFC3339 date-time", {name: [value]}
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def choices(self, name: str, allowed: Iterable[str]) -> frozenset[str]:
        """A comma-separated list of known words."""
        value = self.query.get(name)
        if value is None:
            return frozenset()
        chosen = frozenset(value.split(","))
        allowed = list(allowed)
        for word in sorted(chosen - frozenset(allowed)):
            raise problems.invalid(
                f"The `{name}` query parameter value [{word}] is not one of [{','.join(allowed)}]", {name: [word]}
            )
        return chosen

    def ids(self, name: str = "ids") -> list[str]:
        """A required list of 1 to 100 ids."""
        value = self.query.get(name)
        if not value:
            raise problems.invalid(f"The `{name}` query parameter can not be empty", {name: [value or ""]})
        ids = value.split(",")
        if len(ids) > 100:
            raise problems.invalid(
                f"The number of values in the `{name}` query parameter list is not between 1 and 100"
            )
        return [str(post_id(each, name)) for each in ids]

    def body(self, kind: type[T]) -> T:
        """The JSON body as this struct; unknown fields are refused."""
        try:
            return msgspec.json.decode(self.request.body, type=kind)
        except msgspec.ValidationError as error:
            raise problems.invalid(_told(str(error))) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise problems.invalid("The request body is not valid JSON") from error


# One that has to ask somebody else over the network answers later, in the event loop: the database's thread is one.
Outcome = Answer | HttpResponseBase | Awaitable[Answer]
Endpoint = Callable[..., Outcome]


@dataclass(frozen=True)
class Door:
    """An endpoint with its conditions. `user` or `app` empty: that kind of token is not taken."""

    name: str
    run: Endpoint
    user: tuple[Window, ...] = ()
    app: tuple[Window, ...] = ()
    scopes: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()


def endpoint(
    name: str,
    *,
    user: int | tuple[Window, ...] = (),
    app: int | tuple[Window, ...] = (),
    scopes: str = "",
    query: Iterable[str] = (),
) -> Callable[[Endpoint], Door]:
    """Declare an endpoint: calls per 15 minutes (or windows) for users and app, scopes, query parameters."""

    def windows(given: int | tuple[Window, ...]) -> tuple[Window, ...]:
        return (Window(given),) if isinstance(given, int) else given

    def declare(run: Endpoint) -> Door:
        return Door(name, run, windows(user), windows(app), frozenset(scopes.split()), frozenset(query))

    return declare


@dataclass
class _Visit:
    """A request on its way through the door: who it is, and the headers that its answer gets in any case."""

    request: HttpRequest
    door: Door | None
    who: str = "nobody"
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers |= {
            "x-transaction-id": secrets.token_hex(8),
            "api-version": "2.167",
            "Cache-Control": "no-store",
        }

    def run(self, path: dict[str, str]) -> Outcome:
        """Check everything and let the endpoint answer."""
        if self.door is None:
            raise problems.plain(405, "Method Not Allowed")
        self.headers |= _untouched(self.door)
        self.who, person, scopes = _caller(self.request)
        _enter(self.door, self.who, person, self.headers)
        if person is not None and (missing := self.door.scopes - scopes):
            raise problems.forbidden(why=f"the token lacks the scopes {' '.join(sorted(missing))}")
        return self.door.run(Call(self.request, person, scopes, _query(self.request, self.door)), **path)

    def answered(self, outcome: Answer | HttpResponseBase) -> HttpResponseBase:
        """The answer with its headers; what it costs is on the bill before it leaves."""
        if isinstance(outcome, HttpResponseBase):
            return _with(outcome, self.headers)
        assert self.door is not None
        bill.charge([*bill.of_answer(self.door.name, outcome.body, owned=outcome.owned), *outcome.charges])
        return json_answer(outcome.body, status=outcome.status, headers=self.headers | outcome.headers)

    def refused(self, error: Exception) -> HttpResponse:
        """X's refusal; for anything unforeseen the caller gets X's shape and the log the whole story."""
        if isinstance(error, Problem):
            refusals.record(error.status, self.request, error.why, who=self.who)
            status, body = error.status, error.body
        else:
            log.error("500 %s %r by %s", self.request.method, self.request.path, self.who, exc_info=error)
            status, body = 500, problems.plain(500, "Internal Server Error").body
        return json_answer(body, status=status, headers=self.headers, kind="application/problem+json")


def view(**doors: Door) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    """A Django view for one path: a door per HTTP method."""

    def enter(visit: _Visit, path: dict[str, str]) -> HttpResponseBase | Awaitable[Answer]:
        try:
            outcome = visit.run(path)
            return outcome if inspect.isawaitable(outcome) else visit.answered(outcome)
        except Exception as error:
            return visit.refused(error)

    async def wait(visit: _Visit, later: Awaitable[Answer]) -> HttpResponseBase:
        try:
            return visit.answered(await later)
        except Exception as error:
            return visit.refused(error)

    @csrf_exempt
    async def answer(request: HttpRequest, **path: str) -> HttpResponseBase:
        visit = _Visit(request, doors.get(request.method or ""))
        outcome = await sync_to_async(enter)(visit, path)
        return await wait(visit, outcome) if inspect.isawaitable(outcome) else outcome

    return answer


def json_answer(
    body: Any, *, status: int = 200, headers: dict[str, str] | None = None, kind: str = "application/json"
) -> HttpResponse:
    """A JSON answer."""
    return HttpResponse(
        msgspec.json.encode(body), status=status, headers=headers, content_type=f"{kind}; charset=utf-8"
    )


def post_id(value: str, name: str) -> int:
    """An id from a path, query or body; raises the refusal for anything else."""
    if not ID.fullmatch(value) or int(value) >= 2**63:
        raise problems.invalid(
            f"The `{name}` query parameter value [{value}] is not valid: it must match ^[0-9]{{1,19}}$", {name: [value]}
        )
    return int(value)


def _caller(request: HttpRequest) -> tuple[str, Person | None, frozenset[str]]:
    """Who calls: a name for counting and logging, the person (None for the app), the token's scopes."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise problems.unauthorized("there is no bearer token")
    if grants.same(token, settings.SANDBOX_BEARER_TOKEN):
        return "app", None, frozenset()
    found = grants.holder(token)
    if found is None:
        raise problems.unauthorized("the token is unknown, expired or revoked")
    person, scopes = found
    return f"user {person.pk}", person, scopes


def _enter(door: Door, who: str, person: Person | None, headers: dict[str, str]) -> None:
    """Check the kind of token and count the call; the headers get the rate limits."""
    windows = door.app if person is None else door.user
    if not windows:
        supported = [USER_CONTEXT] if person is None else [APP_ONLY]
        raise problems.unsupported_authentication(APP_ONLY if person is None else USER_CONTEXT, supported)
    standing = limits.take(who, door.name, windows)
    headers |= standing.headers
    headers["x-access-level"] = "read" if person is None else "read-write-directmessages"
    if not standing.allowed:
        raise problems.too_many_requests()


def _untouched(door: Door) -> dict[str, str]:
    """The headers for a caller who is not counted, because nobody knows who it is."""
    calls = (door.user or door.app)[0].calls
    reset = str(int(clock.epoch()) + limits.QUARTER)
    return {"x-rate-limit-limit": str(calls), "x-rate-limit-remaining": str(calls), "x-rate-limit-reset": reset}


def _query(request: HttpRequest, door: Door) -> dict[str, str]:
    for name in request.GET:
        if name not in door.query:
            raise problems.invalid(
                f"The query parameter [{name}] is not one of [{','.join(sorted(door.query))}]",
                {name: request.GET.getlist(name)},
            )
    return {name: ",".join(values) for name, values in request.GET.lists()}


def _told(message: str) -> str:
    """A validation message with the path in front, as X's are."""
    told, _, where = message.partition(" - at ")
    return f"{where.strip('`') or '$'}: {told}"


def _with(response: HttpResponseBase, headers: dict[str, str]) -> HttpResponseBase:
    for name, value in headers.items():
        response.headers[name] = value
    return response

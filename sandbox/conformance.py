"""Takes every answer of the API and X's own OpenAPI document, leaves the answer, or a 500 that says where it differs.

Only with SANDBOX_OPENAPI (a path, gzip or plain), which tests set. The document is read strictly: a field that it does
not name may not occur, because it leaves out hardly any and requires hardly any, so that nothing else would find a
misspelt one. What X answers and its document does not know is made up for in GAPS, and nowhere else.
"""

import gzip
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.decorators import async_only_middleware

log = logging.getLogger("sandbox.conformance")

Json = dict[str, Any]
PROBLEMS = "https://api.x.com/2/problems/"
STRING: Json = {"type": "string"}
RATE_LIMITS = ("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset")

# X renamed fields in its document (from the left to the right) before its documentation and streams followed; both are
# answered. An answer in the older names is checked as if it bore the newer ones; one with both is wrong.
NEWER = {
    "edit_history_tweet_ids": "edit_history_post_ids",
    "most_recent_tweet_id": "most_recent_post_id",
    "note_tweet": "note_post",
    "pinned_tweet_id": "pinned_post_id",
    "referenced_tweets": "referenced_posts",
    "retweet_count": "repost_count",
    "tweet_count": "post_count",
}
# Not in the document at all: OAuth is described in X's documentation alone.
NOT_DESCRIBED = re.compile(r"/2/oauth2/(token|revoke)")

Gap = tuple[str, Callable[[Json], None]]
GAPS: list[Gap] = []


class Wrong(Exception):
    """An answer that X's document does not allow; says where, never what was in it."""


class Validator(Protocol):
    """What this uses of jsonschema-rs."""

    def iter_errors(self, instance: Any) -> Any:
        """The errors of this instance."""


class Operation(NamedTuple):
    """A path of the document with one method: its answers by status."""

    method: str
    path: str
    answers: Json
    streams: bool


def gap(reason: str) -> Callable[[Callable[[Json], None]], Callable[[Json], None]]:
    """Declare what the document does not know, and the change that makes up for it."""

    def declare(change: Callable[[Json], None]) -> Callable[[Json], None]:
        GAPS.append((reason, change))
        return change

    return declare


@gap("Problem knows nine types; X's answers and documentation have more, and about:blank where there is none.")
def _types(document: Json) -> None:
    others = ("unsupported-authentication", "client-forbidden", "rate-limit-exceeded", "usage-capped", "rule-cap")
    named = {"title": STRING, "detail": STRING, "status": {"type": "integer"}}
    named["type"] = {"enum": ["about:blank", *(PROBLEMS + name for name in others)]}
    _problem(document, {"required": ["title", "detail", "type"], "properties": named})
    document["components"]["schemas"]["Problem"].pop("discriminator")  # it maps to the nine alone


@gap("Problem does not know a stream that cannot be opened (ConnectionException), nor one that X ends.")
def _connection(document: Json) -> None:
    named = {"title": STRING, "detail": STRING, "connection_issue": STRING, "type": _only("streaming-connection")}
    _problem(document, {"required": ["title", "detail", "connection_issue", "type"], "properties": named})
    named = {"title": STRING, "detail": STRING, "disconnect_type": STRING, "type": _only("operational-disconnect")}
    _problem(document, {"required": ["title", "disconnect_type", "type"], "properties": named})


@gap("InvalidRequestProblem does not know the list `errors`, in which X says what was wrong with which parameter.")
def _reasons(document: Json) -> None:
    reason: Json = {"type": "object", "required": ["message"]}
    lists = {"type": "object", "additionalProperties": {"type": "array", "items": STRING}}
    reason["properties"] = {"message": STRING, "parameters": lists}
    document["components"]["schemas"]["InvalidRequestProblem"]["properties"]["errors"] = {
        "type": "array",
        "items": reason,
    }


@gap("Rules that were not made are told by title and value, without the `detail` that every Problem requires.")
def _rules(document: Json) -> None:
    named = {"title": STRING, "value": STRING, "id": STRING, "details": {"type": "array", "items": STRING}}
    named |= {"type": {"enum": [PROBLEMS + "duplicate-rules", PROBLEMS + "invalid-rules"]}}
    _problem(document, {"required": ["title", "value", "type"], "properties": named})


@gap("UpdateRulesResponse does not say what the summary counts.")
def _summary(document: Json) -> None:
    words = ("created", "not_created", "valid", "invalid", "deleted", "not_deleted")
    meta = document["components"]["schemas"]["UpdateRulesResponse"]["properties"]["meta"]
    meta["properties"]["summary"] = {"type": "object", "properties": {word: {"type": "integer"} for word in words}}


@gap("Adding rules is answered with 201, the document knows 200.")
def _created(document: Json) -> None:
    answers = document["paths"]["/2/tweets/search/stream/rules"]["post"]["responses"]
    answers["201"] = answers["200"]


@gap("GetRulesResponse does not know when the rules were sent (meta.sent).")
def _sent(document: Json) -> None:
    document["components"]["schemas"]["GetRulesResponse"]["properties"]["meta"]["properties"]["sent"] = STRING


@gap("The answers about activity subscriptions do not know `meta`, which the documentation shows.")
def _counted(document: Json) -> None:
    counts = {name: {"type": "integer"} for name in ("total_subscriptions", "result_count")}
    meta = {"type": "object", "properties": counts | {"next_token": STRING, "previous_token": STRING}}
    for name, schema in document["components"]["schemas"].items():
        if "ActivitySubscription" in name and name.endswith("Response"):
            schema["properties"].setdefault("meta", meta)


def _problem(document: Json, shape: Json) -> None:
    document["components"]["schemas"]["Problem"]["oneOf"].append({"type": "object"} | shape)


def _only(name: str) -> Json:
    return {"enum": [PROBLEMS + name]}


class Document:
    """X's document with the gaps filled, read strictly. Each answer's validator is made when it is first needed."""

    def __init__(self, path: Path, gaps: Iterable[Gap] = GAPS) -> None:
        packed = path.read_bytes()
        document: Json = json.loads(gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed)
        for _, change in gaps:
            change(document)
        self.components = strict(document["components"])
        self._operations = [
            (
                re.compile(re.sub(r"\\\{[^/]+\\\}", "[^/]+", re.escape(path))),
                Operation(method.upper(), path, operation["responses"], bool(operation.get("x-twitter-streaming"))),
            )
            for path, methods in sorted(document["paths"].items(), key=lambda item: item[0].count("{"))
            for method, operation in methods.items()
        ]
        self._validator = cache(self._compile)

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation that a call is, the path without parameters first."""
        return next(
            (each for pattern, each in self._operations if each.method == method and pattern.fullmatch(path)), None
        )

    def check(self, operation: Operation, status: int, kind: str, body: bytes) -> None:
        """Raise Wrong when this is no answer of this operation; `kind` is the media type."""
        found = operation.answers.get(str(status)) or operation.answers.get("default" if status >= 400 else "")
        if found is None:
            raise Wrong(f"there is no answer {status}")
        content = found.get("content", {})
        if kind not in content:
            raise Wrong(f"an answer {status} is no {kind or 'nothing'}")
        try:
            answer = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise Wrong("it is no JSON") from error
        renamed = newer(answer)
        for difference in self._validator(json.dumps(strict(content[kind]["schema"]))).iter_errors(renamed):
            where = "/".join(str(step) for step in difference.instance_path)
            raise Wrong(f"{where or 'the whole'}: {difference.message}")

    def _compile(self, schema: str) -> Validator:
        import jsonschema_rs  # only tests have it

        root = {"allOf": [json.loads(schema)], "components": self.components}
        # Messages without values: an answer's texts are nobody's business in a log.
        return jsonschema_rs.Draft4Validator(root, mask="the value")


def strict(schema: Any) -> Any:
    """A schema that allows no field which it does not name; `nullable` becomes what JSON Schema knows."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(each) for name, each in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type", "object") == "object":
        made.setdefault("additionalProperties", False)
    if made.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def newer(answer: Any) -> Any:
    """The answer in the newer vocabulary. Raises Wrong when it mixes both."""
    seen: set[str] = set()

    def rename(value: Any, under: str = "") -> Any:
        if isinstance(value, list):
            return [rename(each, under) for each in value]
        if not isinstance(value, dict):
            return value
        names = {**NEWER, "tweets": "posts"} if under == "includes" else NEWER
        seen.update(f"<{name}" for name in value if name in names)
        seen.update(f">{name}" for name in value if name in names.values())
        return {names.get(name, name): rename(each, name) for name, each in value.items()}

    renamed = rename(answer)
    if len({mark[0] for mark in seen}) > 1:
        raise Wrong(f"it has names of both vocabularies: {', '.join(sorted(name[1:] for name in seen))}")
    return renamed


_unseen: list[str] = []  # what was wrong on a stream, until an answer tells it


@async_only_middleware
def checked(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    """Check every answer under /2/, and every line of a stream."""
    path = Path(settings.SANDBOX_OPENAPI)
    if not path.is_file():
        raise ImproperlyConfigured(f"SANDBOX_OPENAPI names {path}, which is not there: unset it, or name X's document.")
    document = Document(path)

    async def answer(request: HttpRequest) -> HttpResponseBase:
        if _unseen and request.path != "/healthz":  # a stream cannot say it, so the next call does
            return _refused(_unseen.pop())
        response = await get_response(request)
        if not request.path.startswith("/2/") or NOT_DESCRIBED.fullmatch(request.path):
            return response
        try:
            return _fitting(document, request, response)
        except Wrong as wrong:
            return _refused(_tell(request, str(wrong)))

    return answer


def _fitting(document: Document, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The answer itself when it fits; a stream, with its lines checked as they come. Raises Wrong."""
    operation = document.operation(request.method or "", request.path)
    if operation is None:
        if response.status_code not in (404, 405):
            raise Wrong("there is no such operation")
        return response
    if response.status_code < 400 and (missing := [name for name in RATE_LIMITS if name not in response.headers]):
        raise Wrong(f"it lacks the headers {', '.join(missing)}")
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = _lines(document, operation, request, response.streaming_content)
    elif isinstance(response, HttpResponse):
        kind = response.headers.get("Content-Type", "").split(";")[0]
        document.check(operation, response.status_code, kind, response.content)
    return response


async def _lines(document: Document, operation: Operation, request: HttpRequest, chunks: Any) -> AsyncIterator[bytes]:
    """The lines of a stream, up to the first that does not fit."""
    async with aclosing(chunks) as open_chunks:
        async for chunk in open_chunks:
            for line in chunk.splitlines():
                try:
                    if line:
                        document.check(operation, 200, "application/json", line)
                except Wrong as wrong:
                    _unseen.append(_tell(request, f"a line: {wrong}"))
                    return
            yield chunk


def _tell(request: HttpRequest, why: str) -> str:
    """Log what is wrong, and keep it in the file that the tests look into at their end."""
    told = f"{request.method} {request.path}: {why}"
    log.error("Not as X's document says: %s", told)
    if settings.SANDBOX_OPENAPI_REPORT:
        with open(settings.SANDBOX_OPENAPI_REPORT, "a", encoding="utf-8") as report:
            report.write(told + "\n")
    return told


def _refused(why: str) -> HttpResponse:
    body = {"title": "Not as X's document says", "detail": why, "type": "about:blank", "status": 500}
    return HttpResponse(msgspec.json.encode(body), status=500, content_type="application/problem+json; charset=utf-8")

"""Takes rules and a reader, leaves the filtered stream: /2/tweets/search/stream and its rules."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from django.db import transaction
from django.http import HttpResponseBase, StreamingHttpResponse

from sandbox import clock, streaming
from sandbox.api import fields, problems, wire
from sandbox.api.calls import Answer, Call, endpoint, post_id
from sandbox.models import Post, StreamRule
from sandbox.rules import InvalidRule, compile_rule
from sandbox.snowflakes import next_id

MAX_RULES = 1000
Json = dict[str, Any]


@endpoint("tweets/search/stream", app=50, query=("backfill_minutes", "start_time", "end_time", *fields.STREAM_QUERY))
def connect(call: Call) -> HttpResponseBase:
    """Open the one connection; it stays open until the reader goes."""
    wanted = fields.of_stream(call)
    for name in ("backfill_minutes", "start_time", "end_time"):
        if call.query.get(name, "0") != "0":
            raise problems.forbidden(f"{name} is not available to this app.")
    if not streaming.stored_rules():
        raise problems.connection_exception(
            409, "Rules must be configured before connecting.", "RuleConfigurationIssue"
        )

    def render(posts: list[Post]) -> list[Json]:
        return wire.stream_lines(posts, wanted)

    async def open_reader() -> streaming.Reader | None:
        return streaming.hub.open(render, call.request.META.get("REMOTE_ADDR", ""))

    reader = async_to_sync(open_reader)()
    if reader is None:
        raise problems.connection_exception(
            429, "This stream is currently at the maximum allowed connection limit.", "TooManyConnections"
        )
    return StreamingHttpResponse(streaming.lines(reader), content_type="application/json; charset=utf-8")


@endpoint("tweets/search/stream/rules", app=450, query=("ids", "max_results", "pagination_token"))
def rules(call: Call) -> Answer:
    """The stream's rules, all on one page."""
    call.number("max_results", least=1, most=MAX_RULES, default=MAX_RULES)
    ids = call.query["ids"].split(",") if "ids" in call.query else None
    wanted = None if ids is None else frozenset(str(post_id(number, "ids")) for number in ids)
    if "pagination_token" in call.query:
        token = call.query["pagination_token"]
        raise problems.invalid(
            f"The `pagination_token` query parameter value [{token}] is not valid", {"pagination_token": [token]}
        )
    shown = [_rule(row) for row in StreamRule.objects.order_by("id") if wanted is None or str(row.pk) in wanted]
    meta: Json = {"sent": _sent(), "result_count": len(shown)}
    return Answer(({"data": shown} if shown else {}) | {"meta": meta})


class _Add(msgspec.Struct, forbid_unknown_fields=True):
    value: str
    tag: str = ""


class _Delete(msgspec.Struct, forbid_unknown_fields=True):
    ids: list[str] | None = None
    values: list[str] | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    add: list[_Add] | None = None
    delete: _Delete | None = None


@endpoint("POST tweets/search/stream/rules", app=100, query=("dry_run", "delete_all"))
def change(call: Call) -> Answer:
    """Add rules, or delete some; with dry_run only say what would happen."""
    dry = call.flag("dry_run")
    if call.flag("delete_all"):
        return _delete(list(StreamRule.objects.all()), [], dry=dry)
    body = call.body(_Change)
    if (body.add is None) == (body.delete is None):
        raise problems.invalid("$: one of add or delete is required")
    if body.add is not None:
        return _add(body.add, dry=dry)
    assert body.delete is not None
    by, values = ("ids", body.delete.ids) if body.delete.ids is not None else ("values", body.delete.values)
    if not values:
        raise problems.invalid("$.delete: one of ids or values is required")
    column = "pk" if by == "ids" else "value"
    keys: list[Any] = [post_id(value, "delete.ids") for value in values] if by == "ids" else list(values)
    found = list(StreamRule.objects.filter(**{f"{column}__in": keys}))
    known = {str(row.pk) if by == "ids" else row.value for row in found}
    missing = [_no_such_rule(by, value) for value in values if value not in known]
    return _delete(found, missing, dry=dry)


def _add(new: list[_Add], *, dry: bool) -> Answer:
    """Rules that hold are made, the others are listed under `errors`; a rule that exists is not made again."""
    if not new:
        raise problems.invalid("$.add: must hold at least one rule")
    known = dict(StreamRule.objects.values_list("value", "pk"))
    if len(known) + len(new) > MAX_RULES:
        cap: Json = {
            "title": "RulesCapExceeded",
            "detail": f"There are {len(known)} rules; an app can have {MAX_RULES}.",
            "type": problems.TYPES + "rule-cap",
        }
        raise problems.Problem(403, cap)
    rows: list[StreamRule] = []
    errors: list[Json] = []
    for rule in new:
        if rule.value in known:
            errors.append(
                {
                    "value": rule.value,
                    "id": str(known[rule.value]),
                    "title": "DuplicateRule",
                    "type": problems.TYPES + "duplicate-rules",
                }
            )
            continue
        try:
            compile_rule(rule.value)
        except InvalidRule as error:
            errors.append(
                {
                    "value": rule.value,
                    "details": [str(error)],
                    "title": "UnprocessableEntity",
                    "type": problems.TYPES + "invalid-rules",
                }
            )
            continue
        row = StreamRule(id=next_id(), value=rule.value, tag=rule.tag[:255])
        known[rule.value] = row.pk
        rows.append(row)
    if not dry:
        StreamRule.objects.bulk_create(rows)
        streaming.forget_rules()
    summary = {"created": len(rows), "not_created": len(errors), "valid": len(rows), "invalid": len(errors)}
    body: Json = {"meta": {"sent": _sent(), "summary": summary}}
    body |= {"data": [_rule(row) for row in rows]} if rows else {}
    body |= {"errors": errors} if errors else {}
    return Answer(body, status=201 if rows else 200)


def _delete(rows: list[StreamRule], errors: list[Json], *, dry: bool) -> Answer:
    if not dry:
        with transaction.atomic():
            StreamRule.objects.filter(pk__in=[row.pk for row in rows]).delete()
        streaming.forget_rules()
    summary = {"deleted": len(rows), "not_deleted": len(errors)}
    body: Json = {"meta": {"sent": _sent(), "summary": summary}}
    return Answer(body | ({"errors": errors} if errors else {}))


def _no_such_rule(by: str, value: str) -> Json:
    return {
        "errors": [{"parameters": {by: [value]}, "message": "Rule does not exist"}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": problems.TYPES + "invalid-request",
    }


def _rule(row: StreamRule) -> Json:
    return {"id": str(row.pk), "value": row.value} | ({"tag": row.tag} if row.tag else {})


def _sent() -> str:
    return clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

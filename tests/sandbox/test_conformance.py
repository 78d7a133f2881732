"""The sandbox against X's own OpenAPI document: what is generated from it fits, and what does not fit is found.

The document and the recorded answers are not ours to keep: they are read where they lie, cut at run time, and what
needs them is skipped, aloud, where they are not.
"""

import copy
import gzip
import importlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from sandbox.conformance import GAPS, Document, Wrong, newer, strict
from tests.sandbox.conftest import Process, Sandbox, free_port

DOCUMENT = os.environ.get("SANDBOX_OPENAPI", "")
NOT_HERE = "X's OpenAPI document is not here: CITISOCIAL_DATA names the folder that holds x_api_wire/openapi.json.gz"

pytestmark = [
    pytest.mark.skipif(not DOCUMENT, reason=NOT_HERE),
    # The generator costs two seconds to import: one worker pays.
    pytest.mark.xdist_group("conformance"),
]

# The calls that the product uses, and those beside them that the sandbox answers.
USED = {
    "/2/users/me": "get",
    "/2/users/by/username/{username}": "get",
    "/2/users/{id}/mentions": "get",
    "/2/users/{id}": "get",
    "/2/users": "get",
    "/2/tweets/search/recent": "get",
    "/2/tweets/search/stream/rules": "get post",
    "/2/tweets/{id}": "get delete",
    "/2/tweets": "get post",
    "/2/dm_conversations/with/{participant_id}/messages": "post",
    "/2/dm_conversations/with/{participant_id}/dm_events": "get",
    "/2/dm_conversations/{id}/dm_events": "get",
    "/2/dm_events": "get",
    "/2/activity/subscriptions": "get post delete",
    "/2/activity/subscriptions/{subscription_id}": "put delete",
    "/2/webhooks": "get post",
    "/2/webhooks/{webhook_id}": "put delete",
    "/2/webhooks/replay": "post",
    "/2/usage/tweets": "get",
    "/2/connections": "get delete",
    "/2/connections/all": "delete",
    "/2/connections/{endpoint_id}": "delete",
    "/2/compliance/jobs": "get post",
    "/2/compliance/jobs/{id}": "get",
}
CALLS = [(method, path) for path, methods in USED.items() for method in methods.split()]
BY_USER = ("/2/users/me", "/2/dm_")
VALID, INVALID = 5, 3  # examples per call


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    with gzip.open(DOCUMENT) as file:
        return dict(json.load(file))


@pytest.fixture(scope="module")
def subset(document: dict[str, Any]) -> dict[str, Any]:
    """The document cut down to the calls above, with its gaps filled; who calls is left to the test."""
    cut = copy.deepcopy(document)
    for _, fill in GAPS:
        fill(cut)
    paths = {path: {m: cut["paths"][path][m] for m in methods.split()} for path, methods in USED.items()}
    for methods in paths.values():
        for operation in methods.values():
            operation.pop("security", None)
    cut["components"].pop("securitySchemes", None)
    # The document wants the names in a list to be unique; nobody says that X refuses one that comes twice.
    return dict(without({**cut, "paths": paths}, "uniqueItems"))


def without(described: Any, name: str) -> Any:
    """The document without this keyword, wherever it is."""
    if isinstance(described, list):
        return [without(each, name) for each in described]
    if isinstance(described, dict):
        return {key: without(each, name) for key, each in described.items() if key != name}
    return described


def known(operation: dict[str, Any], ids: dict[str, Any]) -> None:
    """Let parameters name what is there: anything else is only ever not found."""
    for parameter in operation.get("parameters", ()):
        if parameter.get("name") in ids:
            parameter["schema"] = {"type": "string", "enum": ids[parameter["name"]]}


@pytest.fixture(scope="module")
def generate() -> Callable[..., list[tuple[bool, Any]]]:
    """generate(document, method, path) -> (is it valid, call): made from the document, the same in every run."""
    schemathesis = importlib.import_module("schemathesis")  # two seconds: only here
    hypothesis = importlib.import_module("hypothesis")
    modes = schemathesis.GenerationMode

    def drawn(strategy: Any, count: int) -> list[Any]:
        made: list[Any] = []

        @hypothesis.seed(20261122)
        @hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=strategy)
        def collect(case: Any) -> None:
            made.append(case)

        with suppress(hypothesis.errors.Unsatisfiable):  # a call without parameters cannot be made wrong
            collect()
        return made

    def calls(described: dict[str, Any], method: str, path: str) -> list[tuple[bool, Any]]:
        operation = schemathesis.openapi.from_dict(described)[path][method.upper()]
        good = drawn(operation.as_strategy(modes.POSITIVE), VALID)
        bad = drawn(operation.as_strategy(modes.NEGATIVE), INVALID)
        return [*((True, case) for case in good), *((False, case) for case in bad)]

    return calls


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_what_is_generated_from_the_document_is_answered_as_it_says(
    sandbox: Sandbox, subset: dict[str, Any], generate: Callable[..., list[Any]], method: str, path: str
) -> None:
    checks = importlib.import_module("schemathesis.specs.openapi.checks")
    server_error = importlib.import_module("schemathesis.checks").not_a_server_error
    people = sandbox.people(AskCiti=True, maya_r=True)
    posts = [sandbox.tweet("maya_r", f"@AskCiti my card {n}")["id"] for n in range(3)]
    posts += [sandbox.tweet("AskCiti", f"Good morning {n}")["id"] for n in range(3)]
    brand = sandbox.user("AskCiti")
    brand.post(f"/2/dm_conversations/with/{people['maya_r']}/messages", json={"text": "Hello"})
    sandbox.rule("card")
    of_posts = path.startswith("/2/tweets")
    there = list(people.values()) if "users" in path else ["-".join(sorted(people.values()))]
    if of_posts:
        there = posts[3:] if method == "delete" else posts
    ids = {
        "id": there,
        "participant_id": list(people.values()),
        "username": list(people),
        "ids": [",".join(posts if of_posts else people.values())],
        "query": ["card", "from:maya_r", "@AskCiti -is:retweet"],
    }
    described = {**subset, "paths": {path: {method: copy.deepcopy(subset["paths"][path][method])}}}
    if "compliance" not in path:
        known(described["paths"][path][method], ids)
    writes = method in {"post", "delete"} and of_posts and "rules" not in path
    caller = brand if writes or path.startswith(BY_USER) else sandbox.app
    expected = [server_error, checks.status_code_conformance, checks.content_type_conformance]
    expected += [checks.response_schema_conformance]
    headers = {"Authorization": caller.headers["Authorization"]}
    newer_names = "PostFieldsParameter" in str(described["paths"][path][method].get("parameters"))
    statuses: list[tuple[bool, int]] = []
    with importlib.import_module("requests").Session() as session:
        session.trust_env = False
        for valid, case in generate(described, method, path):
            if newer_names:  # the vocabulary of the document; without a word of it X answers in the older one
                case.query = {"post.fields": "lang"} | dict(case.query or {})
            answer = case.call(base_url=sandbox.url, session=session, headers=headers)
            case.validate_response(answer, checks=[*expected, *([] if valid else [checks.negative_data_rejection])])
            statuses.append((valid, answer.status_code))

    assert statuses
    assert all(valid or status >= 400 for valid, status in statuses)


@dataclass
class Misled(Process):
    """A sandbox that checks itself against a document which we spoilt."""

    document: Path = Path()

    @property
    def environment(self) -> dict[str, str]:
        report = str(self.document.with_name("report"))
        return super().environment | {"SANDBOX_OPENAPI": str(self.document), "SANDBOX_OPENAPI_REPORT": report}


@pytest.fixture
def misled(
    process: Process, sandbox: Sandbox, document: dict[str, Any], tmp_path: Path
) -> Iterator[tuple[Sandbox, Path]]:
    """The sandbox once more, for which X calls the username a nickname; and its report."""
    spoilt = copy.deepcopy(document)
    properties = spoilt["components"]["schemas"]["User"]["properties"]
    properties["nickname"] = properties.pop("username")
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(spoilt), encoding="utf-8")
    running = Misled(process.database_url, free_port(), tmp_path / "sandbox.log", document=path)
    running.start()
    url = f"http://localhost:{running.port}"
    try:
        with ExitStack() as closing:
            bearer = {"Authorization": sandbox.app.headers["Authorization"]}
            app, anonymous = (
                closing.enter_context(httpx.Client(base_url=url, headers=headers, timeout=5, trust_env=False))
                for headers in (bearer, {})
            )
            yield Sandbox(url, app, anonymous, closing), path.with_name("report")
    finally:
        running.stop(kill=True)


def test_an_answer_or_line_that_the_document_does_not_allow_is_told(misled: tuple[Sandbox, Path]) -> None:
    sandbox, report = misled
    sandbox.rule("card")
    post = sandbox.tweet("maya_r", "my secret card")

    answer = sandbox.app.get("/2/users/by/username/maya_r")
    told = "GET /2/users/by/username/maya_r: data: Additional properties are not allowed ('username' was unexpected)"
    assert (answer.status_code, answer.json()["detail"]) == (500, told)
    assert sandbox.app.get(f"/2/tweets/{post['id']}").status_code == 200  # nothing is wrong with posts

    with sandbox.app.stream("GET", "/2/tweets/search/stream", params={"expansions": "author_id"}) as response:
        lines = response.iter_lines()
        assert next(lines) == ""
        sandbox.tweet("maya_r", "another secret card")
        assert list(lines) == []  # it ends before the line
    after = sandbox.anonymous.get("/")
    assert after.status_code == 500
    assert after.json()["detail"].startswith("GET /2/tweets/search/stream: a line: includes/users/0: ")
    assert sandbox.anonymous.get("/").status_code == 200
    assert report.read_text(encoding="utf-8").splitlines() == [told, after.json()["detail"]]
    assert "secret" not in report.read_text(encoding="utf-8")


def problem(kind: str, **more: Any) -> dict[str, Any]:
    return {"title": "t", "detail": "d", "type": kind if ":" in kind else f"https://api.x.com/2/problems/{kind}"} | more


# What X answers, and its document does not know: (method, path, status, answer) by the gap that makes up for it.
RULES = "/2/tweets/search/stream/rules"
ME = "/2/users/me"
MISSING = {
    "_types": ("GET", ME, 401, problem("about:blank", status=401)),
    "_connection": ("GET", ME, 429, problem("streaming-connection", connection_issue="TooManyConnections")),
    "_reasons": ("GET", ME, 400, problem("invalid-request", errors=[{"message": "m", "parameters": {"a": ["b"]}}])),
    "_rules": (
        "POST",
        RULES,
        200,
        {"errors": [{"value": "v", "title": "t", "type": problem("invalid-rules")["type"]}]},
    ),
    "_created": ("POST", RULES, 201, {"data": [{"id": "1", "value": "v"}]}),
    "_sent": ("GET", RULES, 200, {"meta": {"sent": "2026-11-22T00:00:00.000Z", "result_count": 0}}),
    "_counted": ("GET", "/2/activity/subscriptions", 200, {"data": [], "meta": {"total_subscriptions": 0}}),
}


def check(described: Document, method: str, path: str, status: int, body: Any) -> None:
    operation = described.operation(method, path)
    assert operation is not None
    kind = "application/json" if status < 400 else "application/problem+json"
    described.check(operation, status, kind, json.dumps(body).encode())


def test_every_gap_is_one() -> None:
    """Without it X's own answer would be refused; with it, it is not. One gap only says more than X does."""
    names = {change.__name__ for _, change in GAPS}
    assert names == {*MISSING, "_summary"}
    whole = Document(Path(DOCUMENT))
    for name, sample in MISSING.items():
        check(whole, *sample)
        # Both widen Problem, and its discriminator goes with the first.
        without_it = Document(Path(DOCUMENT), [gap for gap in GAPS if gap[1].__name__ != name])
        with pytest.raises(Wrong):
            check(without_it, *sample)
    with pytest.raises(Wrong):
        check(whole, "POST", RULES, 200, {"meta": {"summary": {"created": "one"}}})


def test_what_x_was_recorded_to_answer_fits() -> None:
    """So the strict reading is not stricter than X."""
    described = Document(Path(DOCUMENT))
    lines = Path(DOCUMENT).with_name("recorded_v2_responses.jsonl").read_text(encoding="utf-8").splitlines()
    checked = 0
    for row in map(json.loads, lines):
        method, url = row["request"].split()[:2]
        path = urlsplit(url).path
        path = re.sub(r":(id|participant_id)", "1072250532645998596", path)
        if described.operation(method, path) is not None:
            check(described, method, path, row.get("status", 201 if method == "POST" else 200), row["body"])
            checked += 1
    assert checked == len(lines)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"data": {"id": 5, "text": "a number for an id"}},
        {"data": {"id": "5", "text": "no time", "created_at": "yesterday"}},
        {"data": {"id": "5", "text": "misspelt", "autor_id": "1"}},
        {"data": {"id": "5", "text": "both", "edit_history_tweet_ids": ["5"], "referenced_posts": []}},
        {"data": [{"id": "5", "text": "a list"}]},
    ],
)
def test_what_does_not_fit_is_found(spoilt: dict[str, Any]) -> None:
    described = Document(Path(DOCUMENT))
    check(described, "GET", "/2/tweets/5", 200, {"data": {"id": "5", "text": "well", "edit_history_tweet_ids": ["5"]}})
    with pytest.raises(Wrong) as wrong:
        check(described, "GET", "/2/tweets/5", 200, spoilt)
    assert str(spoilt["data"]) not in str(wrong.value)


def test_neither_status_kind_nor_call_may_be_another() -> None:
    described = Document(Path(DOCUMENT))
    operation = described.operation("GET", "/2/tweets/search/recent")
    assert operation is not None
    assert operation.path == "/2/tweets/search/recent"
    for status, kind, body in (
        (202, "application/json", b"{}"),
        (200, "text/html", b"{}"),
        (200, "application/json", b"{"),
    ):
        with pytest.raises(Wrong):
            described.check(operation, status, kind, body)
    assert described.operation("PATCH", "/2/tweets/5") is None
    assert newer({"includes": {"tweets": [{"retweet_count": 1}]}}) == {"includes": {"posts": [{"repost_count": 1}]}}
    assert strict({"properties": {}})["additionalProperties"] is False

"""Takes lists of ids, leaves which of them were deleted on X: the jobs, and the two addresses of each.

The addresses cannot be guessed. X's newest documentation also asks for the app's token on them, earlier it did not:
here a token may be there, and must then be the right one.
"""

import re
import secrets
from datetime import timedelta

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sandbox import clock, grants, refusals
from sandbox.models import ComplianceJob, DeletedPost
from sandbox.snowflakes import moment_of, next_id

UPLOAD_WITHIN = timedelta(minutes=15)
KEPT_DAYS = 7
ID = re.compile(r"[0-9]{1,19}")


class Busy(Exception):
    """There is an unfinished job of this type."""


def create(kind: str, name: str) -> ComplianceJob:
    """A job that waits for its ids. Raises Busy."""
    if any(status(job) in ("created", "in_progress") for job in recent(kind)):
        raise Busy(f"There is an unfinished job of the type {kind}: wait until it is complete.")
    upload, download = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    return ComplianceJob.objects.create(
        id=next_id(), type=kind, name=name, upload_token=upload, download_token=download, created_at=clock.now()
    )


def recent(kind: str) -> list[ComplianceJob]:
    """The jobs of a type that X still knows, newest first."""
    since = clock.now() - timedelta(days=KEPT_DAYS)
    return list(ComplianceJob.objects.filter(type=kind, created_at__gt=since).defer("results").order_by("-id"))


def status(job: ComplianceJob) -> str:
    """created, in_progress or complete; expired when nobody uploaded in time."""
    now = clock.now()
    if job.uploaded_at is None:
        return "created" if now < job.created_at + UPLOAD_WITHIN else "expired"
    done = job.uploaded_at + timedelta(seconds=settings.SANDBOX_COMPLIANCE_SECONDS)
    return "in_progress" if now < done else "complete"


@csrf_exempt
@require_http_methods(["PUT"])
def upload(request: HttpRequest, *, token: str) -> HttpResponse:
    """Take a job's ids, one a line, and look them up."""
    if refusal := _refusal(request):
        return refusal
    job = ComplianceJob.objects.filter(upload_token=token).first()
    if job is None:
        return _refuse(request, 404, "There is no such upload.")
    if status(job) != "created":
        return _refuse(request, 403, "This address was used, or its time is over: create another job.")
    try:
        lines = request.body.decode("utf-8", "replace").split("\n")
    except RequestDataTooBig:
        return _refuse(request, 413, "The list is too long: split it.")
    job.results = _results(job.type, [line.strip() for line in lines if line.strip()])
    job.uploaded_at = clock.now()
    job.save(update_fields=["results", "uploaded_at"])
    return HttpResponse(status=200)


@csrf_exempt
@require_http_methods(["GET"])
def download(request: HttpRequest, *, token: str) -> HttpResponse:
    """What a job found: a line of JSON for each id that asks for something to be done."""
    if refusal := _refusal(request):
        return refusal
    job = ComplianceJob.objects.filter(download_token=token).first()
    if job is None or clock.now() > job.created_at + timedelta(days=KEPT_DAYS):
        return _refuse(request, 404, "There is no such download.")
    if status(job) != "complete":
        return _refuse(request, 404, "The job is not complete.")
    return HttpResponse(job.results, content_type="application/x-ndjson; charset=utf-8")


def _results(kind: str, ids: list[str]) -> str:
    """Nobody's account is ever deleted here, so only posts can be gone; an id that never was one is no news."""
    numbers = {int(each) for each in ids if ID.fullmatch(each) and int(each) < 2**63}
    gone = DeletedPost.objects.in_bulk(numbers) if kind == "tweets" and numbers else {}
    lines: list[bytes] = []
    for each in dict.fromkeys(ids):
        if not ID.fullmatch(each):
            lines.append(msgspec.json.encode({"id": each[:100], "error": "invalid_id"}))
        elif row := gone.get(int(each)):
            at = row.deleted_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            made = moment_of(row.pk).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            line = {"id": each, "action": "delete", "created_at": made, "redacted_at": at, "deleted_at": at}
            lines.append(msgspec.json.encode(line | {"reason": "deleted"}))
    return "".join(line.decode() + "\n" for line in lines)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """A token is not asked for, but a wrong one is refused."""
    given = request.headers.get("Authorization", "")
    if not given or grants.same(given.removeprefix("Bearer "), settings.SANDBOX_BEARER_TOKEN):
        return None
    return _refuse(request, 401, "This is not the app's token.")


def _refuse(request: HttpRequest, code: int, why: str) -> HttpResponse:
    # Not the path: it holds the token.
    refusals.log.info("%s %s compliance: %s", code, request.method, why)
    body = {"title": "Refused", "detail": why, "type": "about:blank", "status": code}
    return HttpResponse(msgspec.json.encode(body), status=code, content_type="application/problem+json")

"""Takes calls about compliance jobs, leaves them made or listed: /2/compliance/jobs."""

from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings

from sandbox import compliance
from sandbox.api import problems, wire
from sandbox.api.calls import Answer, Call, endpoint, post_id
from sandbox.models import ComplianceJob

CALLS = 150
FIELDS = (
    "created_at",
    "download_expires_at",
    "download_url",
    "id",
    "name",
    "resumable",
    "status",
    "type",
    "upload_expires_at",
    "upload_url",
)
STATES = ("created", "in_progress", "failed", "complete")
Json = dict[str, Any]


class _New(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    name: str = ""
    resumable: bool = False


@endpoint("POST compliance/jobs", app=CALLS, query=("compliance_job.fields",))
def create(call: Call) -> Answer:
    """A job that waits for its ids; one at a time of each type."""
    new = call.body(_New)
    fields = _fields(call)
    _check_type(new.type)
    if len(new.name) > 64:
        raise problems.invalid("$.name: must be at most 64 characters long", {"name": [new.name]})
    if new.resumable:
        raise problems.invalid("$.resumable: resumable uploads are not available", {"resumable": ["true"]})
    try:
        job = compliance.create(new.type, new.name)
    except compliance.Busy as error:
        raise problems.plain(409, "Conflict", str(error)) from error
    return Answer({"data": _shown(job, fields)})


@endpoint("compliance/jobs", app=CALLS, query=("type", "status", "compliance_job.fields"))
def listing(call: Call) -> Answer:
    """The jobs of the last seven days, newest first."""
    fields = _fields(call)
    kind = call.query.get("type", "")
    _check_type(kind)
    states = call.choices("status", STATES)
    found = [job for job in compliance.recent(kind) if not states or compliance.status(job) in states]
    return Answer({"data": [_shown(job, fields) for job in found], "meta": {"result_count": len(found)}})


@endpoint("compliance/jobs/:id", app=CALLS, query=("compliance_job.fields",))
def by_id(call: Call, *, id: str) -> Answer:
    """One job."""
    fields = _fields(call)
    return Answer({"data": _shown(_existing(id), fields)})


def _check_type(kind: str) -> None:
    if kind not in ("tweets", "users"):
        raise problems.invalid(f"The `type` parameter value [{kind}] is not one of [tweets,users]", {"type": [kind]})


def _fields(call: Call) -> frozenset[str]:
    return call.choices("compliance_job.fields", FIELDS) or frozenset(FIELDS)


def _existing(number: str) -> ComplianceJob:
    job = ComplianceJob.objects.filter(pk=post_id(number, "id")).first()
    if job is None:
        raise problems.plain(404, "Not Found", "There is no such compliance job.")
    return job


def _shown(job: ComplianceJob, fields: frozenset[str]) -> Json:
    shown: Json = {
        "id": str(job.pk),
        "type": job.type,
        "status": compliance.status(job),
        "resumable": False,
        "created_at": wire.timestamp(job.created_at),
        "upload_url": f"{settings.SANDBOX_URL}/compliance/upload/{job.upload_token}",
        "upload_expires_at": wire.timestamp(job.created_at + compliance.UPLOAD_WITHIN),
        "download_url": f"{settings.SANDBOX_URL}/compliance/download/{job.download_token}",
        "download_expires_at": wire.timestamp(job.created_at + timedelta(days=compliance.KEPT_DAYS)),
    }
    shown |= {"name": job.name} if job.name else {}
    return {name: value for name, value in shown.items() if name in fields}

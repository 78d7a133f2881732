"""Takes the posts we keep, leaves those without words that are no longer on the network: once in 20 hours each.

Networks push a deletion only of accounts that we subscribed to, so all posts are named to the network in jobs, one
after the other. The only writer of `ComplianceJob.state`: CREATED → UPLOADED → APPLIED | FAILED. Each look does one
step: the network is called outside any transaction, and a step that was cut off is done again.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet

from citisocial.clock import now
from conversations import credentials, mentions
from conversations.models import BrandAccount, ComplianceJob, Mention
from conversations.networks.base import ComplianceOrder
from conversations.networks.errors import NetworkError

log = logging.getLogger(__name__)
State = ComplianceJob.State

EVERY = timedelta(hours=20)  # X wants deletions honoured within a day
MOST = 100_000  # posts in one job: two megabytes
AT_ONCE = 1_000  # deletions in one transaction
NAMING = timedelta(minutes=15)  # X's address for naming posts is open this long
ANSWERING = timedelta(hours=6)  # a job without an answer after this is begun again
AGAIN = timedelta(minutes=10)  # between a failed job and the next


def look() -> int:
    """Do what is due at each network. Returns how many posts turned out to be gone."""
    slugs = BrandAccount.objects.filter(active=True).order_by("network").values_list("network", flat=True).distinct()
    return sum(_step(slug) for slug in slugs)


def _step(slug: str) -> int:
    job = ComplianceJob.objects.filter(network=slug, state__in=[State.CREATED, State.UPLOADED]).first()
    at = now()
    try:
        if job is None:
            _begin(slug, at)
        elif job.state == State.CREATED:
            _name(job)
        else:
            return _apply(job)
    except NetworkError as error:
        log.warning("%s could not be asked which posts are gone: %s", slug, error)
        patience = NAMING if job and job.state == State.CREATED else ANSWERING
        if job and (error.permanent or job.created_at < at - patience):
            _move(job, State.FAILED)
    return 0


def _begin(slug: str, at: datetime) -> None:
    """Open a job for the next posts, when there are any."""
    after = _due(slug, at)
    if after is None:
        return
    chunk = _public(slug).filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)
    upto = Mention.objects.filter(pk__in=chunk[:MOST]).aggregate(upto=Max("pk"))["upto"]
    if upto is None:
        return
    order = credentials.network(slug).begin_compliance()
    job = ComplianceJob(
        network=slug,
        external_id=order.external_id,
        upload_url=order.upload_url,
        after_pk=after,
        upto_pk=upto,
        created_at=at,
    )
    # Of two workers one may go on; the other one's job runs out at the network unused.
    ComplianceJob.objects.bulk_create([job], ignore_conflicts=True)


def _due(slug: str, at: datetime) -> int | None:
    """After which row the next job begins, or None for not yet.

    A round begins at 0 and goes on, job by job, until every post is named that was there when it began.
    """
    jobs = ComplianceJob.objects.filter(network=slug)
    last = jobs.order_by("pk").last()
    if last is None:
        return 0
    if last.state == State.FAILED:
        return last.after_pk if last.finished_at and last.finished_at < at - AGAIN else None
    began = jobs.filter(after_pk=0, state=State.APPLIED).order_by("pk").last()
    assert began is not None  # no job is begun above 0 before the one from 0 was applied
    if _public(slug).filter(pk__gt=last.upto_pk, ingested_at__lte=began.created_at).exists():
        return last.upto_pk
    return 0 if began.created_at < at - EVERY else None


def _public(slug: str) -> QuerySet[Mention]:
    return Mention.objects.filter(network=slug, kind=Mention.Kind.POST).exclude(state=Mention.State.DELETED)


def _name(job: ComplianceJob) -> None:
    asked = _public(job.network).filter(pk__gt=job.after_pk, pk__lte=job.upto_pk).order_by("pk")
    ids = list(asked.values_list("external_id", flat=True))
    if not ids:  # all of them were deleted meanwhile
        _move(job, State.APPLIED)
        return
    order = ComplianceOrder(external_id=job.external_id, upload_url=job.upload_url)
    credentials.network(job.network).name_posts(order, ids)
    _move(job, State.UPLOADED)


def _apply(job: ComplianceJob) -> int:
    """Delete what is gone, then say so: cut off between the two, the network is asked again and nothing changes."""
    gone = credentials.network(job.network).deleted_posts(job.external_id)
    if gone is None:
        if job.created_at < now() - ANSWERING:
            _move(job, State.FAILED)
        return 0
    deleted = sum(mentions.delete(job.network, gone[start : start + AT_ONCE]) for start in range(0, len(gone), AT_ONCE))
    _move(job, State.APPLIED, deleted=deleted)
    return deleted


def _move(job: ComplianceJob, to: str, *, deleted: int = 0) -> None:
    """From the state that we saw; somebody faster wins. What is over keeps no address."""
    columns: dict[str, object] = {"state": to}
    if to in (State.APPLIED, State.FAILED):
        columns |= {"finished_at": now(), "upload_url": "", "deleted": deleted}
    if not ComplianceJob.objects.filter(pk=job.pk, state=job.state).update(**columns):
        return
    log.info("%s: compliance job %s is %s, %d posts gone", job.network, job.external_id, to, deleted)

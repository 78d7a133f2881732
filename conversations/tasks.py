"""Takes beat's question "is anything waiting?", leaves the rows drained: no task carries work, each may run twice.

An edge nudges a task for speed, after its commit. A broker that is down costs the page some milliseconds and the
row at most beat's next round.
"""

import logging
from collections.abc import Callable

from celery import Task, shared_task
from django.db import transaction

from accounts import agents
from accounts.models import User
from citisocial.clock import now
from conversations import (
    alarms,
    approvals,
    assignment,
    attachments,
    audit,
    callbacks,
    cases,
    compliance,
    delivery,
    details,
    handoff,
    metering,
    notices,
    push,
    seals,
    surveys,
    tickets,
    transfers,
)
from conversations import sweep as sweeping
from conversations import triage as triaging

log = logging.getLogger(__name__)


@shared_task
def sweep() -> None:
    if sweeping.sweep():
        triage()


@shared_task
def keep_subscribed() -> None:
    push.keep_subscribed()


@shared_task
def triage() -> None:
    if triaging.drain():
        assignment.assign_waiting()


@shared_task
def assign() -> None:
    assignment.assign_waiting()


@shared_task
def put_gone_agents_offline() -> None:
    agents.put_gone_offline()


@shared_task
def fall_back() -> None:
    transfers.fall_back()


@shared_task
def introduce() -> None:
    sweeping.introduce()


@shared_task
def deliver() -> None:
    delivery.deliver_waiting()


@shared_task
def look_up_doubtful() -> None:
    delivery.look_up_doubtful()


@shared_task
def expire() -> None:
    handoff.expire()
    surveys.expire()
    details.expire()
    callbacks.tend()
    approvals.tend()
    cases.close_quiet()
    push.forget()
    metering.forget()
    attachments.tidy()
    tickets.forget()


@shared_task
def comply() -> None:
    compliance.look()


@shared_task
def notify() -> None:
    notices.note_absent()
    notices.send_waiting()


@shared_task
def seal_trail() -> None:
    try:
        seals.seal()
    except seals.SealingRests as why:
        alarm_about_trail([str(why)])


@shared_task
def verify_trail() -> None:
    verified()


def verified(progress: Callable[[int, int], None] = lambda done, of: None, *, by: User | None = None) -> seals.Report:
    """Verify the trail, write in it that this was done, and raise the day's alarm when anything is wrong."""
    report = seals.verify(progress)
    data = {"lines": report.lines, "seals": report.seals, "findings": report.found}
    audit.record("trail_verified", user=by, actor="supervisor" if by else "seals", data=data)
    if not report.is_clean:
        alarm_about_trail(report.findings)
    return report


def alarm_about_trail(findings: list[str]) -> None:
    """Once a day, for as long as it is wrong."""
    log.error("the audit trail does not add up: %s", findings[0])
    alarms.raise_once("trail", f"trail:{now():%Y-%m-%d}", data={"findings": findings[:10]})


def nudge(task: "Task[[], None]") -> None:
    """On commit: ask for a look now rather than at beat's next round. Never raises, never waits for long."""

    def send() -> None:
        try:
            task.apply_async(expires=10)
        except Exception as error:  # whatever the broker has: beat asks again anyway
            log.warning("nudge of %s: %s", task.name, error)

    transaction.on_commit(send, robust=True)

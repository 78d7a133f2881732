"""Takes beat's question "is anything waiting?", leaves the rows drained: no task carries work, each may run twice.

An edge nudges a task for speed, after its commit. A broker that is down costs the page some milliseconds and the
row at most beat's next round.
"""

import logging

from celery import Task, shared_task
from django.db import transaction

from conversations import assignment, cases, compliance, delivery, handoff, metering, push, surveys
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
    cases.close_quiet()
    push.forget()
    metering.forget()


@shared_task
def comply() -> None:
    compliance.look()


def nudge(task: "Task[[], None]") -> None:
    """On commit: ask for a look now rather than at beat's next round. Never raises, never waits for long."""

    def send() -> None:
        try:
            task.apply_async(expires=10)
        except Exception as error:  # whatever the broker has: beat asks again anyway
            log.warning("nudge of %s: %s", task.name, error)

    transaction.on_commit(send, robust=True)

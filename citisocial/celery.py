"""Takes the settings, leaves the Celery app and the beat table, in the order of the walk.

Beat only asks "is anything waiting?"; each entry expires after its own interval, so a queue that nobody read
for an hour holds one fresh question, not an hour of stale ones.
"""

import os

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, worker_init, worker_ready
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "citisocial.settings")

app = Celery("citisocial")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def refuse_unsafe(**_: object) -> None:
    """Celery runs no system checks by itself: an unsafe production must not start."""
    from accounts.checks import insist  # here: it needs Django set up

    insist()


@worker_ready.connect
def keep_vigil(**_: object) -> None:
    """Celery's own reconnecting is not to be relied on."""
    from citisocial import vigil  # here: beat and the pages do without the worker's modules

    vigil.keep(app)


def every(seconds: float, task: str) -> dict[str, object]:
    """One line of the beat table."""
    return {"task": f"conversations.tasks.{task}", "schedule": seconds, "options": {"expires": seconds}}


app.conf.beat_schedule = {
    "1 subscribe": every(5, "keep_subscribed"),
    "1 sweep": every(settings.SWEEP_SECONDS, "sweep"),
    "2 triage": every(2, "triage"),
    "3 assign": every(2, "assign"),
    "3 fall back": every(5, "fall_back"),
    "3 gone": every(30, "put_gone_agents_offline"),
    "4 introduce": every(15, "introduce"),
    "4 deliver": every(2, "deliver"),
    "5 look up": every(15, "look_up_doubtful"),
    "6 expire": every(60, "expire"),
    "7 comply": every(60, "comply"),
    "7 notify": every(15, "notify"),
    "8 seal": every(2, "seal_trail"),
    "8 verify": every(3600, "verify_trail") | {"schedule": crontab(hour="3", minute="17")},
}

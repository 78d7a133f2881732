"""Takes a number of days, leaves how many posts were read on each: GET /2/usage/tweets, from the bill."""

from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings

from sandbox import bill, clock
from sandbox.api import wire
from sandbox.api.calls import Answer, Call, endpoint

FIELDS = (
    "cap_reset_day",
    "daily_client_app_usage",
    "daily_project_usage",
    "project_cap",
    "project_id",
    "project_usage",
)
CAP = 3_000_000
PROJECT = "1"


@endpoint("usage/tweets", app=50, query=("days", "usage.fields"))
def tweets(call: Call) -> Answer:
    """Posts read, by UTC day; days without any are absent."""
    days = call.number("days", least=1, most=90, default=7)
    wanted = call.choices("usage.fields", FIELDS) or frozenset(FIELDS)
    today = clock.now().date()
    counts = bill.posts_by_day(today - timedelta(days=days - 1))
    usage = [{"date": wire.timestamp(datetime.combine(day, time())), "usage": str(n)} for day, n in counts.items()]
    month = bill.posts_by_day(today.replace(day=1))
    told: dict[str, Any] = {
        "cap_reset_day": 1,
        "project_cap": str(CAP),
        "project_id": PROJECT,
        "project_usage": str(sum(month.values())),
        "daily_project_usage": {"project_id": PROJECT, "usage": usage},
        "daily_client_app_usage": [
            {"client_app_id": settings.SANDBOX_CLIENT_ID, "usage": usage, "usage_result_count": len(usage)}
        ],
    }
    return Answer({"data": {name: value for name, value in told.items() if name in wanted}})

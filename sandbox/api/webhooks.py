"""Takes addresses, leaves webhooks that proved themselves: /2/webhooks."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings

from sandbox import activity, challenge, clock, webhooks
from sandbox.api import problems, wire
from sandbox.api.calls import Answer, Call, endpoint, post_id
from sandbox.courier import courier
from sandbox.models import Webhook
from sandbox.snowflakes import next_id

CALLS = 450
FIELDS = ("created_at", "id", "url", "valid")
MINUTE = re.compile(r"[0-9]{12}")
Json = dict[str, Any]


class _New(msgspec.Struct):
    url: str


class _Replay(msgspec.Struct):
    webhook_id: str
    from_date: str
    to_date: str


@endpoint("POST webhooks", app=CALLS)
async def create(call: Call) -> Answer:
    """Take an address, if it answers the challenge."""
    url = await sync_to_async(_acceptable)(call)
    if not await challenge.proves_itself(url, settings.SANDBOX_CONSUMER_SECRET):
        raise _failed("CrcValidationFailed", "the URL did not answer the challenge as it must", url)
    row = await sync_to_async(webhooks.add)(url)
    return Answer({"data": _shown(row, frozenset(FIELDS))})


@endpoint("webhooks", app=CALLS, query=("webhook_config.fields",))
def listing(call: Call) -> Answer:
    """The app's webhooks."""
    fields = call.choices("webhook_config.fields", FIELDS) or frozenset(FIELDS)
    shown = [_shown(row, fields) for row in Webhook.objects.order_by("id")]
    return Answer({"data": shown, "meta": {"result_count": len(shown)}})


@endpoint("PUT webhooks/:id", app=CALLS)
async def validate(call: Call, *, id: str) -> Answer:
    """Let an address prove itself again; events flow again when it does."""
    row = await sync_to_async(_existing)(id)
    valid = await challenge.proves_itself(row.url, settings.SANDBOX_CONSUMER_SECRET)
    await sync_to_async(webhooks.checked)(row.pk, valid=valid)
    if not valid:
        raise _failed("CrcValidationFailed", "the URL did not answer the challenge as it must", row.url)
    return Answer({"data": {"valid": True}})


@endpoint("DELETE webhooks/:id", app=CALLS)
def delete(call: Call, *, id: str) -> Answer:
    """Forget an address; its subscriptions stay, delivered nowhere."""
    _existing(id).delete()
    webhooks.forget()
    webhooks.hooks()
    activity.forget()
    return Answer({"data": {"deleted": True}})


@endpoint("POST webhooks/replay", app=100)
def replay(call: Call) -> Answer:
    """Send the events of a stretch of time again, as far as they are remembered."""
    wanted = call.body(_Replay)
    row = _existing(wanted.webhook_id)
    start, end = _minute("from_date", wanted.from_date), _minute("to_date", wanted.to_date)
    activity.replay(row.pk, [one for one in list(courier.log) if start <= one.at < end])
    return Answer({"data": {"job_id": str(next_id()), "created_at": wire.timestamp(clock.now())}})


def _acceptable(call: Call) -> str:
    """The URL of the body, unless X refuses it unasked."""
    url = call.body(_New).url
    if wrong := challenge.wrong_with(url, local=settings.SANDBOX_WEBHOOK_LOCAL):
        raise _failed("UrlValidationFailed", wrong, url)
    if Webhook.objects.filter(url=url).exists():
        raise _failed("DuplicateUrlFailed", "there is a webhook with this URL", url)
    if Webhook.objects.count() >= webhooks.MAX_WEBHOOKS:
        raise _failed("WebhookLimitExceeded", f"the app can have {webhooks.MAX_WEBHOOKS}", url)
    return url


def _existing(number: str) -> Webhook:
    row = Webhook.objects.filter(pk=post_id(number, "webhook_id")).first()
    if row is None:
        raise problems.invalid("WebhookIdInvalid: there is no such webhook.", {"webhook_id": [number]})
    return row


def _failed(reason: str, why: str, url: str) -> problems.Problem:
    return problems.invalid(f"{reason}: {why}.", {"url": [url]})


def _minute(name: str, value: str) -> datetime:
    try:
        if MINUTE.fullmatch(value):
            return datetime.strptime(value, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        pass
    raise problems.invalid(f"$.{name}: must be a minute as YYYYMMDDHHmm", {name: [value]})


def _shown(row: Webhook, fields: frozenset[str]) -> Json:
    shown: Json = {
        "id": str(row.pk),
        "url": row.url,
        "valid": row.valid,
        "created_at": wire.timestamp(row.created_at),
    }
    return {name: value for name, value in shown.items() if name in fields}

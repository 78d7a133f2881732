"""Takes what must stand at X for us to be told things (webhook, subscriptions, jobs), leaves it standing.

Every call here may be repeated: it looks first, and makes only what is missing.
"""

import logging
from urllib.parse import urlsplit

from conversations.networks.base import Account, ComplianceOrder
from conversations.networks.errors import NetworkError, RateLimited, Refused, Unavailable
from conversations.networks.http import Answer
from conversations.networks.x import wire
from conversations.networks.x.client import Client, read
from conversations.networks.x.problems import Doing

log = logging.getLogger(__name__)

# What a care account is told of. All are subscribed with its own token: all of them are private in X's newest words.
EVENTS = ("post.mention.create", "dm.received", "dm.sent", "chat.received", "oauth.revoke")
MOST_PAGES = 20  # of our subscriptions; self-serve has at most 1,500
BUSY = 900.0  # seconds until a job that is in our way is looked at again

_PROOF = (
    "X asked our webhook for a proof and did not get it. Check X_CONSUMER_SECRET, and that the site's address can be "
    "reached from the internet over https."
)
_ADDRESS = (
    "X refuses the address of our webhook. It must begin with https, name no port and have at most 200 characters: "
    "check SITE_URL."
)


def keep_webhook(client: Client, url: str) -> str:
    """The id of the webhook at this address: found, checked again, or made."""
    hooks = _webhooks(client)
    found = next((hook for hook in hooks if hook.url == url), None)
    if found is not None:
        if not found.valid and not _answers(client, found):
            raise Refused("invalid", _PROOF)
        return found.id
    answer = client.send("POST", "/2/webhooks", json={"url": url}, doing=Doing.SETTING)
    if "webhooklimitexceeded" in wire.problem(answer.body).words and _make_room(client, hooks):
        answer = client.send("POST", "/2/webhooks", json={"url": url}, doing=Doing.SETTING)
    if not 200 <= answer.status < 300:
        raise _refused(answer)
    return read(answer, wire.OneWebhook).data.id


def _webhooks(client: Client) -> list[wire.Webhook]:
    return wire.items(read(client.call("GET", "/2/webhooks"), wire.Listing).data, wire.Webhook)


def _answers(client: Client, hook: wire.Webhook) -> bool:
    """Have X ask the webhook for its proof, now."""
    answer = client.send("PUT", f"/2/webhooks/{hook.id}", doing=Doing.SETTING)
    if answer.status == 400:
        return False
    checked = read(client.good(answer, Doing.SETTING), wire.WebhookChecked)
    return checked.data is not None and checked.data.valid


def _make_room(client: Client, hooks: list[wire.Webhook]) -> bool:
    """Delete webhooks at which nobody proves to be us any more: a site that moved leaves one behind."""
    dead = [hook for hook in hooks if not _answers(client, hook)]
    for hook in dead:
        log.warning("X's webhook at %s answers no more: deleted", urlsplit(hook.url).hostname)
        client.call("DELETE", f"/2/webhooks/{hook.id}", doing=Doing.SETTING)
    return bool(dead)


def _refused(answer: Answer) -> NetworkError:
    words = wire.problem(answer.body).words
    if "urlvalidationfailed" in words:
        return Refused("invalid", _ADDRESS)
    if "crcvalidationfailed" in words:
        return Refused("invalid", _PROOF)
    if "webhooklimitexceeded" in words:
        return Refused(
            "invalid",
            "X allows this app no further webhook, and another site answers at the one it has. Delete that one in X's "
            "developer console, or use an app of its own for each site.",
        )
    if "duplicateurlfailed" in words:
        return Unavailable("X has this webhook and does not show it. Wait: it is tried again.")
    return client_error(answer)


def client_error(answer: Answer) -> NetworkError:
    try:
        Client.good(answer, Doing.SETTING)
    except NetworkError as error:
        return error
    return Unavailable("X sent an answer that cannot be read. Wait: it is tried again.")


def keep_subscriptions(client: Client, account: Account, *, webhook_id: str) -> int:
    """Subscribe what is missing for the account, bring to our webhook what goes elsewhere; how many were missing."""
    there = {
        found.event_type: found
        for found in _subscriptions(client)
        if found.filter and str(found.filter.user_id) == account.external_id
    }
    made = 0
    for event_type in EVENTS:
        found = there.get(event_type)
        if found is None:
            made += _subscribe(client, account, event_type, webhook_id)
        elif found.webhook_id != webhook_id:
            path = f"/2/activity/subscriptions/{found.subscription_id}"
            body = {"webhook_id": webhook_id}
            client.call("PUT", path, json=body, token=account.access_token, doing=Doing.SETTING)
    return made


def _subscriptions(client: Client) -> list[wire.Subscription]:
    found: list[wire.Subscription] = []
    page: str | None = None
    for _ in range(MOST_PAGES):
        params = {"max_results": "100"} | ({"pagination_token": page} if page else {})
        listing = read(client.call("GET", "/2/activity/subscriptions", params=params), wire.Listing)
        found += wire.items(listing.data, wire.Subscription)
        page = listing.meta.next_token if listing.meta else None
        if not page:
            break
    return found


def _subscribe(client: Client, account: Account, event_type: str, webhook_id: str) -> int:
    body = {
        "event_type": event_type,
        "filter": {"user_id": account.external_id},
        "tag": event_type.replace(".", "-"),
        "webhook_id": webhook_id,
    }
    answer = client.send(
        "POST", "/2/activity/subscriptions", json=body, token=account.access_token, doing=Doing.SETTING
    )
    words = wire.problem(answer.body).words
    if answer.status in {400, 409} and "duplicatesubscription" in words.replace(" ", ""):
        return 0  # another process of ours was faster, or it stands under a filter that X spells differently
    if answer.status == 400 and event_type == "oauth.revoke":
        # Told of in X's prose, absent from its OpenAPI document. Without it a withdrawn permission is seen at the
        # next call instead.
        log.info("X does not offer %s to this app", event_type)
        return 0
    client.good(answer, Doing.SETTING)
    return 1


def free_stream(client: Client) -> None:
    """Close every connection that X counts for our stream; that there is none is as good."""
    answer = client.send("DELETE", "/2/connections/filtered_stream", doing=Doing.SETTING)
    if answer.status != 404:
        client.good(answer, Doing.SETTING)


def begin_compliance(client: Client) -> ComplianceOrder:
    """A new question about posts; or the one that is open and about which nothing was said yet."""
    answer = client.send("POST", "/2/compliance/jobs", json={"type": "tweets"}, doing=Doing.SETTING)
    if answer.status != 409:
        job = read(client.good(answer, Doing.SETTING), wire.OneComplianceJob).data
        return ComplianceOrder(job.id, job.upload_url)
    listing = read(
        client.call("GET", "/2/compliance/jobs", params={"type": "tweets", "status": "created"}), wire.Listing
    )
    for job in wire.items(listing.data, wire.ComplianceJob):
        if job.status == "created" and job.upload_url:
            return ComplianceOrder(job.id, job.upload_url)
    raise RateLimited("X is still at work on an earlier question about deleted posts.", retry_after=BUSY)


def name_posts(client: Client, order: ComplianceOrder, ids: list[str]) -> None:
    client.upload(order.upload_url, "".join(f"{external_id}\n" for external_id in ids).encode())


def deleted_posts(client: Client, job_id: str) -> list[str] | None:
    job = read(client.call("GET", f"/2/compliance/jobs/{job_id}"), wire.OneComplianceJob).data
    if job.status in {"failed", "expired"}:
        raise Refused("gone", f"X gave up the question about deleted posts ({job.status}). It is asked anew.")
    if job.status != "complete":
        return None
    found: list[str] = []
    for line in client.download(job.download_url).split(b"\n"):
        if not line.strip():
            continue
        try:
            said = wire.decode(line, wire.ComplianceLine)
        except wire.BadAnswer:
            continue  # about a line of ours that was no id
        if said.action == "delete":
            found.append(said.id)
    return found

"""Takes calls about open streams, leaves them listed or ended: /2/connections, for a slot that is stuck."""

from typing import Any

import msgspec

from sandbox import streaming
from sandbox.api import problems, wire
from sandbox.api.calls import Answer, Call, endpoint
from sandbox.streaming import Reader

FILTERED = "filtered_stream"
_STREAMS = (
    f"{FILTERED} sample_stream sample10_stream firehose_stream tweets_compliance_stream users_compliance_stream "
    "tweet_label_stream firehose_stream_lang_en firehose_stream_lang_ja firehose_stream_lang_ko "
    "firehose_stream_lang_pt likes_firehose_stream likes_sample10_stream likes_compliance_stream"
).split()
FIELDS = ("client_ip", "connected_at", "disconnect_reason", "disconnected_at", "endpoint_name", "id")
CALLS = 25
Json = dict[str, Any]


class _Several(msgspec.Struct, forbid_unknown_fields=True):
    uuids: list[str]


@endpoint(
    "connections", app=CALLS, query=("status", "endpoints", "max_results", "pagination_token", "connection.fields")
)
def listing(call: Call) -> Answer:
    """The connections that are open, or were."""
    status = call.query.get("status", "active")
    if status not in ("active", "inactive", "all"):
        raise problems.invalid(
            f"The `status` query parameter value [{status}] is not one of them", {"status": [status]}
        )
    endpoints = call.choices("endpoints", _STREAMS)
    fields = call.choices("connection.fields", FIELDS) or frozenset(FIELDS)
    most = call.number("max_results", least=1, most=100, default=10)
    readers = list(streaming.hub.history) if not endpoints or FILTERED in endpoints else []
    chosen = [each for each in readers if status == "all" or (each.disconnected_at is None) == (status == "active")]
    shown = [_shown(reader, fields) for reader in chosen[:most]]
    return Answer({"data": shown, "meta": {"result_count": len(shown)}})


@endpoint("DELETE connections", app=CALLS)
def end_several(call: Call) -> Answer:
    """End the connections with these ids."""
    wanted = call.body(_Several).uuids
    if not 1 <= len(wanted) <= 100:
        raise problems.invalid("$.uuids: must hold 1 to 100 ids", {"uuids": wanted[:100]})
    active = {reader.id for reader in streaming.hub.history if reader.disconnected_at is None}
    ended = _end() if active & set(wanted) else []
    return _answer(ended, [each for each in wanted if each not in active])


@endpoint("DELETE connections/:endpoint_id", app=CALLS)
def end_kind(call: Call, *, endpoint_id: str) -> Answer:
    """End all connections of one kind of stream; there is one kind here."""
    if endpoint_id not in _STREAMS:
        raise problems.invalid(
            f"The `endpoint_id` path parameter value [{endpoint_id}] is not one of [{','.join(_STREAMS)}]",
            {"endpoint_id": [endpoint_id]},
        )
    return _answer(_end() if endpoint_id == FILTERED else [], [])


@endpoint("DELETE connections/all", app=CALLS)
def end_all(call: Call) -> Answer:
    """End every connection."""
    return _answer(_end(), [])


def _end() -> list[str]:
    ended = streaming.hub.drop("terminated by request")
    return [ended] if ended else []


def _answer(ended: list[str], unknown: list[str]) -> Answer:
    results: list[Json] = [{"uuid": each, "success": True} for each in ended]
    results += [{"uuid": each, "success": False, "error_message": "Connection not found"} for each in unknown]
    return Answer({"data": {"successful_kills": len(ended), "failed_kills": len(unknown), "results": results}})


def _shown(reader: Reader, fields: frozenset[str]) -> Json:
    shown: Json = {
        "id": reader.id,
        "endpoint_name": FILTERED,
        "connected_at": wire.timestamp(reader.connected_at),
        "client_ip": reader.client_ip,
    }
    if reader.disconnected_at is not None:
        shown |= {
            "disconnected_at": wire.timestamp(reader.disconnected_at),
            "disconnect_reason": reader.disconnect_reason,
        }
    return {name: value for name, value in shown.items() if name in fields}

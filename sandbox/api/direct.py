"""Takes calls about direct messages, leaves them sent or listed: /2/dm_conversations and /2/dm_events."""

import re
from datetime import timedelta
from typing import Any

import msgspec
from django.db.models import QuerySet

from sandbox import clock, messages, people
from sandbox.api import fields, pages, problems, wire
from sandbox.api.calls import Answer, Call, endpoint, post_id
from sandbox.limits import DAY, Window
from sandbox.models import DirectMessage, Person
from sandbox.snowflakes import id_at

READ = "dm.read tweet.read users.read"
QUERY = ("event_types", "max_results", "pagination_token", *fields.DM_QUERY)
KEPT_DAYS = 30
NO_PERMISSION = "You do not have permission to DM one or more participants."
SENDING = (
    Window(15),
    Window(1440, DAY, header="x-user-limit-24hour"),
    Window(1440, DAY, header="x-app-limit-24hour", shared=True),
)


class _New(msgspec.Struct, forbid_unknown_fields=True):
    text: str | None = None
    attachments: list[Any] | None = None


@endpoint("POST dm_conversations/with/:id/messages", user=SENDING, scopes="dm.write tweet.read users.read")
def send(call: Call, *, participant_id: str) -> Answer:
    """Write to one person."""
    number = post_id(participant_id, "participant_id")
    new = call.body(_New)
    if new.attachments is not None:
        raise problems.forbidden("You are not permitted to attach this media to a DM event.")
    if not new.text:
        raise problems.invalid("$.text: one of text or attachments is required", {"text": [new.text or ""]})
    if len(new.text) > messages.MAX_LENGTH:
        raise problems.invalid(f"$.text: must be at most {messages.MAX_LENGTH} characters long, the text is too long")
    recipient = Person.objects.filter(pk=number).first()
    if recipient is None:
        raise problems.invalid(f"The participant [{number}] does not exist", {"participant_id": [participant_id]})
    try:
        event = messages.send(call.user, recipient, new.text)
    except messages.NotAllowed as error:
        raise problems.forbidden(NO_PERMISSION, why=str(error)) from error
    conversation = people.conversation(call.user.pk, recipient.pk)
    return Answer(
        {"data": {"dm_conversation_id": conversation, "dm_event_id": str(event.pk)}},
        status=201,
        headers={"Location": f"https://api.x.com/2/dm_events/{event.pk}"},
        charges=(("dm_create", event.pk),),
    )


@endpoint("dm_events", user=15, scopes=READ, query=QUERY)
def events(call: Call) -> Answer:
    """All messages of the last 30 days, newest first."""
    return _listing(call, messages.of(call.user))


@endpoint("dm_conversations/with/:id/dm_events", user=15, scopes=READ, query=QUERY)
def events_with(call: Call, *, participant_id: str) -> Answer:
    """The messages with one person."""
    return _listing(call, messages.between(call.user, post_id(participant_id, "participant_id")))


@endpoint("dm_conversations/:id/dm_events", user=15, scopes=READ, query=QUERY)
def events_of(call: Call, *, id: str) -> Answer:
    """The messages of a conversation, which must be one of the caller's own."""
    if not re.fullmatch(r"[0-9]{1,19}-[0-9]{1,19}|[0-9]{15,19}", id):
        raise problems.invalid(f"The `id` query parameter value [{id}] is not a conversation id", {"id": [id]})
    one, _, other = id.partition("-")
    if str(call.user.pk) not in (one, other) or not other:
        raise problems.forbidden("You are not a participant of this conversation.")
    return _listing(call, messages.between(call.user, int(other if one == str(call.user.pk) else one)))


def _listing(call: Call, rows: QuerySet[DirectMessage]) -> Answer:
    wanted = fields.of_messages(call)
    kinds = call.choices("event_types", ("MessageCreate", "ParticipantsJoin", "ParticipantsLeave"))
    most = call.number("max_results", least=1, most=100, default=100)
    rows = rows.filter(pk__gt=id_at(clock.now() - timedelta(days=KEPT_DAYS)))
    if (before := pages.before(call, "pagination_token")) is not None:
        rows = rows.filter(pk__lt=before)
    # Conversations of two have no joining and leaving, so there is one kind of event.
    found = list(rows[: most + 1]) if not kinds or "MessageCreate" in kinds else []
    shown = found[:most]
    meta: dict[str, Any] = {"result_count": len(shown)}
    if len(found) > most:
        meta["next_token"] = pages.token(shown[-1].pk)
    if not shown:
        return Answer({"meta": meta})
    data, includes = wire.events_answer(shown, wanted, viewer=call.user)
    return Answer({"data": data, "meta": meta} | ({"includes": includes} if includes else {}))

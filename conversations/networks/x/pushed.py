"""Takes the bytes X pushes, leaves typed structs: the envelope of its Activity API, and what may be in it."""

import msgspec

from conversations.networks.x.wire import Entities, Filter, User


class Pushed(msgspec.Struct, frozen=True):
    """One event of X's Activity API; what the payload is, the type says."""

    event_type: str = ""
    event_uuid: str | int | None = None
    filter: Filter | None = None
    payload: msgspec.Raw = msgspec.Raw()
    includes: msgspec.Raw = msgspec.Raw()


class Envelope(msgspec.Struct, frozen=True):
    data: Pushed


class MessageData(msgspec.Struct, frozen=True):
    text: str = ""
    entities: Entities | None = None  # its links stand there as in version 2


class MessageTarget(msgspec.Struct, frozen=True):
    recipient_id: str = ""


class MessageCreate(msgspec.Struct, frozen=True):
    sender_id: str
    target: MessageTarget | None = None
    message_data: MessageData | None = None


class PushedMessage(msgspec.Struct, frozen=True):
    """A direct message as version 1.1 of the API wrote it, which is how the Activity API still pushes it."""

    id: str
    created_timestamp: str | int | None = None
    message_create: MessageCreate | None = None


class PushedMessages(msgspec.Struct, frozen=True):
    direct_message_events: list[msgspec.Raw] | None = None
    users: dict[str, msgspec.Raw] | None = None


class SealedMessage(msgspec.Struct, frozen=True):
    """An encrypted message, of which we read no more than whose it is and when it came."""

    id: str
    sender_id: str
    conversation_id: str | None = None
    created_at_msec: str | int | None = None


class WrappedUser(msgspec.Struct, frozen=True):
    data: User | None = None


class Gone(msgspec.Struct, frozen=True):
    id: str = ""
    user_id: str | int | None = None

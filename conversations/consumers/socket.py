"""Takes a handshake, leaves a socket that is let in, limited, watched, and told what happens in its rooms.

Channels routes and gives the class, a ticket authenticates. Channels' own way of carrying hops to a thread before each
event and starts a task for it. Here one loop takes what the client says, one after the other, and one carrier takes
what the hub brings; only the carrier sends what has an order.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import factors
from accounts.models import User
from conversations import tickets
from conversations.errors import ConversationError, SignedOut
from conversations.realtime import frames
from conversations.realtime.hub import Seat, Word, hub
from conversations.realtime.limits import WINDOW, Rate, doors
from conversations.standing import Sitting
from conversations.tickets import Guest
from conversations.watch import REFUSED, SIGNED_OUT, watch

T = TypeVar("T")
log = logging.getLogger(__name__)
END_WITHIN = 5.0  # seconds for a goodbye
TOO_BIG, TOO_MANY, BROKEN, RESTART = 1009, 4408, 1011, 1012
RESUME = "resume"  # to our own seat: the client said where it stands


def code_of(error: ConversationError) -> int:
    """How a socket is closed whose person may be here no longer."""
    return SIGNED_OUT if isinstance(error, SignedOut) else REFUSED


class Socket(AsyncWebsocketConsumer):
    """What all sockets do alike. A kind says who may enter, which rooms it sits in, and what it makes of words."""

    sitting: Sitting
    seq: int | None = None  # of a case: the last message that was carried; None until the client said where it stands
    begun = sent = 0  # frames; one more begun than sent: the client is taking one (see conversations.watch)
    heard_at = 0.0
    asked: Any = None  # where the client last said it stands, until the carrier comes to it
    carrier: asyncio.Task[None] | None = None
    entered: tuple[int, str] | None = None  # as `limits.doors` counts it

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The socket's life. Channels' own would add a channel layer and a task for every event."""
        self.scope, self.base_send, self.seat = scope, send, Seat()
        self.clock = asyncio.get_running_loop().time
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            await self.left()

    async def dispatch(self, message: Any) -> None:
        """Without the hop to a thread that Channels makes before each event."""
        await getattr(self, get_handler_name(message))(message)

    # Coming and going.

    async def connect(self) -> None:
        key = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME, "")
        guest = await tickets.redeem(list(self.scope["subprotocols"]), key)
        rooms = None if guest is None else await self.enter(guest)
        if guest is None or rooms is None:
            await self.close(REFUSED)
            return
        self.sitting = guest.sitting
        address = str((self.scope.get("client") or ("",))[0])
        if not doors.enter(self.sitting.user, address):
            await self.close(RESTART if doors.shut else TOO_MANY)
            return
        self.entered = self.sitting.user, address
        self.heard_at, self.frames = self.clock(), Rate(settings.SOCKET_FRAMES, WINDOW)
        self.resumes = Rate(settings.SOCKET_RESUMES, WINDOW)
        hub().sit(self.seat, *rooms)
        await hub().heard()
        watch().sit(self)
        self.carrier = asyncio.create_task(self._carry_on())
        await self.accept(tickets.PROTOCOL)
        await self.arrived()

    async def enter(self, guest: Guest) -> Sequence[str] | None:
        """The rooms in which whom a ticket let in sits; None when the ticket is not for here."""
        raise NotImplementedError

    async def arrived(self) -> None:
        """It is open."""

    async def left(self) -> None:
        """It is closed, whoever closed it."""
        hub().leave(self.seat)
        watch().leave(self)
        if self.carrier is not None:
            self.carrier.cancel()
        if self.entered is not None:
            doors.leave(*self.entered)

    async def end(self, code: int) -> None:
        """Close it, whatever state it is in; from now on nothing is sent any more."""
        if self.carrier is not None and self.carrier is not asyncio.current_task():
            self.carrier.cancel()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(END_WITHIN):
                await self.close(code)

    # In.

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.heard_at = self.clock()
        if len(text_data or bytes_data or "") > settings.SOCKET_FRAME:
            await self.end(TOO_BIG)
        elif not self.frames.allows(self.heard_at):
            await self.end(TOO_MANY)
        else:
            await self.hear(text_data or "")

    async def hear(self, said: str) -> None:
        """One frame of the client's."""
        raise NotImplementedError

    def resume(self, after: Any) -> None:
        """The client said where it stands: answered in turn, once however often it asks meanwhile. Who asks all the
        time is not answered: what they lack they get by the watch's next look."""
        if self.resumes.allows(self.heard_at):
            if self.asked is None:
                self.seat.put(("", RESUME, None))
            self.asked = after

    # Out.

    async def _carry_on(self) -> None:
        """What the hub brings, in order, for as long as the socket lives. Its trouble is its own."""
        try:
            while True:
                await self.take(await self.seat.next())
        except ConversationError as error:
            await self.end(code_of(error))
        except OSError:  # the client went while we sent
            pass
        except psycopg.OperationalError:  # the page comes back, and finds what it lacks
            await self.end(BROKEN)
        except Exception:
            log.exception("a socket could not go on")
            await self.end(BROKEN)

    async def take(self, word: Word) -> None:
        """One thing that was told."""
        raise NotImplementedError

    async def say(self, frame: frames.Frame) -> None:
        await self.put(frames.encode(frame).decode())

    async def put(self, text: str) -> None:
        """One frame, as it is. How long the client may take for it is the watch's concern."""
        event: Any = {"type": "websocket.send", "text": text}
        self.begun += 1
        await self.base_send(event)
        self.sent += 1

    async def refuse(self, error: ConversationError, client_id: str | None = None) -> None:
        await self.say(frames.Problem(code=error.code, message=str(error), client_id=client_id))

    async def out_of_date(self) -> None:
        """A frame that is none: a page of another version, or nobody's page."""
        await self.say(frames.Problem(code="bad_frame", message=_("This page is out of date. Load it again.")))

    # In the thread where Django's database is.

    async def carry(self, call: Callable[..., T], *args: Any) -> T:
        """A domain call."""
        done: T = await database_sync_to_async(call)(*args)
        return done

    def user(self) -> User:
        """The login behind this socket as the database has it now; NotAllowed when the session or the login ended."""
        request = HttpRequest()
        request.session = SessionStore(self.sitting.key)
        user = get_user(request)
        if not isinstance(user, User) or not user.is_active:
            raise SignedOut
        if factors.lacking(user, request.session):
            raise SignedOut(_("This needs your second factor. Load the page again and use it."))
        return user

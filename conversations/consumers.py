"""Takes frames off sockets, leaves frames on them: who is there, one domain call, and what is new. Decides nothing.

Every command looks up again who may be here, so a login that was closed or a case that moved away is refused at
the next frame at the latest; clients resume every 15 s.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from accounts import agents, factors
from accounts.models import Agent, Customer, User
from citisocial.clock import now
from conversations import chat, events, inbox, permissions, refusals, stops
from conversations.errors import BadText, ConversationError, NotAllowed, NotFound
from conversations.models import Brand, Case

T = TypeVar("T")
COALESCE = 0.02  # seconds between the beginnings of two looks: a burst of pokes becomes one look
KEPT = 5.0  # seconds for which the thread keeps its connection to the database
REFUSED = 4403

thread = threading.local()


class _Socket(AsyncWebsocketConsumer):
    """Frames out, refusals out; a refusal before the first frame closes the socket."""

    async def say(self, frame: events.Frame) -> None:
        await self.send(text_data=events.encode(frame).decode())

    async def refuse(self, error: ConversationError, client_id: str | None = None) -> None:
        await self.say(events.Problem(code=error.code, message=str(error), client_id=client_id))

    async def carry(self, call: Callable[..., T], *args: Any) -> T:
        """A domain call, in the thread where the database is."""
        return await sync_to_async(_connected(call))(*args)

    def user(self) -> User:
        """The login behind this socket as the database has it now; NotAllowed when the session or the login ended."""
        request = HttpRequest()
        request.session = SessionStore(self.scope["session"].session_key)  # afresh: the socket's copy may have ended
        user = get_user(request)
        if not isinstance(user, User) or not user.is_active:
            raise NotAllowed("You were signed out. Sign in again.")
        if factors.lacking(user, request.session):
            raise NotAllowed("This needs your second factor. Load the page again and use it.")
        return user


def _connected(call: Callable[..., T]) -> Callable[..., T]:
    """The call, on a connection that lives: sockets share one thread, and opening one for each frame costs most of it.

    It is not kept for long, because new ones alone see a clock that was moved, and an idle one holds a backend.
    """

    def called(*args: Any) -> T:
        at = time.monotonic()
        if at - getattr(thread, "since", -KEPT) >= KEPT or not connection.is_usable():
            connection.close()
            thread.since = at
        return call(*args)

    return called


class CaseConsumer(_Socket):
    """One case, for its agents and for its customer: the same frames, the same order, for both."""

    case_id: int
    seq: int | None = None  # the last message this socket has carried; None until the client said where it stands

    async def connect(self) -> None:
        try:
            case, person = await self.carry(self.door)
        except NotFound:
            await self.carry(self.tell)
            await self.close(REFUSED)
            return
        except ConversationError:
            await self.close(REFUSED)
            return
        self.case_id = case.pk
        await self.channel_layer.group_add(events.case_group(case.pk), self.channel_name)
        await self.accept()
        if isinstance(person, Customer):
            await self.carry(chat.join, case, person)

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "case_id"):
            await self.channel_layer.group_discard(events.case_group(self.case_id), self.channel_name)

    def door(self) -> tuple[Case, Agent | Customer]:
        """The case of this address and who the user is in it, by the same functions as the pages use."""
        public_id: UUID = self.scope["url_route"]["kwargs"]["case_id"]
        user = self.user()
        if hasattr(user, "agent"):
            return permissions.case_of_agent(user, public_id)
        return permissions.case_of_customer(user, public_id)

    def tell(self) -> None:
        """A login at the address of a case that is not theirs got it from somewhere: the trail keeps that."""
        refusals.note("changed_id", refusals.visitor_of(self.scope), user=self.user())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            command = events.decode_case_command(text_data or "")
            case, person = await self.carry(self.door)
        except msgspec.DecodeError:
            await self.say(events.Problem(code="bad_frame", message="This page is out of date. Load it again."))
            return
        except ConversationError as error:
            await self.refuse(error)
            await self.close(REFUSED)
            return
        match command:
            case events.PostMessage():
                await self.post(case, person, command)
            case events.Resume():
                self.seq = command.after
                await self.catch_up(case)
                await self.say(events.CaughtUp(seq=self.seq, status=case.status))

    async def post(self, case: Case, person: Agent | Customer, said: events.PostMessage) -> None:
        try:
            await self.carry(_post, case, person, said)
        except ConversationError as error:
            await self.refuse(error, said.client_id)
        else:
            await self.catch_up(case)

    async def catch_up(self, case: Case) -> None:
        """Send what came after the last message this socket has carried, page by page, in order."""
        while self.seq is not None:
            page = await self.carry(chat.messages_after, case, self.seq)
            for message in page:
                await self.say(chat.frame(message))
                self.seq = message.seq
            if len(page) < chat.PAGE:
                return

    async def case_poke(self, event: dict[str, Any]) -> None:
        try:
            case, _person = await self.carry(self.door)
        except ConversationError:
            await self.close(REFUSED)
            return
        await self.catch_up(case)
        if event["what"] != "message":
            agent = case.agent.name if case.agent else None
            await self.say(events.CaseChanged(what=event["what"], status=case.status, agent=agent))


def _post(case: Case, person: Agent | Customer, said: events.PostMessage) -> None:
    try:
        client_id = UUID(said.client_id)
    except ValueError:
        raise BadText("This message has no valid id. Load the page again.") from None
    chat.post(case, author=person, client_id=client_id, text=said.text, template=said.template)


class InboxConsumer(_Socket):
    """An agent's list, live: a snapshot, then what changed. The first poke is shown at once, a burst in one look."""

    brands: list[Brand]
    zone: str = "UTC"
    pending: dict[int, list[str]]
    looking: asyncio.Task[None] | None = None
    looked_at: float = 0.0  # by the event loop's clock: when the last look began

    async def connect(self) -> None:
        self.brands, self.pending = [], {}
        try:
            agent = await self.carry(self.door)
        except ConversationError:
            await self.close(REFUSED)
            return
        self.brands, self.zone = await self.carry(_arrive, agent), agent.time_zone
        for brand in self.brands:
            await self.channel_layer.group_add(events.inbox_group(brand.pk), self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        if self.looking:
            self.looking.cancel()
        for brand in self.brands:
            await self.channel_layer.group_discard(events.inbox_group(brand.pk), self.channel_name)

    def door(self) -> Agent:
        """The agent whose inbox this is."""
        return permissions.agent_of(self.user())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            command = events.decode_inbox_command(text_data or "")
            after = datetime.fromisoformat(command.after) if command.after else None
            frame = await self.carry(self.look_since, after)
        except (msgspec.DecodeError, ValueError):
            await self.say(events.Problem(code="bad_frame", message="This page is out of date. Load it again."))
        except ConversationError as error:
            await self.refuse(error)
            await self.close(REFUSED)
        else:
            await self.say(frame)
            await self.inbox_sending({})

    def look_since(self, after: datetime | None) -> events.InboxSnapshot | events.InboxChanges:
        agent, at = self.door(), now().isoformat()
        lines = inbox.lines(agent, after=after)
        if after is not None and len(lines) < inbox.LIMIT:
            return events.InboxChanges(cases=lines, now=at)
        if after is not None:  # too much has changed: all that is open, from scratch
            lines = inbox.lines(agent)
        return events.InboxSnapshot(cases=lines, more=len(lines) == inbox.LIMIT, now=at)

    async def inbox_poke(self, event: dict[str, Any]) -> None:
        for case_id, posts in event["cases"].items():
            self.pending.setdefault(int(case_id), []).extend(posts)
        if self.looking is None or self.looking.done():
            self.looking = asyncio.create_task(self.look())

    async def look(self) -> None:
        """Send the lines of every case that was poked: at once, or when COALESCE has passed since the last look.

        One look at a time: what is poked meanwhile waits for the next one.
        """
        clock = asyncio.get_running_loop().time
        while self.pending:
            await asyncio.sleep(max(0.0, self.looked_at + COALESCE - clock()))
            self.looked_at = clock()
            posts, self.pending = self.pending, {}
            try:
                await self.say(await self.carry(self.look_at, posts))
            except ConversationError:
                await self.close(REFUSED)
                return

    def look_at(self, posts: dict[int, list[str]]) -> events.InboxChanges:
        at = now().isoformat()
        return events.InboxChanges(cases=inbox.lines(self.door(), case_ids=list(posts), posts=posts), now=at)

    async def inbox_sending(self, event: dict[str, Any]) -> None:
        await self.say(events.SendingState(stopped=await self.carry(_stopped, self.brands, self.zone)))


def _arrive(agent: Agent) -> list[Brand]:
    """An agent who opens the workspace is there: offline becomes online; away was their own choice and stays."""
    if agent.availability == Agent.Availability.OFFLINE:
        agents.set_availability(agent, Agent.Availability.ONLINE)
    return list(permissions.brands_of(agent))


def _stopped(brands: list[Brand], zone: str) -> str:
    with timezone.override(ZoneInfo(zone)):  # times in the banner are the agent's, as on the page
        return stops.banner(stops.of_brands(brands))

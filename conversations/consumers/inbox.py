"""Takes an agent's list, leaves it live: a snapshot, then what changed. The first word is shown at once, a burst in one
look."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone

from accounts import agents
from accounts.models import Agent
from citisocial.clock import now
from conversations import events, inbox, permissions, stops
from conversations.consumers.socket import RESUME, Socket
from conversations.errors import ConversationError
from conversations.models import Brand
from conversations.realtime import frames
from conversations.realtime.hub import MISSED, Word
from conversations.tickets import Guest

COALESCE = 0.02  # seconds between the beginnings of two looks: a burst of words becomes one look


class InboxConsumer(Socket):
    """/ws/inbox/."""

    agent: Agent
    brands: list[Brand]
    heard_up_to: str = ""  # the database's time of the last list that was sent
    looked_at: float = 0.0  # by the event loop's clock: when the last look began
    availability: frames.Availability | None = None  # as the last look found it, and as it was said
    said_availability: frames.Availability | None = None

    async def enter(self, guest: Guest) -> Sequence[str] | None:
        if guest.sitting.case is not None or guest.sitting.agent is None:
            return None
        self.agent, self.brands = await self.carry(_at_desk, guest.sitting.agent)
        return (events.agent_room(self.agent.pk), *(events.inbox_room(brand.pk) for brand in self.brands))

    async def hear(self, said: str) -> None:
        try:
            command = frames.decode_inbox_command(said)
            if isinstance(command, frames.ResumeInbox) and command.after:
                datetime.fromisoformat(command.after)
        except frames.UNREADABLE:
            await self.out_of_date()
            return
        match command:
            case frames.ResumeInbox():
                self.resume(command.after)
            case frames.Alive():
                await self.carry(agents.active, self.agent, command.active)

    async def take(self, word: Word) -> None:
        _room, kind, data = word
        if kind == events.INBOX:
            await self.look(dict(data))
        elif kind == RESUME or (word == MISSED and self.heard_up_to):
            after, self.asked = self.heard_up_to if self.asked is None else self.asked, None
            try:
                await self.show(await self.carry(self.look_since, datetime.fromisoformat(after) if after else None))
            except ConversationError as error:
                await self.refuse(error)
                raise
            await self.say_sending()
            await self.say_availability()
        elif kind == events.SENDING:
            await self.say_sending()
        elif kind == events.AGENT:
            self.said_availability = None  # as often as it is told: a page may have drawn something else meanwhile
            self.availability = await self.carry(self.look_at_agent)
            await self.say_availability()

    async def look(self, posts: dict[str, list[str]]) -> None:
        """The lines of every case that was told: at once, or when COALESCE has passed since the last look."""
        await asyncio.sleep(max(0.0, self.looked_at + COALESCE - self.clock()))
        self.looked_at = self.clock()
        waiting = self.seat.waiting
        while waiting and waiting[0][1] == events.INBOX:
            for case, found in waiting.popleft()[2].items():
                posts[case] = [*posts.get(case, []), *found]
        await self.show(await self.carry(self.look_at, {int(case): found for case, found in posts.items()}))

    async def show(self, frame: frames.InboxSnapshot | frames.InboxChanges) -> None:
        await self.say(frame)
        self.heard_up_to = frame.now

    async def say_sending(self) -> None:
        await self.say(frames.SendingState(stopped=await self.carry(_stopped, self.brands, self.agent.time_zone)))

    async def say_availability(self) -> None:
        """What the page shows of its own agent, when that is not what it was told last."""
        if self.availability is not None and self.availability != self.said_availability:
            await self.say(self.availability)
            self.said_availability = self.availability

    # In Django's thread.

    def door(self) -> Agent:
        """The agent whose inbox this is, if it still is."""
        return permissions.agent_of(self.user())

    def look_since(self, after: datetime | None) -> frames.InboxSnapshot | frames.InboxChanges:
        agent, at = self.door(), now().isoformat()
        self.availability = frames.Availability(state=agent.availability, by=agent.set_by)
        lines = inbox.lines(agent, after=after)
        if after is not None and len(lines) < inbox.LIMIT:
            return frames.InboxChanges(cases=lines, now=at)
        if after is not None:  # too much has changed: all that is open, from scratch
            lines = inbox.lines(agent)
        return frames.InboxSnapshot(cases=lines, more=len(lines) == inbox.LIMIT, now=at)

    def look_at(self, posts: dict[int, list[str]]) -> frames.InboxChanges:
        at = now().isoformat()
        return frames.InboxChanges(cases=inbox.lines(self.door(), case_ids=list(posts), posts=posts), now=at)

    def look_at_agent(self) -> frames.Availability:
        agent = self.door()
        return frames.Availability(state=agent.availability, by=agent.set_by)


def _at_desk(agent_id: int) -> tuple[Agent, list[Brand]]:
    agent = Agent.objects.get(pk=agent_id)
    return agent, list(permissions.brands_of(agent))


def _stopped(brands: list[Brand], zone: str) -> str:
    with timezone.override(ZoneInfo(zone)):  # times in the banner are the agent's, as on the page
        return stops.banner(stops.of_brands(brands))

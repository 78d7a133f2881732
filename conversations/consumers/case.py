"""Takes one case, leaves it live for its agents, its customer and a supervisor who listens: the same lines, the same
order, for all of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from channels.exceptions import StopConsumer
from django.utils.translation import gettext as _

from accounts.models import Agent, Customer, User
from conversations import changes, chat, events, marks, permissions, reading
from conversations.consumers.socket import BROKEN, RESUME, Socket, code_of
from conversations.errors import BadText, ConversationError, NotAllowed, NotFound, SignedOut, TooFast, TryAgain
from conversations.models import Case
from conversations.realtime import frames
from conversations.realtime.hub import MISSED, Word, hub
from conversations.realtime.limits import doors
from conversations.tickets import Guest

SILENCE = 1.0  # seconds
NOWHERE = 2**31 - 1  # after this seq there is nothing


class CaseConsumer(Socket):
    """/ws/case/<uuid>/."""

    case_id: int
    role: str  # agent | customer | supervisor
    name: str  # as the others read it
    holder: int | None = None  # the agent whose case it is, as far as this socket has heard
    silent_until = 0.0  # by the event loop's clock: one refused for being too fast is not overtaken by the next
    doing = ""  # what an agent last said they do here

    # Coming and going.

    async def enter(self, guest: Guest) -> Sequence[str] | None:
        if guest.sitting.case is None or guest.case != str(self.scope["url_route"]["kwargs"]["case_id"]):
            return None
        self.case_id, self.role, self.name, self.holder = guest.sitting.case, guest.role, guest.name, guest.holder
        return (events.case_room(self.case_id),)

    async def arrived(self) -> None:
        self.tell_here("joined")

    async def left(self) -> None:
        if self.entered is not None:
            self.tell_here("left")
        await super().left()

    # In.

    async def hear(self, said: str) -> None:
        try:
            command = frames.decode_case_command(said)
        except frames.UNREADABLE:
            await self.out_of_date()
            return
        match command:
            case frames.PostMessage():
                await self.answering(command.client_id, self.post, command)
            case frames.Resume():
                self.resume(command.after)
            case frames.EditMessage() | frames.RemoveMessage():
                await self.answering(command.client_id, self.carry, self.change, command)
            case frames.Seen():
                if self.speaks():
                    marks.note(self.case_id, self.role, delivered=command.delivered, read=command.read)
            case frames.Typing():
                if self.speaks():
                    self.tell(events.TYPING, {"side": self.role, "name": self.name, "on": command.on})
            case frames.Looking():
                if self.role == "agent":
                    self.doing = command.what
                    self.tell_here(command.what)

    async def answering(self, client_id: str, call: Any, *args: Any) -> None:
        """The call; a refusal goes to the client with the message it is about, and whoever may be here no more, out."""
        try:
            await call(*args)
        except TooFast as error:
            self.silent_until = self.clock() + SILENCE
            await self.refuse(error, client_id)
        except ConversationError as error:
            await self.refuse(error, client_id)
            if isinstance(error, (NotFound, SignedOut)):
                await self.end(code_of(error))
        except psycopg.OperationalError:
            # Whether it was written nobody knows. Nothing more of this socket is taken, or a later one might be first:
            # the page comes back, looks what arrived, and sends the rest in its order.
            await self.refuse(TryAgain(), client_id)
            await self.end(BROKEN)
            raise StopConsumer from None

    async def post(self, said: frames.PostMessage) -> None:
        """All together on the short way (conversations.ledger); what that does not take, on the long one, which has a
        sentence for every refusal."""
        if self.heard_at < self.silent_until or not doors.may_say(self.sitting.user, self.heard_at):
            raise TooFast
        if self.role == "supervisor":
            raise NotAllowed(_("You listen. Take the case over to write in it."))
        client_id = _uuid(said.client_id)
        if said.template is None and await chat.say(self.sitting, self.name, client_id, said.text, said.seen):
            return
        await self.carry(self.post_slowly, said, client_id)

    async def catch_up(self) -> reading.Page:
        """Send what came after the last message this socket has carried, page by page, in order."""
        while True:
            page = await reading.reader().after(self.sitting, NOWHERE if self.seq is None else self.seq)
            if page is None:
                raise NotAllowed
            self.holder = page.agent_id
            for seq, text in page.lines:
                await self.put(text)
                self.seq = seq
            if len(page.lines) < reading.PAGE:
                return page

    # Out.

    async def take(self, word: Word) -> None:
        _room, kind, data = word
        if kind == events.MESSAGE:
            await self.take_message(data)
        elif kind == RESUME or word == MISSED:
            await self.look_again()
        elif kind == events.POKE:
            page = await self.catch_up()
            await self.say(frames.CaseChanged(what=data, status=page.status, agent=page.agent))
        elif (frame := self.shown(kind, data)) is not None:
            await self.say(frame)

    async def look_again(self) -> None:
        """What lacks, from where the client said it stands if it did: a word that asked may have been dropped for
        MISSED, or be answered already."""
        asked, self.asked = self.asked, None
        if asked is not None:
            self.seq = asked
        page = await self.catch_up()
        if asked is not None:
            await self.say(frames.CaughtUp(seq=self.seq or 0, status=page.status))

    async def take_message(self, data: Any) -> None:
        """The next one as it is; whatever else is read: a gap, or only its number."""
        seq, text = data if isinstance(data, tuple) else (data, None)
        if self.seq is None or seq <= self.seq:
            return
        if text is not None and seq == self.seq + 1:
            self.seq = seq
            await self.put(text)
        else:
            await self.catch_up()

    def shown(self, kind: str, data: Any) -> frames.Frame | None:
        """What this socket's person may see of the others, if anything."""
        if kind == events.MARKS:
            return frames.Marks(*data)
        if kind == events.TYPING:
            mine = data["side"] == self.role and data["name"] == self.name
            return None if mine else frames.Writing(**data)
        if kind == events.HERE:
            return self.shown_here(frames.Here(**data))
        if kind == events.NOTE and self.role != "customer":
            return frames.NoteAdded(id=data)
        return None

    def shown_here(self, here: frames.Here) -> frames.Frame | None:
        """To a customer only that their agent came or went. Whoever comes is told in turn who is here."""
        if here.id == self.id():
            return None
        if here.what == "joined" and self.doing:
            self.tell_here(self.doing)
        if self.role == "customer" and (here.id != f"agent-{self.holder}" or here.what not in ("joined", "left")):
            return None
        return here

    def tell_here(self, what: str) -> None:
        self.tell(events.HERE, {"id": self.id(), "name": self.name, "side": self.role, "what": what})

    def tell(self, kind: str, data: Any) -> None:
        hub().tell([(events.case_room(self.case_id), kind, data)])

    def id(self) -> str:
        """Who this is, for those who see several of one name."""
        return f"{self.role}-{self.sitting.agent or self.sitting.customer or self.sitting.user}"

    def speaks(self) -> bool:
        """Whether this is one of the two who talk here, and not a colleague who looks on."""
        return self.role == "customer" or (self.role == "agent" and self.sitting.agent == self.holder)

    # In Django's thread.

    def door(self) -> tuple[Case, Agent | Customer]:
        """The case and who writes in it, by the same functions as the pages use."""
        case, person = permissions.case_of(self.user(), self.scope["url_route"]["kwargs"]["case_id"])
        if isinstance(person, User):
            raise NotAllowed(_("You listen. Take the case over to write in it."))
        return case, person

    def post_slowly(self, said: frames.PostMessage, client_id: UUID) -> None:
        case, person = self.door()
        chat.post(case, author=person, client_id=client_id, text=said.text, template=said.template, seen=said.seen)

    def change(self, said: frames.EditMessage | frames.RemoveMessage) -> None:
        case, person = self.door()
        client_id = _uuid(said.client_id)
        if isinstance(said, frames.EditMessage):
            changes.edit(case, author=person, seq=said.seq, text=said.text, client_id=client_id)
        else:
            changes.remove(case, author=person, seq=said.seq, client_id=client_id)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadText(_("This message has no valid id. Load the page again.")) from None

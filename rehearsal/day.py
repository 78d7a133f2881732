"""Takes a number of mentions, leaves one UTC day of them, hour by moved hour, and what it cost by both books.

Six of ten name the handle, the others only a keyword; some people write messages, an agent invites and replies. After
the last hour a daily limit is set that is spent already: from then on the handles alone are listened to, until the
next UTC day, in which the search brings what was not listened to.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, LiteralString

import httpx
import psycopg

from citisocial.servers import House

from . import bills, clocks, counting
from .desk import Desk
from .people import Stumble
from .posting import Posted, Progress, Steady, post, write
from .premises import complain, own_house, raise_caps, show_logs
from .replaying import wait_until_streaming
from .rows import Row

HOURS = 24
BY_HANDLE = 6  # of ten
RATE = 60.0  # posts a second within an hour's burst
INTO_THE_HOUR = timedelta(minutes=5)
MESSAGES = 2  # an hour, written to us
LIMITED = 20  # posts of each kind while the limit holds
# Seconds: within which all clocks, queues and polls must have come to rest.
PATIENCE, LOOK, STILL = 150.0, 1.0, 8
REPLY = "We are sorry to hear that, and look into it."
SET_LIMIT: LiteralString = """
INSERT INTO conversations_budget (network, daily_limit) VALUES ('x', %s)
ON CONFLICT (network) DO UPDATE SET daily_limit = excluded.daily_limit
"""
CASE: LiteralString = """
SELECT c.public_id FROM conversations_mention m JOIN conversations_case c ON c.id = m.case_id
WHERE m.external_id = %s
"""
UNSENT: LiteralString = """
SELECT count(*) FROM conversations_outgoing WHERE delivery NOT IN ('SENT', 'FAILED', 'CANCELLED')
"""


def rehearse(mentions: int) -> dict[str, Any]:
    """The day in a house of its own. `wrong` holds sentences; without any, both books agree and all was heard."""
    raise_caps()
    with own_house(announce=complain) as house:
        wait_until_streaming(house)
        first = clocks.next_midnight() + INTO_THE_HOUR
        day = Day(house, mentions)
        try:
            for hour in range(HOURS):
                clocks.move(house, first + timedelta(hours=hour))
                day.hour(hour)
            lines = day.settled()
            limited = day.limited(lines, first + timedelta(days=1))
            after = day.settled()
        finally:
            day.close()
        result = {
            "mentions": len(day.ids),
            "messages": len(day.messages),
            "written": day.written,
            **bills.summary(lines),
            "lost": len(day.lost),
            "doubled": day.doubled(),
            "limited": limited | {"equal": all(line.equal for line in after)},
        }
        result["wrong"] = complaints(result, mentions)
        for line in bills.table(after):
            complain(line)
        if result["wrong"]:
            show_logs(house)
        return result


class Day:
    """What has been said so far."""

    def __init__(self, house: House, mentions: int) -> None:
        self.house = house
        self.mentions = mentions
        self.desk = Desk(house)
        self.progress = Progress("mentions", mentions)
        self.ids: list[str] = []
        self.messages: list[str] = []
        self.written = 0
        self.lost: set[str] = set()

    def close(self) -> None:
        self.desk.close()

    def hour(self, hour: int) -> None:
        """An hour's share of the posts, all dealt with; messages; an invitation or a reply now and then."""
        upto = self.mentions * (hour + 1) // HOURS
        rows = list(invented(len(self.ids), upto))
        posted = self._post(rows)
        self.messages += [
            write(self.house.x_url, sender=row.author, to="AskCiti", text=f"Hello, about my card, {row.number}.")
            for row in rows[:MESSAGES]
        ]
        self.lost |= self._dealt([p.id for p in posted] + self.messages[-MESSAGES:])
        self._answer(hour, posted)
        self.progress(len(self.ids))

    def limited(self, lines: list[bills.Line], tomorrow: datetime) -> dict[str, Any]:
        """Of so many posts of each kind, how many were heard while the limit held, and of keywords the day after."""
        today = max(line.day for line in lines)
        spent = sum(line.meter[1] for line in lines if line.day == today)
        with psycopg.connect(self.house.database_url, autocommit=True) as connection:
            connection.execute(SET_LIMIT, [bills.dollars(spent - spent % 10_000)])
        self._until_rules(("handles",))
        rows = list(invented(self.mentions, self.mentions + 10 * LIMITED))
        by_handle = self._post([row for row in rows if named(row)][:LIMITED], counted=False)
        by_keyword = self._post([row for row in rows if not named(row)][:LIMITED], counted=False)
        lost = self._dealt([p.id for p in by_handle])
        self._at_rest()  # what is charged around midnight is charged by each on its own side of it
        meanwhile = self._known([p.id for p in by_keyword])
        clocks.move(self.house, tomorrow)
        self.lost |= self._dealt([p.id for p in by_keyword])
        return {
            "handle": len(by_handle) - len(lost),
            "keyword": meanwhile,
            "keyword_next_day": self._known([p.id for p in by_keyword]),
            "of": LIMITED,
        }

    def settled(self) -> list[bills.Line]:
        """Both books when every way has been read and all is at rest, whether they agree or not."""
        with counting.opened(self.house.database_url) as books:
            counting.wait_until_polled(books, self.ids)
        return self._at_rest()

    def doubled(self) -> int:
        with counting.opened(self.house.database_url) as books:
            return books.doubled()

    def _post(self, rows: list[Row], *, counted: bool = True) -> list[Posted]:
        posted = post(rows, x_url=self.house.x_url, due=Steady(RATE), told=lambda done: None)
        if counted:
            self.ids += [p.id for p in posted]
        return posted

    def _dealt(self, ids: list[str]) -> set[str]:
        """Waits until they are dealt with; returns the lost."""
        with counting.opened(self.house.database_url) as books:
            return counting.wait_until_dealt(books, ids, lambda done: None)

    def _known(self, ids: list[str]) -> int:
        with counting.opened(self.house.database_url) as books:
            return len(books.mentions(ids))

    def _answer(self, hour: int, posted: list[Posted]) -> None:
        """The agent invites somebody who wrote to us, and answers somebody's post, every other time with a button."""
        self.desk.invite(self._case(self.messages[-1]))
        summoned = [p.id for p in posted if named(p.row)][-1]
        self.desk.reply(self._case(summoned), f"{REPLY} ({hour})", button=bool(hour % 2))
        self.written += 2

    def _case(self, ident: str) -> str:
        """The case of a post or a message, as addresses name it."""
        with psycopg.connect(self.house.database_url) as connection:
            row = connection.execute(CASE, [ident]).fetchone()
        if row is None:
            raise Stumble(f"{ident} has not become a case")
        return str(row[0])

    def _at_rest(self) -> list[bills.Line]:
        """Both books when nothing is on its way any more and neither has moved for some seconds."""
        before, still = bills.compare(self.house), 0
        deadline = time.monotonic() + PATIENCE
        while still < STILL:
            if time.monotonic() > deadline:
                raise Stumble("the costs are still growing although nobody says anything")
            time.sleep(LOOK)
            lines = bills.compare(self.house)
            still = still + 1 if lines == before and not self._on_its_way() else 0
            before = lines
        return before

    def _on_its_way(self) -> int:
        """Messages that have not left, and events that have not arrived."""
        with psycopg.connect(self.house.database_url) as connection:
            row = connection.execute(UNSENT).fetchone()
        events: int = httpx.get(f"{self.house.x_url}/_sandbox/webhooks", timeout=30).json()["waiting"]
        return events + (row[0] if row else 0)

    def _until_rules(self, tags: tuple[str, ...]) -> None:
        """Until X's stream holds these rules and no others."""
        headers = {"Authorization": f"Bearer {self.house.secrets['X_BEARER_TOKEN']}"}
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            said = httpx.get(f"{self.house.x_url}/2/tweets/search/stream/rules", headers=headers, timeout=30).json()
            if {rule["tag"] for rule in said.get("data", [])} == set(tags):
                return
            time.sleep(LOOK)
        raise Stumble(f"the stream's rules are not only {', '.join(tags)} although the day's limit is spent")


def invented(begin: int, end: int) -> Iterator[Row]:
    """The posts of these numbers: complaints, each by somebody else; six of ten name the handle."""
    for number in range(begin, end):
        text = f"@AskCiti my card was declined again, number {number}. Please help!"
        if number % 10 >= BY_HANDLE:
            text = f"citibank has declined my card again, number {number}, what a day"
        yield Row(number, str(10**15 + number), f"someone_{number}", text, "", "", retweet=False, brand=False)


def named(row: Row) -> bool:
    """Whether it names the handle."""
    return row.text.startswith("@")


def complaints(result: dict[str, Any], mentions: int) -> list[str]:
    """What is wrong, in sentences."""
    said, limited = [], result["limited"]
    if not result["equal"]:
        said.append(f"the meter says ${result['meter']} and the bill ${result['bill']}, or they differ in a line")
    if not limited["equal"]:
        said.append("after the day with a limit the meter and the bill differ")
    if result["mentions"] != mentions or result["lost"]:
        said.append(f"{result['lost']} of {result['mentions']} posts and messages were never dealt with")
    if result["doubled"]:
        said.append(f"{result['doubled']} things are there more than once")
    if limited["handle"] != limited["of"]:
        said.append(f"with the day's limit spent only {limited['handle']} of {limited['of']} posts to us were heard")
    if limited["keyword"]:
        said.append(f"with the day's limit spent {limited['keyword']} posts were still taken in by keyword")
    if limited["keyword_next_day"] != limited["of"]:
        said.append(f"the next day only {limited['keyword_next_day']} of {limited['of']} posts by keyword were found")
    return said

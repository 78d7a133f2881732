"""The stream's stage: stored as it comes, stopped without loss, a dead one is seen; files go in by the same door."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from conversations import credentials, listening, metering
from conversations.models import BrandAccount, Cursor, ListeningRule, Mention, Usage
from conversations.networks.base import Charge, Heard, Rule
from conversations.networks.errors import Unavailable
from conversations.networks.x.adapter import X
from tests.factories.heard import Bank, bank, post

pytestmark = pytest.mark.django_db(transaction=True)

Step = Heard | Unavailable | Callable[[], object]


class Radio:
    """A network that says what a test wrote, step by step, and then nothing more."""

    slug = "x"

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.rules: list[list[str]] = []
        self.said = threading.Event()  # everything was said

    def set_rules(self, rules: Sequence[Rule]) -> None:
        self.rules.append([rule.tag for rule in rules])

    async def stream(self, terms: object, *, troubled: Callable[[Unavailable], None]) -> AsyncIterator[Heard]:
        for step in self.steps:
            if isinstance(step, Heard):
                yield step
            elif isinstance(step, Unavailable):
                troubled(step)
                await asyncio.sleep(0.02)
            else:
                step()
        self.said.set()
        await asyncio.Event().wait()


@pytest.fixture
def radio(monkeypatch: pytest.MonkeyPatch) -> Radio:
    made = Radio()
    monkeypatch.setattr(credentials, "network", lambda slug: made)
    monkeypatch.setattr(listening, "AGAIN", 0.02)
    return made


@pytest.fixture
def b() -> Bank:
    made = bank()
    for tag, names in (("handles", True), ("words", False)):
        ListeningRule.objects.create(brand=made.brand, tag=tag, value=f"{tag} citibank", names_handles=names)
    return made


def listen_until(radio: Radio, done: Callable[[], bool], *, after: Callable[[], object] = bool) -> None:
    """Listen until it is so, and stop as a signal does."""

    async def run() -> None:
        listener = asyncio.create_task(listening.listen(after))
        async with asyncio.timeout(20):
            while not (radio.said.is_set() and await asyncio.to_thread(checked)):
                await asyncio.sleep(0.01)
                assert not listener.done(), listener.exception()
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)

    def checked() -> bool:
        try:
            return done()
        finally:
            connection.close()

    asyncio.run(run())


def heard(*texts: str) -> Heard:
    posts = tuple(post(text) for text in texts)
    return Heard(posts, tuple(Charge("post", p.external_id, 5_000, "stream") for p in posts))


def stored(number: int) -> Callable[[], bool]:
    return lambda: Mention.objects.count() >= number


def test_what_is_heard_is_stored_charged_and_followed_up(b, radio):
    radio.steps = [Heard(()), heard("one"), heard("two", "three")]
    followed: list[int] = []
    listen_until(
        radio,
        lambda: 3 in followed,
        after=lambda: followed.append(Mention.objects.count()),
    )
    assert {m.ways[0] for m in Mention.objects.all()} == {"stream"}
    assert (Usage.objects.get().units, Usage.objects.get().micros) == (3, 15_000)
    way = Cursor.objects.get(way="stream")
    assert way.succeeded_at is not None
    assert way.failing_since is None
    assert radio.rules == [["handles", "words"]]


def test_whatever_came_while_storing_goes_in_one_transaction(b, radio, monkeypatch):
    held, batches = threading.Event(), []

    def slow(account: BrandAccount, posts: Sequence[object], *, way: str) -> int:
        held.wait(5)
        batches.append(len(posts))
        return real(account, posts, way=way)  # type: ignore[arg-type]

    real = listening.ingest
    monkeypatch.setattr(listening, "ingest", slow)
    radio.steps = [heard("first"), *(heard(str(n)) for n in range(1200)), held.set]
    listen_until(radio, stored(1201))
    assert Mention.objects.count() == 1201
    assert max(batches) == listening.BATCH
    assert len(batches) <= 5  # a batch that the stop cut off may be stored once more, which changes nothing


def test_trouble_is_seen_at_once_and_its_end_as_well(b, radio):
    radio.steps = [heard("one"), Unavailable("the connection failed", retry_after=5)]
    listen_until(radio, lambda: Cursor.objects.filter(way="stream", failing_since__isnull=False).exists())
    assert "the connection failed" in Cursor.objects.get(way="stream").error

    radio.said.clear()
    radio.steps = [Unavailable("again", retry_after=5), Heard(())]
    listen_until(radio, lambda: Cursor.objects.filter(way="stream", failing_since=None).exists())


def test_an_ordinary_end_is_no_trouble(b, radio):
    radio.steps = [heard("one"), Unavailable("in good order", retry_after=0.0), heard("two")]
    listen_until(radio, stored(2))
    assert Cursor.objects.get(way="stream").error == ""


def test_what_was_read_before_a_stop_is_stored(b, radio):
    radio.steps = [heard(str(n)) for n in range(300)]
    listen_until(radio, lambda: True)  # stopped as soon as everything was read
    assert Mention.objects.count() == 300


def test_a_database_that_is_away_loses_nothing(b, radio, monkeypatch):
    failures = iter([OperationalError("gone"), OperationalError("gone")])

    def away(account: BrandAccount, posts: Sequence[object], *, way: str) -> int:
        if error := next(failures, None):
            raise error
        return real(account, posts, way=way)  # type: ignore[arg-type]

    real = listening.ingest
    monkeypatch.setattr(listening, "ingest", away)
    radio.steps = [heard("one", "two"), heard("three")]
    listen_until(radio, stored(3))


def test_one_odd_post_does_not_take_the_others_with_it(b, radio, caplog):
    good, odd = post("good"), post("secretword", external_id="9" * 40)
    radio.steps = [Heard((good, odd, replace(good, external_id="77")))]
    listen_until(radio, stored(2))
    assert f"post {odd.external_id} cannot be stored" in caplog.text
    assert "secretword" not in caplog.text


def test_rules_that_change_reach_the_network_without_a_new_connection(b, radio, monkeypatch):
    monkeypatch.setattr(listening, "LOOK", 0.02)
    radio.steps = [
        heard("one"),
        lambda: threading.Thread(target=add_rule, args=(b,)).start(),
    ]
    listen_until(radio, lambda: radio.rules[-1] == ["handles", "words", "third"])
    assert radio.rules[0] == ["handles", "words"]


def add_rule(b: Bank) -> None:
    ListeningRule.objects.create(brand=b.brand, tag="third", value="citicard")
    connection.close()


def test_a_budget_that_runs_out_leaves_the_handles(b, radio, monkeypatch):
    monkeypatch.setattr(metering, "thrift", lambda network: "handles_only")
    listen_until(radio, lambda: radio.rules == [["handles"]])


def test_a_second_listener_waits_for_the_first(b, radio):
    settings = connection.settings_dict
    with psycopg.connect(
        dbname=settings["NAME"], host=settings["HOST"], user=settings["USER"], port=settings["PORT"] or None
    ) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [listening.OWNER])
        radio.steps = [heard("one")]
        releasing = threading.Timer(0.2, first.close)
        releasing.start()
        assert radio.rules == []
        listen_until(radio, stored(1))
        releasing.join()


def test_a_stop_before_anything_is_there_to_listen_for(radio):
    radio.said.set()
    listen_until(radio, lambda: True)


# --- files ------------------------------------------------------------------------------------------------------------

LINES = [
    b'{"data":{"id":"1","text":"my citibank words fail","author_id":"2"},"includes":{"users":[{"id":"2"}]}}',
    b'{"data":{"id":"2","text":"nothing","author_id":"2"}}',
    b"nonsense",
    b'{"id":"3","text":"hello @askciti","author_id":"2"}',
    b'{"data":{"id":"1","text":"my citibank words fail","author_id":"2"}}',
]


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> X:
    made = X("http://127.0.0.1:9", "t", "c", "s")
    monkeypatch.setattr(credentials, "network", lambda slug: made)
    return made


@pytest.mark.parametrize("name", ["posts.ndjson", "posts.ndjson.gz"])
def test_a_file_goes_in_by_the_same_door(b, x, tmp_path, capsys, name):
    path = tmp_path / name
    content = b"\n".join(LINES)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    call_command("listen", file=str(path))

    said = "5 lines read, 3 for us, 2 of them new; 1 could not be read: line 3.\n"
    assert capsys.readouterr().out == said
    assert {(m.external_id, tuple(m.ways)) for m in Mention.objects.all()} == {("1", ("file",)), ("3", ("file",))}
    assert Mention.objects.get(external_id="3").matched == ["handles"]
    assert not Mention.objects.filter(state="NEW").exists()  # triage followed

    call_command("listen", file=str(path))
    assert "0 of them new" in capsys.readouterr().out


def test_a_file_that_is_not_there_says_so(b, x, tmp_path):
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("listen", file=str(tmp_path / "nothing.ndjson"))


def test_a_file_without_an_account_to_listen_for_says_so(x, tmp_path):
    path = tmp_path / "posts.ndjson"
    path.write_bytes(json.dumps({"id": "1", "text": "a", "author_id": "2"}).encode())
    with pytest.raises(CommandError, match="no active care account"):
        call_command("listen", file=str(path))

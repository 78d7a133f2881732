"""Takes seeded numbers and a running house, leaves where any of them is kept: every table, every key, every file.

The sandbox is left out, its database and its log: it plays X, the outside world, where people posted the numbers.
A number counts as found when twelve digits of it stand together, whatever is between them (the first six and last
four of a card may be kept), a security code when it still stands in the text that it came in.
"""

import base64
import csv
import io
import re
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import psycopg
import redis
from psycopg import sql

from citisocial.servers import House

from .private import Seed

TOGETHER = 12  # digits of a long number
TABLES = """
SELECT schemaname, relname FROM pg_stat_user_tables ORDER BY schemaname, relname
"""
BYTES = re.compile(r"\\x((?:[0-9a-f]{2})*)")  # a whole bytea
SIGNED = re.compile(r"(\.?[\w-]{8,}):[\w-]{4,}:[\w-]{20,}")  # what Django keeps of a session
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
HEXED = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
RUN = re.compile(r"\d(?:[ ./\-]{0,2}\d)*")
MARKED = re.compile(r"(?<![a-z])([b-z]{5})q (.*?)(?: \1z|\Z)", re.DOTALL)
OUTSIDE = {"sandbox.log", "migrate-sandbox.log"}
OTHERS = {"postgres", "programs"}  # the cluster's files hold the sandbox's database too: its tables are read instead
Record = tuple[str, str]  # where it is, and its text


class Wanted:
    """What is searched for. `found` says where which was; `arrived` which texts were seen at all, and where."""

    def __init__(self, seeds: Sequence[Seed]) -> None:
        self.windows: dict[str, Seed] = {}
        self.short: dict[str, Seed] = {}
        self.marks = {seed.mark: seed for seed in seeds}
        for seed in seeds:
            for number in seed.numbers:
                if len(number) < TOGETHER:
                    self.short[number] = seed
                for at in range(len(number) - TOGETHER + 1):
                    self.windows[number[at : at + TOGETHER]] = seed
        self.found: set[tuple[str, str, str]] = set()  # where, whose mark, what
        self.excerpts: dict[str, str] = {}  # a text of each place where something was found, its digits covered
        self.arrived: dict[str, set[str]] = {}

    def look(self, records: Iterator[Record]) -> int:
        """Search these; how many they were."""
        count = 0
        for place, text in records:
            count += 1
            plain = plainly(text)
            finds = {(place, seed.mark, what) for seed, what in self._in(plain)}
            if finds:
                self.found |= finds
                self.excerpts.setdefault(place, re.sub(r"\d", "#", plain)[:300])
            for match in MARKED.finditer(plain):
                if match.group(1) in self.marks:
                    self.arrived.setdefault(match.group(1), set()).add(place)
        return count

    def _in(self, plain: str) -> Iterator[tuple[Seed, str]]:
        digits = "".join(re.findall(r"[0-9]+", plain))
        for at in range(len(digits) - TOGETHER + 1):
            if seed := self.windows.get(digits[at : at + TOGETHER]):
                yield seed, f"a number ({seed.disguise or seed.kind})"
        for run in RUN.finditer(plain) if len(digits) >= 9 else ():
            for number in {run.group(), re.sub(r"\D", "", run.group()), *re.findall(r"\d+", run.group())}:
                for part in (number, number[:9], number[-9:], number[:10], number[-10:], number[:11], number[-11:]):
                    if seed := self.short.get(part):
                        yield seed, f"a number ({seed.kind})"
        for match in MARKED.finditer(plain):
            seed = self.marks.get(match.group(1))
            if seed and seed.code and re.search(rf"(?<!\d){seed.code}(?!\d)", match.group(2)):
                yield seed, f"a security code ({seed.disguise})"


def plainly(text: str) -> str:
    """The text in ASCII digits, whatever it went through: percent signs, backslashes, scripts, invisible characters."""
    if "\\" in text:
        text = HEXED.sub(lambda m: bytes.fromhex(m.group().replace("\\x", "")).decode(errors="replace"), text)
        text = ESCAPED.sub(lambda m: chr(int(m.group(1), 16)), text).replace("\\n", "\n")
    if "%" in text:
        text = unquote(text, errors="replace")
    if text.isascii():
        return text
    plain = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "".join(str(unicodedata.digit(c, c)) for c in plain)


def in_postgres(house: House) -> Iterator[Record]:
    """Every cell of every table of the site's database."""
    with psycopg.connect(house.database_url) as connection:
        for schema, table in connection.execute(TABLES).fetchall():
            query = sql.SQL("COPY {} TO STDOUT (FORMAT csv)").format(sql.Identifier(schema, table))
            with connection.cursor().copy(query) as copy:
                for row in copy:  # one row at a time, whatever line ends are in it
                    for cell in next(csv.reader(io.StringIO(bytes(row).decode(), newline=""))):
                        yield table, _unpacked(cell)


def _unpacked(cell: str) -> str:
    if match := BYTES.fullmatch(cell):
        return bytes.fromhex(match.group(1)).decode(errors="replace")
    if match := SIGNED.fullmatch(cell):
        try:
            raw = base64.urlsafe_b64decode(match.group(1).lstrip(".") + "==")
            return (zlib.decompress(raw) if cell.startswith(".") else raw).decode(errors="replace")
        except (ValueError, zlib.error):
            return cell
    return cell


def in_valkey(house: House) -> Iterator[Record]:
    """Every key of every database, with its value."""
    client: Any = redis.Redis.from_url(house.redis_url)
    with client:
        for name in client.info("keyspace"):
            with redis.Redis.from_url(house.redis_url, db=int(name.removeprefix("db"))) as one:
                for key in one.scan_iter(count=500):
                    yield "valkey", key.decode(errors="replace")
                    for value in _values(one, key):
                        yield "valkey", value.decode(errors="replace")


def _values(client: Any, key: bytes) -> list[bytes]:
    """Any: redis-py types every answer as perhaps awaitable."""
    read: dict[bytes, Callable[[], list[bytes | None]]] = {
        b"string": lambda: [client.get(key)],
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: list(client.smembers(key)),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        b"stream": lambda: [repr(client.xrange(key)).encode()],
    }
    return [value for value in read.get(client.type(key), list)() if value is not None]


def in_files(house: House) -> Iterator[Record]:
    """Every line of every log, and every other file that the house keeps."""
    for path in sorted(house.data_dir.rglob("*")):
        parts = path.relative_to(house.data_dir).parts
        if parts[0] in OTHERS or path.name in OUTSIDE or not path.is_file():
            continue
        place = f"log {path.name}" if parts[0] == "logs" else "/".join(parts)
        lines = path.read_bytes().decode(errors="replace").split("\n")
        for at, line in enumerate(lines):
            yield place, line
            if at:  # a number may go over two lines
                yield place, "\n".join(lines[at - 1 : at + 1])[-400:]


class Passing:
    """Everything that goes through Valkey from `with` to its end: what is published is in no key afterwards."""

    def __init__(self, house: House) -> None:
        self.client: Any = redis.Redis.from_url(house.redis_url)
        self.commands: list[str] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Passing":
        self.thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self.over.set()
        self.client.ping()  # wakes it
        self.thread.join(5)
        self.client.close()

    def _listen(self) -> None:
        with self.client.monitor() as monitor:
            for said in monitor.listen():
                self.commands.append(said["command"])
                if self.over.is_set():
                    return

    def records(self) -> Iterator[Record]:
        for command in self.commands:
            yield "passing through valkey", command


def search(house: House, wanted: Wanted, passing: Passing) -> dict[str, int]:
    """Look everywhere; `wanted` knows afterwards what was found, and where. Returns how much was looked through."""
    places = {
        "cells": in_postgres(house),
        "keys": in_valkey(house),
        "commands": passing.records(),
        "lines": in_files(house),
    }
    return {name: wanted.look(records) for name, records in places.items()}

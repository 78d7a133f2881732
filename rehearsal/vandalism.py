"""Takes an audit trail's tables and its anchor file, leaves one thing in them that is not as it was: the acts of
somebody who owns the database and the file, and has everything but the key."""

import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Act = Callable[[psycopg.Connection, Path, random.Random], None]

SWITCH_OFF: LiteralString = """
ALTER TABLE conversations_auditevent DISABLE TRIGGER trail_append_only;
ALTER TABLE conversations_auditseal DISABLE TRIGGER trail_append_only;
"""
SWITCH_ON: LiteralString = """
ALTER TABLE conversations_auditevent ENABLE ALWAYS TRIGGER trail_append_only;
ALTER TABLE conversations_auditseal ENABLE ALWAYS TRIGGER trail_append_only;
"""
EVENT, SEAL = "conversations_auditevent", "conversations_auditseal"
COLUMNS = ("id", "at", "verb", "case_id", "user_id", "actor", "data", "nonce", "mac", "xact")
SEAL_COLUMNS = (
    "number", "base", "from_xact", "upto_xact", "last_id", "rows", "total", "digest", "previous", "mac", "sealed_at",
)  # fmt: skip
UNKEYED: LiteralString = "sha256(convert_to(concat_ws('|', at, verb, case_id, user_id, actor, data, nonce), 'UTF8'))"
Row = dict[str, Any]


def change_a_line(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """One column of one line, sometimes by a single bit."""
    row = _one(books, chance, EVENT)
    column = chance.choice(COLUMNS)
    _set(books, EVENT, "id", row["id"], column, _other(row[column], chance))


def change_a_line_and_its_hash(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """What helps against a chain without a key: the hash is made to fit."""
    row = _one(books, chance, EVENT)
    column = chance.choice(("at", "verb", "case_id", "user_id", "actor", "data"))
    _set(books, EVENT, "id", row["id"], column, _other(row[column], chance))
    books.execute(
        sql.SQL("UPDATE conversations_auditevent SET mac = {} WHERE id = %s").format(sql.SQL(UNKEYED)), [row["id"]]
    )


def remove_lines(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """One, or some that stand together."""
    row = _one(books, chance, EVENT)
    books.execute(
        "DELETE FROM conversations_auditevent WHERE id BETWEEN %s AND %s",
        [row["id"], row["id"] + chance.choice((0, 0, 0, 1, 5))],
    )


def remove_a_line_and_mend_the_seal(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """The seal counts and digests what is left, so that only its MAC does not fit."""
    row = _one(books, chance, EVENT)
    books.execute("DELETE FROM conversations_auditevent WHERE id = %s", [row["id"]])
    books.execute(
        "UPDATE conversations_auditseal SET rows = rows - 1, total = total - 1, digest = sha256(coalesce("
        "(SELECT string_agg(int8send(id) || int8send(xact) || mac, '' ORDER BY xact, id) FROM conversations_auditevent "
        "WHERE xact > from_xact AND xact <= upto_xact), '')) WHERE from_xact < %s AND upto_xact >= %s AND rows > 1",
        [row["xact"], row["xact"]],
    )


def insert_a_line(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """One that nobody wrote, now or in the past, with a hash of some kind."""
    like = _one(books, chance, EVENT)
    values = [like[name] for name in ("at", "verb", "case_id", "user_id", "actor")]
    xact = chance.choice((like["xact"], like["xact"] + 1_000_000))
    [made] = books.execute(
        "INSERT INTO conversations_auditevent (at, verb, case_id, user_id, actor, data, nonce, mac, xact) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        [*values, json.dumps({"limit": chance.random()}), chance.randbytes(16), chance.randbytes(32), xact],
    ).fetchone() or [0]
    if chance.random() < 0.5:
        books.execute(
            sql.SQL("UPDATE conversations_auditevent SET mac = {} WHERE id = %s").format(sql.SQL(UNKEYED)), [made]
        )


def insert_a_copy(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """A line that was really written, a second time: its MAC is right."""
    books.execute(
        "INSERT INTO conversations_auditevent (at, verb, case_id, user_id, actor, data, nonce, mac) "
        "SELECT at, verb, case_id, user_id, actor, data, nonce, mac FROM conversations_auditevent WHERE id = %s",
        [_one(books, chance, EVENT)["id"]],
    )


def exchange_lines(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """Two lines swap places, or one of their columns."""
    one, other = _one(books, chance, EVENT), _one(books, chance, EVENT)
    names = chance.choice((COLUMNS[1:-1], COLUMNS[1:], ("data",), ("mac",), ("at",), ("xact",), ("nonce", "mac")))
    for row, giver in ((one, other), (other, one)):
        for name in names:
            _set(books, EVENT, "id", row["id"], name, giver[name])


def cut_the_end(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """The last lines, the last seals, or both together."""
    seal = _one(books, chance, SEAL)
    what = chance.choice(("lines", "seals", "both"))
    if what != "seals":
        books.execute("DELETE FROM conversations_auditevent WHERE xact > %s", [seal["from_xact"]])
    if what != "lines":
        books.execute("DELETE FROM conversations_auditseal WHERE number >= %s", [seal["number"]])


def change_a_seal(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """One column of one seal."""
    row = _one(books, chance, SEAL)
    column = chance.choice(SEAL_COLUMNS)
    _set(books, SEAL, "number", row["number"], column, _other(row[column], chance))


def change_a_seal_and_its_hash(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """The hash is made to fit in the seal, in the next one and in the anchor file: without the key it cannot."""
    row = _one(books, chance, SEAL)
    digest = hashlib.sha256(chance.randbytes(32)).digest()
    mac = hashlib.sha256(digest).digest()
    _set(books, SEAL, "number", row["number"], "digest", digest)
    _set(books, SEAL, "number", row["number"], "mac", mac)
    _set(books, SEAL, "number", row["number"] + 1, "previous", mac)
    anchors.write_bytes(anchors.read_bytes().replace(bytes(row["mac"]).hex().encode(), mac.hex().encode()))


def remove_a_seal(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """From the middle; sometimes those after it close up."""
    row = _one(books, chance, SEAL)
    books.execute("DELETE FROM conversations_auditseal WHERE number = %s", [row["number"]])
    if chance.random() < 0.5:
        later = books.execute(
            "SELECT number FROM conversations_auditseal WHERE number > %s ORDER BY number", [row["number"]]
        ).fetchall()
        for (number,) in later:
            _set(books, SEAL, "number", number, "number", number - 1)


def change_the_anchors(books: psycopg.Connection, anchors: Path, chance: random.Random) -> None:
    """The file: a character, a line taken out or doubled, its end or its beginning cut off, all of it.

    Its very last line alone may be missing (a sealer that was killed leaves it so, and the next one adds it).
    """
    lines = anchors.read_bytes().splitlines(keepends=True)
    where = chance.randrange(len(lines) - 1)
    what = chance.choice(("character", "remove", "double", "end", "beginning", "all"))
    if what == "character":
        at = chance.randrange(len(lines[where]))
        lines[where] = lines[where][:at] + chance.choice((b"7", b"x", b"\n")) + lines[where][at + 1 :]
    elif what in {"remove", "double"}:
        lines[where : where + 1] = [lines[where]] * (2 if what == "double" else 0)
    elif what == "end":
        lines = lines[:where]
    elif what == "beginning":
        lines = lines[where + 1 :]
    if what == "all":
        os.unlink(anchors)
    else:
        anchors.write_bytes(b"".join(lines))


ACTS: tuple[Act, ...] = (
    change_a_line,
    change_a_line_and_its_hash,
    remove_lines,
    remove_a_line_and_mend_the_seal,
    insert_a_line,
    insert_a_copy,
    exchange_lines,
    cut_the_end,
    change_a_seal,
    change_a_seal_and_its_hash,
    remove_a_seal,
    change_the_anchors,
)


def _one(books: psycopg.Connection, chance: random.Random, table: str) -> Row:
    """A row, any of them."""
    with books.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(table))).fetchall()
    return chance.choice(rows)


def _set(books: psycopg.Connection, table: str, key: str, row: Any, column: str, value: Any) -> None:
    books.execute(
        sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s").format(*map(sql.Identifier, (table, column, key))),
        [json.dumps(value) if column == "data" else value, row],
    )


def _other(value: Any, chance: random.Random) -> Any:
    """Another value of the same type, as near as can be or far away."""
    if isinstance(value, bytes):
        at = chance.randrange(len(value) * 8)
        return bytes(byte ^ (1 << at % 8 if index == at // 8 else 0) for index, byte in enumerate(value))
    if isinstance(value, dict):
        changed = dict(value)
        if changed and chance.random() < 0.7:
            key = chance.choice(sorted(changed))
            changed[key] = _other(changed[key], chance)
        else:
            changed["by"] = "somebody"
        return changed
    if isinstance(value, bool) or value is None:
        return 1 if value is None else not value
    if isinstance(value, int):
        return value + chance.choice((-1, 1, 2, 1 << chance.randrange(30)))
    if isinstance(value, float):
        return value + 0.5
    if isinstance(value, str):
        at = chance.randrange(len(value) + 1)
        return value[:at] + chance.choice("abcxyz") + value[at + chance.randrange(2) :]
    if isinstance(value, list):
        return [*value, 1]
    return value.replace(microsecond=(value.microsecond + 1 + chance.randrange(999_999)) % 1_000_000)

"""The trail is sealed: whatever is changed, taken out, put in or cut off is found, and what is whole is not blamed."""

import importlib
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from conversations import audit, seals
from conversations.models import AuditEvent, AuditSeal
from conversations.seals import sealing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def anchors(settings, tmp_path):
    """An anchor file of the test's own."""
    settings.AUDIT_ANCHORS = str(tmp_path / "anchors")
    return tmp_path / "anchors"


def write(count=1, **data):
    return [audit.record("budget", actor="supervisor", data={"limit": n, **data}) for n in range(count)]


def finished():
    """Whether no transaction on this server began before the newest line was written."""
    with connection.cursor() as sql:
        sql.execute(
            "SELECT count(*) FROM conversations_auditevent, pg_current_snapshot() AS here"
            " WHERE xact >= pg_snapshot_xmin(here)::text::bigint AND xact < pg_snapshot_xmax(here)::text::bigint"
        )
        return sql.fetchone()[0] == 0


def sealed():
    """Seal until nothing is left: the transactions of other tests on this server may hold it back for a moment."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if finished():  # so that lines of one call stand in one seal
            seals.seal()
        if (newest := AuditSeal.objects.order_by("number").last()) and newest.total == AuditEvent.objects.count():
            return newest
        time.sleep(0.01)
    raise AssertionError("lines are still not sealed")


def trail(groups=3, each=4):
    """So many seals of so many lines."""
    for _ in range(groups):
        write(each)
        sealed()


@contextmanager
def almighty():
    """SQL as somebody who switches the triggers off."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER trail_append_only")
        yield cursor.execute
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER trail_append_only")


def tampered(statement):
    """What a verification finds after that, which is undone again."""
    noted = Path(settings.AUDIT_ANCHORS).read_bytes()
    with transaction.atomic():
        with almighty() as run:
            run(statement)
        report = seals.verify()
        transaction.set_rollback(True)
    Path(settings.AUDIT_ANCHORS).write_bytes(noted)
    return report


def test_a_whole_trail_is_clean(anchors):
    trail()
    report = seals.verify()
    assert (report.findings, report.is_clean, report.lines, report.unsealed) == ([], True, 12, 0)
    assert report.seals == AuditSeal.objects.count() == len(anchors.read_text().splitlines()) >= 3
    assert anchors.stat().st_mode & 0o777 == 0o600


def test_an_empty_trail_is_clean():
    assert seals.verify().is_clean


TABLES = ("conversations_auditevent", "conversations_auditseal")


def attempt(statement, table):
    """As a session that plays a replica, which skips ordinary triggers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER trail_not_emptied")  # the tests' database has it off
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)


def test_the_database_refuses_to_change_or_empty_the_trail():
    trail(1)
    for act in ("UPDATE {} SET mac = ''", "DELETE FROM {}", "DELETE FROM {} WHERE false", "TRUNCATE {}"):
        for table in TABLES:
            with pytest.raises(IntegrityError, match="append-only"):
                attempt(act.format(table), table)
    assert seals.verify().lines == 4


SECOND = "(SELECT id FROM conversations_auditevent ORDER BY id OFFSET 5 LIMIT 1)"


CHANGES = [
    ("at", "at + interval '1 microsecond'"),
    ("at", "'infinity'"),
    ("verb", "'stopped'"),
    ("actor", "'agent'"),
    ("data", "data || '{\"limit\": 1.0}'"),
    ("data", "'{}'"),
    ("data", "repeat('[', 3000)::text || repeat(']', 3000)"),
    ("nonce", "set_byte(nonce, 3, get_byte(nonce, 3) # 1)"),
    ("mac", "set_byte(mac, 31, get_byte(mac, 31) # 128)"),
    ("mac", "sha256(verb::bytea)"),
    ("mac", "''"),
    ("id", "id + 1000000"),
    ("id", "-id"),
    ("xact", "xact + 1000000"),
    ("xact", "xact - 1"),
]


def test_a_line_that_was_changed_is_found():
    trail()
    for column, value in CHANGES:
        value = f"({value})::jsonb" if column == "data" else value
        report = tampered(f"UPDATE conversations_auditevent SET {column} = {value} WHERE id = {SECOND}")
        assert report.findings, (column, value)
    assert seals.verify().is_clean


def test_each_finding_says_what_it_is():
    trail()
    second = AuditEvent.objects.order_by("pk")[5].pk
    assert tampered(f"UPDATE conversations_auditevent SET actor = 'x' WHERE id = {second}").findings == [
        f"Line {second} (budget) was changed, or written without the key."
    ]
    report = tampered(f"DELETE FROM conversations_auditevent WHERE id = {second}")
    assert report.findings == ["Lines were removed from seal 2: 3 of 4 are left."]


REMOVALS = [
    (f"DELETE FROM conversations_auditevent WHERE id = {SECOND}", "Lines were removed"),
    ("DELETE FROM conversations_auditevent", "Lines were removed"),
    ("DELETE FROM conversations_auditseal WHERE number = 1", "Seals were removed: seal 1"),
    ("DELETE FROM conversations_auditseal WHERE number = 2", "Seals were removed: seal 2"),
    ("DELETE FROM conversations_auditseal WHERE number = 3", "was cut, or an older database was restored"),
    ("DELETE FROM conversations_auditseal", "was cut, or an older database was restored"),
    ("UPDATE conversations_auditseal SET mac = sha256(digest) WHERE number = 3", "was changed, or made without"),
    ("UPDATE conversations_auditseal SET sealed_at = 'infinity' WHERE number = 3", "was changed, or made without"),
    ("UPDATE conversations_auditseal SET rows = rows + 1 WHERE number = 1", "does not count on"),
    ("UPDATE conversations_auditseal SET base = 5 WHERE number = 2", "was changed, or made without"),
    ("UPDATE conversations_auditseal SET number = 7 WHERE number = 3", "Seals were removed: seals 3 to 6"),
]


def test_what_was_taken_out_or_changed_is_found():
    trail()
    for statement, said in REMOVALS:
        report = tampered(statement)
        assert any(said in sentence for sentence in report.findings), (statement, report.findings)
    assert seals.verify().is_clean


COLUMNS = "at, verb, case_id, user_id, actor, data, nonce, mac"


def test_a_line_put_in_without_the_key_is_found():
    trail()
    for xact in ("DEFAULT", "(SELECT min(xact) FROM conversations_auditevent)"):
        forged = f"VALUES (now(), 'closed', NULL, NULL, 'agent', '{{}}', sha256('n'), sha256('m'), {xact})"
        report = tampered(f"INSERT INTO conversations_auditevent ({COLUMNS}, xact) {forged}")
        assert any("written without the key" in sentence for sentence in report.findings), xact
    report = tampered(
        f"INSERT INTO conversations_auditevent ({COLUMNS}) "
        f"SELECT {COLUMNS} FROM conversations_auditevent WHERE id = {SECOND}"
    )
    assert any("are copies of line" in sentence for sentence in report.findings)


def test_two_lines_that_were_exchanged_are_found():
    trail()
    report = tampered(
        "UPDATE conversations_auditevent a SET mac = b.mac, nonce = b.nonce, data = b.data, at = b.at "
        "FROM conversations_auditevent b, (SELECT min(id) AS first FROM conversations_auditevent) AS m "
        "WHERE (a.id, b.id) IN ((m.first, m.first + 1), (m.first + 1, m.first))"
    )
    assert report.findings == ["Lines of seal 1 were exchanged, moved or renumbered."]


def test_the_end_cut_off_lines_and_seals_together_is_found_by_the_anchor_file():
    trail()
    with almighty() as run:
        run("DELETE FROM conversations_auditevent WHERE xact > (SELECT upto_xact FROM conversations_auditseal "
            "WHERE number = 2)")  # fmt: skip
        run("DELETE FROM conversations_auditseal WHERE number > 2")
    assert seals.verify().findings == [
        "The end of the trail was cut, or an older database was restored: the anchor file knows seal 3, which the "
        "database does not have."
    ]
    write()
    with pytest.raises(seals.SealingRests, match="the trail was cut"):
        seals.seal()


EDITS = [
    (lambda lines: lines[1:], "lacks seal 1"),
    (lambda lines: lines[:1] + lines[2:], "lacks seal 2"),
    (lambda lines: lines[:1], "lacks seals 2 to 3"),
    (lambda lines: [lines[0][:5] + "z" + lines[0][6:], *lines[1:]], "notes another seal 1"),
    (lambda lines: [lines[1], lines[0], lines[2]], "in the wrong place"),
    (lambda lines: [*lines[:2], "rubbish\n", lines[2]], "cannot be read"),
    (lambda lines: [*lines[:2], lines[2].rstrip()], "cannot be read"),
]


def test_an_anchor_file_that_was_changed_is_found(anchors):
    trail()
    whole = anchors.read_text()
    for change, said in EDITS:
        anchors.write_text("".join(change(whole.splitlines(keepends=True))))
        report = seals.verify()
        assert any(said in sentence for sentence in report.findings), report.findings


def test_an_anchor_file_that_is_gone_is_found_and_stays_found(anchors):
    trail()
    anchors.unlink()
    assert "lacks seals 1 to 3" in seals.verify().findings[0]
    write()
    sealed()
    assert [line.split()[0] for line in anchors.read_text().splitlines()] == ["4"]
    assert "lacks seals 1 to 3" in seals.verify().findings[0]


def test_a_sealer_that_was_killed_before_it_noted_the_seal_leaves_no_gap(anchors):
    trail(2)
    whole = anchors.read_text()
    anchors.write_text(whole.splitlines(keepends=True)[0])
    assert seals.verify().is_clean
    assert anchors.read_text() == whole


def test_another_key_is_named_and_seals_nothing(settings):
    trail()
    write()
    settings.AUDIT_KEY = "another key of the same length, which is not ours"
    report = seals.verify()
    assert (len(report.findings), report.found) == (1, 1)
    assert "Nothing here fits AUDIT_KEY" in report.findings[0]
    assert AuditSeal.objects.count() == 3


def test_without_a_key_or_a_file_it_says_what_to_do(settings, tmp_path):
    trail(1)
    settings.AUDIT_ANCHORS = ""
    assert "AUDIT_ANCHORS is not set" in " ".join(seals.verify().findings)
    settings.AUDIT_ANCHORS = str(tmp_path / "nowhere" / "anchors")
    write()
    with pytest.raises(seals.SealingRests, match="cannot be used"):
        seals.seal()
    settings.AUDIT_KEY = ""
    with pytest.raises(Exception, match="AUDIT_KEY is not set"):
        write()


def test_a_line_of_a_transaction_that_still_runs_is_not_passed_over():
    """Ids are taken before the commit: sealing by ids would close over the slower line."""
    trail(1)
    written, go_on = threading.Event(), threading.Event()

    def slow():
        try:
            with transaction.atomic():
                write()
                written.set()
                go_on.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    written.wait(10)
    write(2)
    assert seals.seal() is None
    report = seals.verify()
    assert (report.is_clean, report.unsealed) == (True, 2)
    assert report.oldest_unsealed is not None
    go_on.set()
    thread.join()
    sealed()
    report = seals.verify()
    assert (report.is_clean, report.lines, report.unsealed) == (True, 7, 0)


def test_two_sealers_make_one_chain():
    write(30)
    threads = [threading.Thread(target=lambda: (seals.seal(), connection.close())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed()
    assert seals.verify().is_clean


@pytest.mark.parametrize("late", [0, 3], ids=["sealed at the start", "lines written before the sealer ran"])
def test_a_copy_in_a_server_that_counts_from_lower_numbers_verifies_and_goes_on(late):
    """A dump keeps the columns; the new server's transactions begin far below them. Some lines were not sealed yet."""
    trail(2)
    write(2)
    with almighty() as run:  # as if the old server had counted up to a billion
        run("UPDATE conversations_auditevent SET xact = xact + 1000000000")
        run("DELETE FROM conversations_auditseal")
        os.unlink(sealing.settings.AUDIT_ANCHORS)
        first = AuditEvent.objects.order_by("id")[3]
    old_server(upto=first.xact)
    write(late)
    sealed()
    write(2)
    sealed()
    report = seals.verify()
    assert (report.findings, report.lines, report.unsealed) == ([], 12 + late, 0)
    assert AuditSeal.objects.values("base").distinct().count() == 2
    forged = AuditEvent.objects.order_by("id")[9]
    assert not tampered(f"DELETE FROM conversations_auditevent WHERE id = {forged.pk}").is_clean


def old_server(upto):
    """The first seal, as the old server left it."""
    seal = sealing._sealed(None, base=0, start=0, upto=upto)
    seal.save(force_insert=True)
    sealing.anchors.append([seal])


def test_a_seal_of_another_copy_of_the_trail_does_not_fit():
    """A copy of the database that was sealed on with the same key has seals whose own MACs are right."""
    trail()
    second = sealing.chain()[1]
    second.previous = os.urandom(32)
    report = tampered(
        f"UPDATE conversations_auditseal SET previous = '\\x{second.previous.hex()}', "
        f"mac = '\\x{sealing.sealed(second, second.at).hex()}' WHERE number = 2"
    )
    assert "Seal 2 does not follow the seal before it: the chain is cut." in report.findings


def test_lines_from_before_the_trail_was_sealed_get_their_macs():
    write(3, by="somebody")
    with almighty() as run:
        run("UPDATE conversations_auditevent SET nonce = '', mac = ''")
        assert not seals.verify().is_clean
        run("DELETE FROM conversations_auditseal")
        Path(settings.AUDIT_ANCHORS).unlink(missing_ok=True)
        importlib.import_module("conversations.migrations.0004_trail").give_macs(apps, None)
    assert (seals.verify().findings, seals.verify().lines) == ([], 3)

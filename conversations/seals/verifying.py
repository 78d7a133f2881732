"""Takes the whole trail, its seals and the anchor file, leaves a sentence for everything that does not add up.

Lines and seals are read as streams, in the order of their transactions, from what the columns say: a database that was
restored elsewhere is verified the same way. What is below the newest seal never changes, so nothing is held still.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as say

from citisocial.clock import now
from conversations import audit
from conversations.models import AuditEvent, AuditSeal
from conversations.seals import anchors
from conversations.seals.anchors import Anchor
from conversations.seals.sealing import NOTHING, Micros, SealingRests, alone, chain, counted, seal, sealed

MOST = 100  # sentences; the others are counted
CHUNK = 5000
Progress = Callable[[int, int], None]  # lines looked at, lines there are


@dataclass
class Report:
    """What one verification saw. `unsealed` lines were written in the last seconds, or by who still is at it."""

    at: datetime
    lines: int = 0
    seals: int = 0
    unsealed: int = 0
    oldest_unsealed: datetime | None = None
    findings: list[str] = field(default_factory=list)
    found: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.found

    def find(self, sentence: str) -> None:
        """Something is wrong."""
        self.found += 1
        if len(self.findings) < MOST:
            self.findings.append(sentence)


def verify(progress: Progress = lambda done, of: None) -> Report:
    """Seal what is finished, then look at every line, every seal and the anchor file."""
    rests = ""
    try:
        seal()
    except SealingRests as why:
        rests = str(why)
    with alone(wait=True):  # so that the file and the newest seal belong together
        newest = chain().last()
        length = anchors.size() if settings.AUDIT_ANCHORS else 0
    look = _Look(Report(at=now()), newest, progress)
    with transaction.atomic():  # cursors of the server live as long as their transaction
        look.at_seals(length)
        look.at_copies()
    look.sum_up(rests)
    return look.report


class _Look:
    """One verification on its way."""

    def __init__(self, report: Report, newest: AuditSeal | None, progress: Progress) -> None:
        self.report = report
        self.newest = newest
        self.progress = progress
        self.total = newest.total if newest else 0
        self.bad_lines = self.bad_seals = 0

    def at_seals(self, length: int) -> None:
        """Seal by seal, with the lines that each covers, and the file beside them; then the lines not sealed yet."""
        upto = self.newest.number if self.newest else 0
        seals = chain().filter(number__lte=upto)
        bases = sorted(AuditSeal.objects.values_list("base", flat=True).distinct())
        file, lines, before = _Noted(self.report, length), iter(()), None
        line: Any = None
        for each in seals.iterator(chunk_size=CHUNK):
            if before is None or each.base != before.base:
                self._strays(line, lines)
                lines = _lines(each.base, next((base for base in bases if base > each.base), None))
                line = next(lines, None)
            self._chained(before, each)
            line = self._covered(each, line, lines)
            file.compare(each)
            before = each
            self.report.seals += 1
        if before is None:
            lines = _lines(0, None)
            line = next(lines, None)
        self._unsealed(line, lines)
        file.end(upto)

    def _chained(self, before: Any, each: Any) -> None:
        """The seal's own MAC, and that it goes on where the one before ended."""
        name = say("Seal %(number)s") % {"number": each.number}
        if not hmac.compare_digest(bytes(each.mac), sealed(each, each.at)):
            self.bad_seals += 1
            self.report.find(say("%(seal)s was changed, or made without the key.") % {"seal": name})
        number, mac = (before.number, bytes(before.mac)) if before else (0, NOTHING)
        if each.number != number + 1:
            missing = _span(number + 1, each.number - 1)
            self.report.find(say("Seals were removed: %(missing)s.") % {"missing": missing})
        elif bytes(each.previous) != mac:
            self.report.find(say("%(seal)s does not follow the seal before it: the chain is cut.") % {"seal": name})
        if before is None:
            goes_on = each.base == each.from_xact == 0
        elif each.base == before.base:
            goes_on = each.from_xact == before.upto_xact
        else:
            goes_on = each.base > before.base and each.from_xact == 0
        if not goes_on or each.total != (before.total if before else 0) + each.rows:
            self.report.find(say("%(seal)s does not count on from the seal before it.") % {"seal": name})

    def _covered(self, each: AuditSeal, line: Any, lines: Iterator[Any]) -> Any:
        """The lines that the seal covers, against its digest. Returns the first line after them."""
        digest, rows, bad = hashlib.sha256(), 0, self.bad_lines
        while line is not None and line.xact <= each.upto_xact:
            self._line(line)
            digest.update(counted(line))
            rows += 1
            line = next(lines, None)
        values = {"number": each.number, "rows": each.rows, "found": rows}
        if rows < each.rows:
            self.report.find(say("Lines were removed from seal %(number)s: %(found)s of %(rows)s are left.") % values)
        elif rows > each.rows:
            self.report.find(say("Lines were put into seal %(number)s: %(found)s instead of %(rows)s.") % values)
        elif digest.digest() != bytes(each.digest) and bad == self.bad_lines:
            self.report.find(say("Lines of seal %(number)s were exchanged, moved or renumbered.") % values)
        return line

    def _line(self, line: Any) -> None:
        """One line's own MAC."""
        self.report.lines += 1
        if self.report.lines % 1000 == 0:
            self.progress(self.report.lines, self.total)
        try:
            mac = audit.mac(line, line.micros, line.text)
        except (ValueError, RecursionError):  # JSON that nothing of ours has written
            mac = NOTHING
        if not hmac.compare_digest(bytes(line.mac), mac):
            self.bad_lines += 1
            self.report.find(
                say("Line %(id)s (%(verb)s) was changed, or written without the key.")
                % {"id": line.id, "verb": line.verb}
            )

    def _strays(self, line: Any, lines: Iterator[Any]) -> None:
        """Lines from before a restore that no seal covers: the restore sealed what there was."""
        while line is not None:
            self._line(line)
            self.report.find(say("Line %(id)s was put in after its time was sealed.") % {"id": line.id})
            line = next(lines, None)

    def _unsealed(self, line: Any, lines: Iterator[Any]) -> None:
        """What is not sealed yet: each line's own MAC is all there is to look at."""
        while line is not None:
            self._line(line)
            self.report.unsealed += 1
            if line.micros.isdecimal():
                since = audit.EPOCH + timedelta(microseconds=int(line.micros))
                self.report.oldest_unsealed = min(since, self.report.oldest_unsealed or since)
            line = next(lines, None)

    def at_copies(self) -> None:
        """A line written twice has a MAC that is right; but no two lines that were recorded have the same."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT array_agg(id ORDER BY id) FROM conversations_auditevent GROUP BY mac HAVING count(*) > 1 "
                "LIMIT %s",
                [MOST],
            )
            for [ids] in cursor.fetchall():
                self.report.find(
                    say("Lines %(ids)s are copies of line %(first)s.")
                    % {"ids": ", ".join(map(str, ids[1:])), "first": ids[0]}
                )

    def sum_up(self, rests: str) -> None:
        """One sentence instead of thousands when the key is another one; why sealing rests, when nothing else says."""
        seen, seals = self.report.lines, self.report.seals
        if seen and self.bad_lines == seen and self.bad_seals == seals:
            self.report.findings = [
                say(
                    "Nothing here fits AUDIT_KEY: it is not the key that this trail was written with. Put the right "
                    "one back (AUDIT_KEY, or the file that AUDIT_KEY_FILE names) and verify again."
                )
            ]
            self.report.found = 1
        elif rests and not self.report.found:
            self.report.find(rests)


class _Noted:
    """The anchor file, read beside the seals."""

    def __init__(self, report: Report, length: int) -> None:
        self.report = report
        self.lines = anchors.read(length)
        self.line: Anchor | None = next(self.lines, None)
        self.missing: list[int] = []

    def compare(self, each: AuditSeal) -> None:
        """The line of this seal, which must be the next one."""
        while self.line is not None and self.line.number < each.number:
            self.report.find(
                say("The anchor file has a line of seal %(number)s in the wrong place, or one that cannot be read.")
                % {"number": self.line.number}
            )
            self.line = next(self.lines, None)
        if self.line is None or self.line.number > each.number:
            self.missing.append(each.number)
            return
        if self.line != Anchor.of(each):
            self.report.find(
                say("The anchor file notes another seal %(number)s: the seal or the file was changed.")
                % {"number": each.number}
            )
        self.line = next(self.lines, None)

    def end(self, upto: int) -> None:
        """What one of the two has and the other has not."""
        if self.missing:
            self.report.find(
                say(
                    "The anchor file %(file)s lacks %(missing)s: it was cut or is another one. Put it back from its "
                    "copy, with the lines that came since."
                )
                % {"file": settings.AUDIT_ANCHORS or say("(AUDIT_ANCHORS is not set)"), "missing": _spans(self.missing)}
            )
        if self.line is not None:
            last = max(upto + 1, *(each.number for each in (self.line, *self.lines)))
            self.report.find(
                say(
                    "The end of the trail was cut, or an older database was restored: the anchor file knows %(gone)s, "
                    "which the database does not have."
                )
                % {"gone": _span(upto + 1, last)}
            )


def _lines(base: int, end: int | None) -> Iterator[Any]:
    """The lines with ids after `base`, up to `end`, as they are sealed; `micros` is when, `text` is data as JSON."""
    lines = AuditEvent.objects.filter(id__gt=base)
    if end is not None:
        lines = lines.filter(id__lte=end)
    lines = lines.defer("at", "data").annotate(micros=Micros("at"), text=Cast("data", TextField()))
    return lines.order_by("xact", "id").iterator(chunk_size=CHUNK)


def _spans(numbers: list[int]) -> str:
    """Each run of numbers in words: seal 3, seals 5 to 9."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(_span(first, last) for first, last in runs[:10]) + (" …" if len(runs) > 10 else "")


def _span(first: int, last: int) -> str:
    if first >= last:
        return say("seal %(first)s") % {"first": first}
    return say("seals %(first)s to %(last)s") % {"first": first, "last": last}

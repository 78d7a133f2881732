"""Takes log records, leaves lines without private details: the last door before a file that nobody masks again.

Nothing of ours logs what people wrote. But servers and libraries quote what they were sent: a path, a host name, a row
that the database refused.
"""

import logging
import re
from urllib.parse import unquote

from conversations.masking import mask

# PostgreSQL quotes whole rows below an error: "DETAIL:  Failing row contains (…)".
QUOTED = re.compile(r"^(?:DETAIL|CONTEXT|QUERY|STATEMENT): .*\n?", re.MULTILINE)
# How an address, a repr and JSON write what is not plain; a number may hide in it.
PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
BYTES = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
POINT = re.compile(r"\\u([0-9A-Fa-f]{4})")


class Line(logging.Formatter):
    """A line as its format says, traceback and all, masked."""

    def format(self, record: logging.LogRecord) -> str:
        line = QUOTED.sub("", super().format(record))
        masked = mask(unescaped(line))
        return masked.text if masked.found else line


def unescaped(line: str) -> str:
    """With escapes read; those of control characters become spaces, for a line stays one line."""
    line = PERCENT.sub(lambda m: _harmless(unquote(m.group(), errors="replace")), line)
    line = BYTES.sub(lambda m: _harmless(bytes.fromhex(m.group().replace("\\x", "")).decode(errors="replace")), line)
    return POINT.sub(lambda m: _harmless(chr(int(m.group(1), 16))), line)


def _harmless(text: str) -> str:
    return "".join(char if char.isprintable() or char > "\x9f" else " " for char in text)

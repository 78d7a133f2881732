"""Addresses of foreign places in the disguises that open redirects let through: ours, and those of the shared data."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CITISOCIAL_DATA", ROOT.parent / "shared" / "data")) / "attack_strings"
OWN = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "\x01//evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http://testserver@evil.example/",
    "http://testserver.evil.example/",
    "http://testserver:80@evil.example",
    "http://localhost:8000.evil.example/",
    "//testserver%2eevil.example",
    "/%2f%2fevil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "/\r\nLocation: https://evil.example",
    "javascript:alert(1)//",
    "data:text/html,hi",
    "//еvil.example",  # a Cyrillic letter
    "//evil。example",
    "http:evil.example",
    "//[::1]/",
    ".evil.example",
    "@evil.example",
]


def payloads() -> list[str]:
    """Ours, and those of the shared data where they are."""
    listed = DATA / "open_redirect_payloadsallthethings_excerpt.txt"
    return [*OWN, *listed.read_text(encoding="utf-8").splitlines()] if listed.is_file() else OWN

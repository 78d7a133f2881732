"""A small replay with all kinds of rows: everything is accounted for, to the row."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from citisocial.servers import House

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = [
    "id",
    "created_at",
    "author",
    "author_is_brand",
    "in_reply_to_id",
    "in_reply_to_author",
    "is_retweet",
    "text",
]

pytestmark = pytest.mark.xdist_group("walk")


def line(number: int, author: str, text: str, *, to: str = "", to_author: str = "", retweet: bool = False) -> list[str]:
    brand = "1" if author == "AskCiti" else "0"
    return [str(number), "2015-01-06T04:47:17Z", author, brand, to, to_author, str(int(retweet)), text]


COMPLAINTS = [line(n, f"cust_{n}", f"@AskCiti my card was declined {n} times today, please help") for n in range(1, 13)]
AGAIN = [line(20 + n, f"cust_{n}", f"@AskCiti hello? It is still declined, {n}", to=str(n), to_author=f"cust_{n}")
         for n in range(1, 4)]  # fmt: skip
OWN = [line(30 + n, "AskCiti", f"@cust_{n} sorry to hear that, please follow us. ^MT", to=str(n), to_author=f"cust_{n}")
       for n in range(1, 4)]  # fmt: skip
OWN_NAMING_US = [line(34, "AskCiti", "Citi never asks for your password. Write to @AskCiti when in doubt.")]
RETWEETS = [line(40 + n, f"fan_{n}", f"RT @cust_{n}: @AskCiti my card was declined", retweet=True) for n in range(1, 4)]
ORPHAN = [line(50, "cust_50", "@AskCiti that did not help, my card is still blocked", to="999", to_author="AskCiti")]
ELSEWHERE = [line(60 + n, f"someone_{n}", f"a fine day number {n}, nothing about money") for n in range(1, 5)]
BAD = [
    line(70, "", "@AskCiti nobody wrote this"),
    line(71, "cust_71", ""),
    line(1, "cust_72", "@AskCiti an id for the second time"),
    line(73, "cust_73", "@AskCiti " + "too long " * 40),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "posts.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = [*COMPLAINTS, *AGAIN, *OWN, *BAD, *OWN_NAMING_US, *RETWEETS, *ORPHAN, *ELSEWHERE]
        csv.writer(out).writerows([COLUMNS, *rows])
    return path


def test_every_row_of_a_replay_is_accounted_for(
    clean_environment: dict[str, str], file: Path, running_house: House
) -> None:
    """As ./run --replay does it beside a ./run."""
    command = [sys.executable, "manage.py", "replay", str(file), "--rate", "20", "--data", str(running_house.data_dir)]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment, capture_output=True, text=True, timeout=180, check=False
    )

    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["posted"] == 27
    assert result["bad_rows"] == 4
    assert result["not_addressed"] == len(ELSEWHERE) + len(OWN)
    assert result["cased"] == len(COMPLAINTS) + len(AGAIN) + len(ORPHAN)
    assert result["cases"] == len(COMPLAINTS) + len(ORPHAN)
    assert result["ignored"] == {"own_post": 1, "retweet": len(RETWEETS)}
    assert result["seen_again"] > 0
    assert result["post_to_inbox_ms"]["p99"] is not None
    named = [line.split(" left out")[0] for line in done.stderr.splitlines() if " left out: " in line]
    assert named == ["row 19", "row 20", "row 21", "row 22"]

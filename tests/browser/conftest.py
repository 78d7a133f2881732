"""One house for all tests in a browser, because starting it takes longer than the tests; a Chromium for each file."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from citisocial.servers import House
from rehearsal.premises import complain, own_house

expect.set_options(timeout=20_000)  # ms: two cores may be busy with something else
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium, and run it again")
    with own_house(announce=complain) as opened:
        yield opened


@pytest.fixture(scope="module")  # not longer: its event loop is in the way of tests that run one of their own
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()

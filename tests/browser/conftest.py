"""The house of the walks for all tests in a browser; a Chromium for each file."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from citisocial.servers import House

expect.set_options(timeout=20_000)  # ms: two cores may be busy with something else
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def house(running_house: House) -> House:
    return running_house


@pytest.fixture(scope="module")  # not longer: its event loop is in the way of tests that run one of their own
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium, and run it again")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()

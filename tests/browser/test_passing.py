"""Takes three browsers, leaves a case passed on between two while the third listens, and nothing loaded again."""

import re
from collections.abc import Iterator
from unittest import mock

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from citisocial.servers import House
from rehearsal import reaching
from rehearsal.scene import PARTS, PASSWORD, Part, Scene, codes

FAY = Part("fay", "fay_says", "@AskCiti my card was declined at the bakery today. Can you help me?")  # a case of hers

# In a house of its own, as the walk: one after the other.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("walk")]

MAYAS = """UPDATE conversations_case SET agent_id = (
    SELECT a.id FROM accounts_agent a JOIN accounts_user u ON u.id = a.user_id WHERE u.username = 'maya')
WHERE public_id = %s"""


@pytest.fixture
def scene(house: House) -> Iterator[Scene]:
    """A tweet that became a case, and Maya has it."""
    with mock.patch.dict(PARTS, dm=FAY):
        played = Scene(house, "dm", lambda: None)
        try:
            for step in (reaching.agent, reaching.tweet, reaching.inbox, reaching.take):
                step(played)
            with psycopg.connect(house.database_url) as books:  # others play here, too, and Maya's hands may be full
                books.execute(MAYAS, [played.case_url.rstrip("/").rpartition("/")[2]])
            yield played
        finally:
            played.close()


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def pages(browser: Browser, house: House, complaints: list[str]) -> Iterator[dict[str, Page]]:
    """Each signed in, in a browser of their own."""
    opened = {name: signed_in(browser, house, name, complaints) for name in ("maya", "omar", "grace")}
    yield opened
    for page in opened.values():
        page.context.close()


def signed_in(browser: Browser, house: House, name: str, complaints: list[str]) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(20_000)
    page = context.new_page()

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and "the server responded with a status" not in message.text:
            complaints.append(f"{name}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(f"{name}: {error}"))
    page.goto(f"{house.site_url}/accounts/login/?next=/workspace/offers/")
    page.get_by_label("Login").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code").fill(next(codes(house, name)))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/workspace/offers/")
    return page


def test_passed_on_whispered_and_noted_without_a_reload(
    scene: Scene, pages: dict[str, Page], complaints: list[str]
) -> None:
    maya, omar, grace = pages["maya"], pages["omar"], pages["grace"]
    omar.goto(f"{scene.house.site_url}/workspace/")
    omar.evaluate("window.untouched = true")
    grace.goto(scene.case_url.replace("/cases/", "/listen/"))
    expect(grace.get_by_text("Maya works on it")).to_be_visible()
    grace.evaluate("window.untouched = true")
    offered(scene, maya)
    accepted(omar)
    expect(grace.get_by_text("Omar works on it")).to_be_visible()
    expect(grace.get_by_text("Knows the branch in Lisbon")).to_be_visible()
    omar.evaluate("window.untouched = true")
    whispered(grace, omar)
    noted(omar, grace)
    assert grace.evaluate("window.untouched")
    assert omar.evaluate("window.untouched")
    assert complaints == []


def offered(scene: Scene, maya: Page) -> None:
    maya.goto(scene.case_url)
    maya.get_by_role("link", name="Offer it to a colleague").click()
    whom = maya.get_by_label("To whom")
    whom.select_option(value=whom.locator("option", has_text="Omar: here").get_attribute("value"))
    maya.get_by_label("What they should know").fill("Knows the branch in Lisbon")
    maya.get_by_role("button", name="Offer the case").click()
    expect(maya.get_by_text("It stays where it is until somebody accepts.")).to_be_visible()


def accepted(omar: Page) -> None:
    """It comes on top of the list by itself, with the time that is left."""
    offer = omar.get_by_role("region", name="Offered to you")
    expect(offer.get_by_text(re.compile("Maya offers you case"))).to_be_visible()
    expect(offer.get_by_text(re.compile(r"^[12]:[0-5]\d left$"))).to_be_visible()
    assert omar.evaluate("window.untouched")
    offer.get_by_role("button", name=re.compile("^Accept")).click()
    expect(omar.get_by_text("Knows the branch in Lisbon")).to_be_visible()
    expect(omar.get_by_label("Your message")).to_be_visible()


def whispered(grace: Page, omar: Page) -> None:
    grace.get_by_label("Whisper to the agent.").fill("Offer the fee back")
    grace.get_by_role("button", name="Whisper").click()
    expect(omar.get_by_text("Offer the fee back")).to_be_visible()
    expect(omar.get_by_text("Whisper of Grace Okafor")).to_be_visible()
    expect(grace.get_by_label("Whisper to the agent.")).to_have_value("")
    expect(grace.get_by_role("log").get_by_text("Offer the fee back")).to_be_visible()


def noted(omar: Page, grace: Page) -> None:
    omar.get_by_role("heading", name="Write a note").click()
    box = omar.get_by_label("For colleagues only, never for the customer")
    box.fill("Fee is back")
    omar.get_by_role("button", name="Keep the note").click()
    expect(omar.get_by_role("log").get_by_text("Fee is back")).to_be_visible()
    expect(box).to_have_value("")
    expect(grace.get_by_role("log").get_by_text("Fee is back")).to_be_visible()

"""Takes an agent's browser, leaves one case worked in it without a reload: list, undo, chat, a broken line.

Only a real Chromium runs the page's modules under the page's own CSP. The customer plays through plain doors.
"""

import re
import uuid
from collections.abc import Iterator
from unittest import mock

import pytest
from playwright.sync_api import APIResponse, Browser, ConsoleMessage, Locator, Page, Route, expect

from citisocial.servers import House
from rehearsal import joining, reaching
from rehearsal.scene import PARTS, PASSWORD, Part, Scene, codes, open_chat, until
from tests.factories.unplugged import Line

PATIENCE = 20_000  # ms: two cores may be busy with something else
DEE = Part("dee", "dee_says", "@AskCiti my card was declined at the pharmacy today. Can you help me?")  # a case of hers

# In a house of its own, as the walk: one after the other.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("walk")]


@pytest.fixture
def scene(house: House) -> Iterator[Scene]:
    """A tweet that became a case, and the agent has it."""
    with mock.patch.dict(PARTS, dm=DEE):
        played = Scene(house, "dm", lambda: None)
        try:
            for step in (reaching.agent, reaching.tweet, reaching.inbox, reaching.take):
                step(played)
            yield played
        finally:
            played.close()


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()

    def heard(message: ConsoleMessage) -> None:
        # The browser's own line for an answer of 4xx, which is meant, is no complaint of ours.
        if message.type == "error" and "the server responded with a status" not in message.text:
            complaints.append(message.text)

    opened.on("console", heard)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()


def test_a_case_from_the_list_to_resolved_without_a_reload(scene: Scene, page: Page, complaints: list[str]) -> None:
    line = Line(page)
    page.goto(f"{scene.house.site_url}/workspace/")
    page.get_by_label("Login").fill(scene.agent_name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code").fill(next(codes(scene.house, scene.agent_name)))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/workspace/")
    page.get_by_role("navigation", name="Cases").get_by_role("link", name=f"@{scene.part.handle}").click()
    page.wait_for_url(f"{scene.case_url}**")
    page.evaluate("window.untouched = true")
    before_the_proofs(page)
    the_direct_message(scene, page)
    the_customer_comes(scene, page)
    the_chat(scene, page, line)
    the_end(scene, page)
    assert page.evaluate("window.untouched")
    assert complaints == []


def choose(page: Page, audience: str) -> None:
    page.get_by_role("radio", name=audience).check()


def before_the_proofs(page: Page) -> None:
    """Secure chat is closed, with its reason; a refusal stands beside the text, which is kept."""
    expect(page.get_by_role("radio", name="Secure chat")).to_be_disabled()
    expect(page.get_by_text("Opens when both proofs are there")).to_be_visible()
    expect(page.get_by_role("button", name="Send direct message")).to_be_visible()
    page.get_by_label("Your message").fill("Look at www.evil.example")
    page.get_by_role("button", name="Send direct message").click()
    sentence = "Only our own links can be sent, and they are added for you. Take “www.evil.example” out."
    expect(page.locator("#problem")).to_have_text(sentence)
    expect(page.get_by_label("Your message")).to_have_value("Look at www.evil.example")
    assert selected(page) == "www.evil.example"
    the_templates(page)
    choose(page, "Public reply")
    page.get_by_label("Your message").fill("漢" * 10)
    expect(page.locator("#chars")).to_have_text("20 of 280")
    expect(page.get_by_role("button", name="Send public reply")).to_be_visible()
    page.get_by_label("Your message").fill("漢" * 150)
    expect(page.locator("#chars")).to_have_text("300 of 280, 20 too many")
    expect(page.get_by_role("button", name="Send public reply")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Your message").press("Control+Enter")
    expect(page.locator("#problem")).to_have_text("300 of 280, 20 too many")
    choose(page, "Direct message")


def selected(page: Page) -> str:
    return str(
        page.evaluate(
            "(() => { const t = document.getElementById('text');"
            " return t.value.slice(t.selectionStart, t.selectionEnd); })()"
        )
    )


def the_templates(page: Page) -> None:
    """A slash offers what fits the audience; the words typed after it choose, and the text takes its place."""
    box, offered = page.get_by_label("Your message"), page.get_by_role("listbox", name="Templates")
    box.fill("")
    box.press_sequentially("Hello\n/")
    field = page.get_by_role("combobox", name="Your message")
    expect(offered.get_by_role("option")).to_have_count(2)
    field.press("Escape")
    expect(offered).to_be_hidden()
    box.fill("")
    box.press_sequentially("/card")
    expect(offered.get_by_role("option")).to_have_count(1)
    expect(offered.get_by_role("option")).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    expect(box).to_have_value(re.compile("^Hi Dee, .* from Citi"))
    expect(offered).to_be_hidden()
    page.get_by_role("button", name="Templates").click()
    expect(offered.get_by_role("option")).to_have_count(2)
    box.fill("")
    expect(offered).to_be_hidden()


def the_direct_message(scene: Scene, page: Page) -> None:
    """Taken back, it is in the text again; sent, it says so by itself."""
    log, box = page.get_by_role("log"), page.get_by_label("Your message")
    box.fill("Hi Maria, let us go on where only we two read it:")
    box.press("Control+Enter")
    expect(box).to_have_value("")
    expect(box).to_be_focused()
    log.get_by_role("button", name="Undo").click()
    expect(box).to_have_value("Hi Maria, let us go on where only we two read it:")
    expect(log).to_contain_text("took a message back before it left")
    box.press("Control+Enter")
    log.get_by_role("button", name="Send now").click()
    expect(log.locator(".msg--dm")).to_contain_text("sent")
    reaching.dm(scene)


def the_customer_comes(scene: Scene, page: Page) -> None:
    """Both proofs: the chat opens under the agent's hands, and what they were writing stays."""
    page.get_by_label("Your message").fill("I was just writing")
    for step in (reaching.link, joining.welcome, joining.sign_in_to_bank, joining.proof):
        step(scene)
    scene.customer.open(scene.chat_url, to=scene.house.site_url)
    scene.customer_chat = open_chat(scene.customer, scene.house, scene.case_id)
    expect(page.get_by_role("list", name="From the link to the chat").get_by_text("not yet")).to_have_count(0)
    expect(page.get_by_role("radio", name="Secure chat")).to_be_enabled()
    expect(page.get_by_label("Your message")).to_have_value("I was just writing")


def the_chat(scene: Scene, page: Page, line: Line) -> None:
    """What arrives is text; what is written while the line is broken goes once, in order."""
    assert scene.customer_chat is not None
    log, box = page.get_by_role("log"), page.get_by_label("Your message")
    choose(page, "Secure chat")
    hello = "Hi <b>Maya</b><img src=x onerror=alert(1)>"
    scene.customer_chat.send({"type": "post", "client_id": str(uuid.uuid4()), "text": hello})
    said = log.locator(".aud-secure .msg .said")
    expect(said).to_have_text([hello])
    nothing_is_drawn_over(scene, page, said)
    line.pull()
    expect(page.locator("#offline")).to_contain_text("No connection since")
    for text in ("First.", "Second."):
        box.fill(text)
        page.get_by_role("button", name="Send when connected").click()
    expect(log.get_by_text("waiting to send")).to_have_count(2)
    line.up = True
    page.get_by_role("button", name="Try now").click()
    expect(said).to_have_text([hello, "Newer than the answer", "First.", "Second."], timeout=2 * PATIENCE)
    expect(log.get_by_text("waiting to send")).to_have_count(0)
    expect(page.locator("#offline")).to_be_hidden()


def nothing_is_drawn_over(scene: Scene, page: Page, said: Locator) -> None:
    """The page is drawn from an answer that was made before the newest message came: that one stays."""
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/timeline/**", lambda route: held.append((route, route.fetch())), times=1)
    page.evaluate("document.dispatchEvent(new Event('sending-changed'))")
    until(lambda: held or page.wait_for_timeout(50), "the page's look at the server", within=20, every=0)
    assert scene.customer_chat is not None
    scene.customer_chat.send({"type": "post", "client_id": str(uuid.uuid4()), "text": "Newer than the answer"})
    expect(said).to_have_count(2)
    for route, answer in held:
        route.fulfill(response=answer)
    page.wait_for_timeout(500)
    expect(said).to_have_count(2, timeout=1)


def the_end(scene: Scene, page: Page) -> None:
    """The case leaves the list, in which others of this house may stand, and comes back when it is opened again."""
    mine = page.get_by_role("navigation", name="Cases").locator(f"li[data-id='{scene.case_id}']")
    expect(mine).to_have_count(1)
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("This case is resolved.")).to_be_visible()
    expect(mine).to_have_count(0)
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_label("Your message")).to_be_visible()
    expect(mine).to_have_count(1)

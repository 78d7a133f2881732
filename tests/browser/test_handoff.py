"""Takes a link in a message, leaves the whole hand-off done by thumb in a real Chromium.

What only a browser enforces bites here: CSP (form-action above all), Referrer-Policy, cookies, the page's own
scripts. The first half and the agent's side play through the plain doors of the walk.
"""

import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from citisocial.servers import House
from rehearsal import reaching
from rehearsal.people import Stumble, form_on
from rehearsal.premises import show_logs
from rehearsal.scene import PASSWORD, Scene, open_chat
from tests.factories.forgotten import forget_maria
from tests.factories.unplugged import Line

PATIENCE = 20_000  # ms: two cores may be busy with something else
TARGET = 44  # px: WCAG asks for 24, customers get what a thumb needs

pytestmark = [
    pytest.mark.browser,
    # The rehearsal's sockets are opened and closed by hand, on purpose: they break in the middle.
    pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning"),
    # In a house of its own, as the walk: one after the other.
    pytest.mark.xdist_group("walk"),
]


@pytest.fixture
def scene(house: House) -> Iterator[Scene]:
    """The first half, through plain doors: a tweet, a case, an invitation in the customer's messages."""
    forget_maria(house)
    played = Scene(house, "dm", lambda: None)
    try:
        for step in (reaching.agent, reaching.tweet, reaching.inbox, reaching.take, reaching.invite, reaching.dm):
            step(played)
        yield played
    except Stumble:
        show_logs(house)
        raise
    finally:
        played.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A phone of 360 by 740."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="en-GB", timezone_id="Europe/Lisbon")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


class Watch:
    """What a page complains about (scripts' errors, what the CSP stopped), and the Referer of each page it opened."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.referers: dict[str, str] = {}
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self.asked)

    def heard(self, message: ConsoleMessage) -> None:
        # The browser's own line for a page that is meant to answer 403 is no complaint of ours.
        if message.type == "error" and "the server responded with a status" not in message.text:
            self.complaints.append(message.text)

    def asked(self, request: Request) -> None:
        if request.is_navigation_request() and request.method == "GET":
            self.referers[request.url] = request.headers.get("referer", "")


def fits(page: Page) -> None:
    """Nothing scrolls sideways, and what can be tapped is as large as a thumb (links inside a sentence excepted)."""
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{page.url} is {overflow} px too wide"
    small = page.evaluate(
        """(least) => [...document.querySelectorAll("button, a[href], summary, textarea, input:not([type=hidden])")]
            .filter((node) => node.checkVisibility() && !node.closest(".skip, .vh") && !node.matches(".pick input"))
            .filter((node) => !(node.localName === "a" && node.parentElement.matches("p.muted, small, .steps p")))
            .map((node) => [node.outerHTML.slice(0, 90), node.getBoundingClientRect()])
            .filter(([, box]) => box.height < least - 0.5 || box.width < least - 0.5)
            .map(([html, box]) => `${Math.round(box.width)} x ${Math.round(box.height)}: ${html}`)""",
        TARGET,
    )
    assert small == [], page.url


def at_x(page: Page, scene: Scene, handle: str) -> None:
    """On X's page for it: be this person there, and say yes."""
    page.wait_for_url(f"{scene.house.x_url}/i/oauth2/authorize**")
    if page.get_by_label("Another handle").is_visible():
        page.get_by_label("Another handle").fill(handle)
        page.get_by_role("button", name="Be them").click()
    page.get_by_role("button", name="Allow").click()


def test_from_the_message_to_the_survey(scene: Scene, page: Page) -> None:
    watch, line = Watch(page), Line(page)
    the_link(scene, page, watch)
    the_two_proofs(scene, page)
    the_chat(scene, page, line)
    the_survey(scene, page)
    assert watch.complaints == []


def the_link(scene: Scene, page: Page, watch: Watch) -> None:
    """Tapped in the messages of the network; it shows what a stranger may see, with the sign-in on the first screen."""
    page.goto(f"{scene.house.x_url}/")
    page.get_by_label("Another handle").fill(scene.part.handle)
    page.get_by_role("button", name="Be them").click()
    page.goto(f"{scene.house.x_url}/dms?to=AskCiti")
    link = page.locator(f"a[href='{scene.link}']")
    link.evaluate("(node) => { node.target = ''; }")  # a phone's app opens it in its own view, too
    link.click()
    page.wait_for_url(f"{scene.house.site_url}/welcome/**")
    expect(page.get_by_role("heading", level=1)).to_contain_text("wrote to you on X")
    # The link's host sends no-referrer with its redirect: our page is not told where the link was tapped.
    assert watch.referers[page.url] == ""
    assert scene.part.handle not in page.content()
    fits(page)
    box = page.get_by_role("button", name="Sign in to the bank").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 740, "signing in is not on the first screen"


def the_two_proofs(scene: Scene, page: Page) -> None:
    """The bank's sign-in, then X: first as somebody else, then as the person who was written to."""
    page.get_by_role("button", name="Sign in to the bank").click()
    page.wait_for_url("**/accounts/login/**")
    fits(page)
    page.get_by_label("Login").fill(scene.part.login)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/handoff/")
    fits(page)
    page.context.clear_cookies(name="sandbox_session")
    page.get_by_role("button", name="Confirm at X").click()  # form-action must let the redirect to X pass
    at_x(page, scene, "dee_writes")
    expect(page.get_by_text("You signed in to X as another account.")).to_be_visible()
    assert scene.part.handle not in page.content()
    fits(page)
    page.context.clear_cookies(name="sandbox_session")
    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name="Confirm at X").click()
    at_x(page, scene, scene.part.handle)
    page.wait_for_url(f"{scene.house.site_url}/chat/{scene.case_id}/")


def the_chat(scene: Scene, page: Page, line: Line) -> None:
    """Both write; the line breaks and comes back; nothing is lost, doubled or run as code."""
    log = page.get_by_role("log", name="Messages")
    state = page.locator("#state-words")
    expect(state).to_have_text("Connected. Only you and Citi read this.", timeout=PATIENCE)
    fits(page)
    page.locator(".origin summary").click()
    expect(page.locator(".origin")).to_contain_text(scene.part.post)
    page.locator(".origin summary").click()
    scene.agent_chat = open_chat(scene.agent, scene.house, scene.case_id)
    hello = "Hi <b>Maria</b><img src=x onerror=alert(1)>"
    scene.agent_chat.send({"type": "post", "client_id": str(uuid.uuid4()), "text": hello})
    expect(log.locator(".msg--in p")).to_have_text([hello], timeout=PATIENCE)

    say(page, "My card was declined,\ntwice.")
    expect(log.locator(".msg--mine p")).to_have_text(["My card was declined,\ntwice."], timeout=PATIENCE)
    meta = log.locator(".msg--mine .msg__meta")
    expect(meta).to_contain_text("sent")
    scene.agent_chat.send({"type": "seen", "delivered": 2, "read": 1})
    expect(meta).to_contain_text("delivered")
    scene.agent_chat.send({"type": "seen", "delivered": 2, "read": 2})
    expect(meta).to_contain_text("read")
    expect(page.get_by_label("Message", exact=True)).to_be_focused()

    line.pull()
    expect(state).to_have_text("No connection. Trying again. Nothing is lost.", timeout=PATIENCE)
    say(page, "Now I am in a tunnel.")
    waiting = page.get_by_role("group", name="Not delivered yet")
    expect(waiting).to_contain_text("sent as soon as you are back online")
    line.up = True
    expect(log.locator(".msg--mine p").last).to_have_text("Now I am in a tunnel.", timeout=2 * PATIENCE)
    expect(page.locator("#pending .msg")).to_have_count(0)

    page.reload()
    said = [hello, "My card was declined,\ntwice.", "Now I am in a tunnel."]
    expect(log.locator(".msg p")).to_have_text(said)
    expect(state).to_have_text("Connected. Only you and Citi read this.", timeout=PATIENCE)


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send in secure chat").click()


def the_survey(scene: Scene, page: Page) -> None:
    """Its link appears in the open chat when the agent resolves; nothing is ticked beforehand."""
    of_agent = scene.agent.open(scene.case_url)
    scene.agent.settle(scene.agent.send(of_agent, form_on(of_agent, "/resolve/")))
    page.get_by_role("link", name="How did it go?").click()
    page.wait_for_url("**/survey/**")
    fits(page)
    assert page.locator("input:checked").count() == 0
    page.get_by_label("Yes", exact=True).check()
    page.get_by_role("group", name="How happy").get_by_label("5 of 5").check()
    page.get_by_role("button", name="Send your answers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    page.get_by_role("link", name="My conversations").click()
    page.wait_for_url("**/my/")
    fits(page)

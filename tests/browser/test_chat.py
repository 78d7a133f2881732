"""Takes both sides of one chat in real browsers, leaves what people see of each other: who writes, how far it came,
what was changed or taken back, what came in between, and a line that breaks and comes back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from citisocial.servers import House
from rehearsal import joining, reaching
from rehearsal.people import Person
from rehearsal.scene import Scene, sign_in
from tests.factories.forgotten import forget_maria
from tests.factories.unplugged import Line

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning"),
    pytest.mark.xdist_group("walk"),
]
STEPS = (
    reaching.agent,
    reaching.tweet,
    reaching.inbox,
    reaching.take,
    reaching.invite,
    reaching.dm,
    reaching.link,
    joining.welcome,
    joining.sign_in_to_bank,
    joining.proof,
)


@dataclass
class Talk:
    """The customer's page and the agent's, each with a hand on its plug, and what they complain about."""

    scene: Scene
    browser: Browser
    customer: Page
    agent: Page
    customers_line: Line
    agents_line: Line
    complaints: list[str]

    @property
    def customers_log(self) -> Locator:
        return self.customer.get_by_role("log", name="Messages")

    @property
    def agents_log(self) -> Locator:
        return self.agent.locator('[data-part="log"] .aud-secure')

    def customer_says(self, text: str) -> None:
        self.customer.get_by_label("Message", exact=True).fill(text)
        self.customer.get_by_role("button", name="Send in secure chat").click()

    def agent_says(self, text: str) -> None:
        self.agent.get_by_label("Your message").fill(text)
        self.agent.get_by_label("Your message").press("Control+Enter")


@pytest.fixture(scope="module")
def talk(running_house: House, browser: Browser) -> Iterator[Talk]:
    """Both proofs are there, and both have the chat open."""
    scene = Scene(running_house, "dm", lambda: None)
    forget_maria(running_house)
    for step in STEPS:
        step(scene)
    assert scene.inbox is not None
    scene.inbox.close()  # one person has five sockets at most
    complaints: list[str] = []
    customer = _page(browser, scene.customer, running_house, complaints)
    agent = _page(browser, scene.agent, running_house, complaints)
    opened = Talk(scene, browser, customer, agent, Line(customer), Line(agent), complaints)
    customer.goto(scene.chat_url)
    expect(customer.locator("#state-words")).to_contain_text("Connected")
    agent.goto(scene.case_url)
    agent.get_by_role("radio", name="Secure chat").check()
    expect(customer.locator("#here")).to_have_text(re.compile(r"^\w+ came in\.$"))  # so both are connected
    yield opened
    for page in (customer, agent):
        page.context.close()
    scene.close()


def _page(browser: Browser, person: Person, house: House, complaints: list[str]) -> Page:
    """A browser with the person's cookies."""
    context: BrowserContext = browser.new_context(locale="en-GB", timezone_id="Europe/Lisbon")
    context.set_default_timeout(20_000)
    host = urlsplit(house.site_url).hostname
    context.add_cookies(
        [
            {"name": cookie.name, "value": cookie.value or "", "domain": host or "", "path": "/"}
            for cookie in person.client.cookies.jar
            if cookie.domain.removesuffix(".local") == host
        ]
    )
    page = context.new_page()

    def heard(message: ConsoleMessage) -> None:
        meant = ("the server responded with a status", "net::ERR_FAILED")  # answers of 4xx, and no network
        if message.type == "error" and not any(words in message.text for words in meant):
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def look_away(page: Page, away: bool) -> None:
    """Another tab is in front, or this one again."""
    state = "hidden" if away else "visible"
    page.evaluate(
        "(state) => { Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        state,
    )


def back_on_line(page: Page, line: Line) -> None:
    """The network is there again, and the browser says so."""
    line.up = True
    page.evaluate("dispatchEvent(new Event('online'))")


def test_who_writes_is_seen_by_the_other_and_forgotten(talk: Talk) -> None:
    writing = talk.agent.locator("[data-writing]")
    talk.customer.get_by_label("Message", exact=True).press_sequentially("Hel")
    expect(writing).to_have_text("Maria is writing…")
    expect(writing).to_be_hidden(timeout=8_000)  # four seconds after the last key
    talk.agent.get_by_label("Your message").press_sequentially("Goo")
    expect(talk.customer.locator("#writing")).to_have_text(re.compile(r"^\w+ is writing…$"))
    talk.agent_says("Good morning")
    expect(talk.customers_log).to_contain_text("Good morning")
    expect(talk.customer.locator("#writing")).to_be_hidden(timeout=1_000)  # said is no longer being written


def test_what_is_written_for_another_place_is_not_told_to_the_customer(talk: Talk) -> None:
    talk.agent.get_by_role("radio", name="Direct message").check()
    talk.agent.get_by_label("Your message").press_sequentially("not for here")
    talk.agent.wait_for_timeout(700)
    expect(talk.customer.locator("#writing")).to_be_hidden(timeout=1)
    talk.agent.get_by_label("Your message").fill("")
    talk.agent.get_by_role("radio", name="Secure chat").check()


def test_how_far_a_message_came_stands_under_the_newest_of_each_kind(talk: Talk) -> None:
    look_away(talk.agent, True)
    talk.customer_says("First.")
    talk.customer_says("Second.")
    states = talk.customers_log.locator(".msg--mine [data-state]")
    expect(states.last).to_have_text("delivered")
    assert [text for text in states.all_text_contents() if text] == ["delivered"]
    look_away(talk.agent, False)
    expect(states.last).to_have_text("read")
    talk.agent_says("I see it.")
    agents = talk.agents_log.locator(".msg--out [data-state]")
    expect(agents.last).to_have_text("read")
    look_away(talk.customer, True)
    talk.agent_says("Are you there?")
    expect(agents.last).to_have_text("delivered")
    assert [text for text in agents.all_text_contents() if text] == ["read", "delivered"]
    talk.agent.reload()
    expect(agents.last).to_have_text("delivered")  # as the server keeps it
    look_away(talk.customer, False)
    expect(agents.last).to_have_text("read")
    talk.agent.get_by_role("radio", name="Secure chat").check()


def test_a_message_is_changed_in_its_place_by_keyboard(talk: Talk) -> None:
    talk.customer_says("It ends 4471")
    mine = talk.customers_log.locator(".msg--mine").last
    theirs = talk.agents_log.locator(".msg--in").last
    expect(mine).to_contain_text("It ends 4471")
    mine.locator("summary").press("Enter")
    mine.get_by_role("button", name="Change").press("Enter")
    field = talk.customer.get_by_label("Change your message")
    expect(field).to_be_focused()
    expect(field).to_have_value("It ends 4471")
    field.fill("It ends 4477")
    field.press("Control+Enter")
    expect(field).to_have_count(0)
    for line in (mine, theirs):
        expect(line.locator('[data-f="text"]')).to_have_text("It ends 4477")
        expect(line.get_by_text("edited")).to_be_visible()
    talk.agent.reload()
    talk.agent.get_by_role("radio", name="Secure chat").check()
    expect(talk.agents_log.locator(".msg--in").last).to_contain_text("It ends 4477")


def test_a_refused_change_says_why_and_keeps_the_text(talk: Talk) -> None:
    talk.agent_says("Look at our page")
    mine = talk.agents_log.locator(".msg--out").last
    expect(mine).to_contain_text("Look at our page")
    mine.locator("summary").click()
    mine.get_by_role("button", name="Change").click()
    field = talk.agent.get_by_label("Change your message")
    field.fill("Look at www.evil.example")
    talk.agent.get_by_role("button", name="Save").click()
    expect(talk.agent.locator("#line-problem")).to_contain_text("Only our own links can be sent")
    expect(field).to_have_value("Look at www.evil.example")
    field.press("Escape")
    expect(mine.locator('[data-f="text"]')).to_have_text("Look at our page")
    expect(talk.customers_log).not_to_contain_text("evil.example")


def test_what_is_taken_back_is_gone_on_both_sides_at_once_and_after_a_reload(talk: Talk) -> None:
    talk.customer_says("my mother's maiden name is Quist")
    mine = talk.customers_log.locator(".msg--mine").last
    theirs = talk.agents_log.locator(".msg--in").last
    expect(theirs).to_contain_text("Quist")
    mine.locator("summary").click()
    mine.get_by_role("button", name="Take back").click()
    for line in (mine, theirs):
        expect(line).to_contain_text("Message taken back")
    expect(mine.locator("summary")).to_be_hidden()
    for page in (talk.customer, talk.agent):
        assert "Quist" not in page.content()
        page.reload()
    expect(talk.customers_log).to_contain_text("Message taken back")
    expect(talk.agents_log.last).to_contain_text("Message taken back")
    for page in (talk.customer, talk.agent):
        assert "Quist" not in page.content()
    talk.agent.get_by_role("radio", name="Secure chat").check()


def test_an_answer_that_was_overtaken_waits_for_its_writer(talk: Talk) -> None:
    unsent = talk.agent.locator("[data-pending] .msg")
    talk.agents_line.pull()
    expect(talk.agent.locator("#offline")).to_contain_text("No connection since")
    talk.customer_says("Wait, there is more!")
    talk.agent_says("Then all is well. Goodbye.")
    back_on_line(talk.agent, talk.agents_line)
    expect(unsent).to_contain_text("New messages came in: read them, then send or change.")
    expect(talk.agents_log.last).to_contain_text("Wait, there is more!")
    expect(talk.customers_log).not_to_contain_text("Goodbye")
    unsent.get_by_role("button", name="Back to the text").click()
    expect(talk.agent.get_by_label("Your message")).to_have_value("Then all is well. Goodbye.")
    expect(unsent).to_have_count(0)
    talk.agent.get_by_label("Your message").fill("")


def test_and_goes_out_once_when_its_writer_says_so(talk: Talk) -> None:
    unsent = talk.agent.locator("[data-pending] .msg")
    talk.agents_line.pull()
    expect(talk.agent.locator("#offline")).to_contain_text("No connection since")
    talk.customer_says("And one more.")
    talk.agent_says("I have lifted the block.")
    back_on_line(talk.agent, talk.agents_line)
    unsent.get_by_role("button", name="Send anyway").click()
    expect(unsent).to_have_count(0)
    expect(talk.customers_log.locator(".msg p").last).to_have_text("I have lifted the block.")
    assert talk.customers_log.get_by_text("I have lifted the block.").count() == 1


def test_many_messages_at_once_all_arrive_in_order_by_themselves(talk: Talk) -> None:
    texts = [f"number {number}" for number in range(27)]
    talk.customer.evaluate(
        "(texts) => { for (const text of texts) { document.getElementById('text').value = text;"
        " document.getElementById('write').requestSubmit(); } }",
        texts,
    )
    expect(talk.customer.locator("#pending")).to_contain_text("goes out in some seconds")
    said = talk.agents_log.locator(".msg--in .said").filter(has_text=re.compile(r"^number \d+$"))
    expect(said).to_have_text(texts, timeout=60_000)
    expect(talk.customer.locator("#pending .msg")).to_have_count(0)


def test_colleagues_see_who_looks_and_who_replies(talk: Talk, running_house: House) -> None:
    name = next(name for name in ("omar", "lena") if name != talk.scene.agent_name)
    person = Person("a colleague")
    sign_in(person, running_house, name, at="/workspace/")
    page = _page(talk.browser, person, running_house, talk.complaints)
    page.goto(talk.scene.case_url)
    expect(talk.agent.locator("[data-here]")).to_have_text(f"{name.title()} is looking.")
    talk.agent.get_by_label("Your message").fill("Let me see")
    expect(page.locator("[data-here]")).to_have_text(f"{talk.scene.agent_name.title()} is replying.")
    expect(talk.customer.locator("#here")).not_to_contain_text("looking")
    page.context.close()
    expect(talk.agent.locator("[data-here]")).to_be_hidden(timeout=5_000)
    talk.agent.get_by_label("Your message").fill("")
    person.close()


def test_without_tickets_it_is_a_lost_line_and_not_the_end(talk: Talk) -> None:
    state = talk.customer.locator("#state-words")
    talk.customer.route("**/tickets/**", lambda route: route.abort())
    talk.customers_line.pull()
    expect(state).to_contain_text("No connection")
    talk.customers_line.up = True
    talk.customer.wait_for_timeout(2_000)
    expect(state).to_contain_text("No connection", timeout=1)
    talk.customer.unroute("**/tickets/**")
    back_on_line(talk.customer, talk.customers_line)
    expect(state).to_contain_text("Connected", timeout=5_000)


def test_a_page_drawn_anew_shows_a_change_that_its_socket_has_not_brought(talk: Talk) -> None:
    talk.customer_says("I come at nine")
    mine = talk.customers_log.locator(".msg--mine").last
    theirs = talk.agents_log.locator(".msg--in .said").last
    expect(theirs).to_have_text("I come at nine")
    expect(mine).to_contain_text("I come at nine")
    talk.agents_line.pull()
    mine.locator("summary").click()
    mine.get_by_role("button", name="Change").click()
    talk.customer.get_by_label("Change your message").fill("I come at ten")
    talk.customer.get_by_role("button", name="Save").click()
    expect(mine).to_contain_text("I come at ten")
    talk.agent.evaluate("document.dispatchEvent(new Event('sending-changed'))")
    expect(theirs).to_have_text("I come at ten")
    back_on_line(talk.agent, talk.agents_line)
    expect(talk.agent.locator("#offline")).to_be_hidden()
    expect(theirs).to_have_text("I come at ten")


def test_after_sleep_the_page_comes_back_at_once(talk: Talk) -> None:
    """Half an hour of a laptop's sleep: whatever the socket says of itself, it is not waited for."""
    asleep = (
        "() => { const awake = Date.now; Date.now = () => awake() + 30 * 60 * 1000;"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    with talk.customer.expect_request("**/tickets/**", timeout=2_000):
        talk.customer.evaluate(asleep)
    expect(talk.customer.locator("#state-words")).to_contain_text("Connected", timeout=5_000)
    talk.agent_says("Good morning again")
    expect(talk.customers_log.locator(".msg p").last).to_have_text("Good morning again")


def test_whoever_signs_out_is_told_that_it_is_over(talk: Talk) -> None:
    """Within five seconds, and the page does not go on asking."""
    other = talk.customer.context.new_page()
    other.goto(f"{talk.scene.house.site_url}/my/")
    other.evaluate(
        "() => fetch('/accounts/logout/', { method: 'POST', body: new URLSearchParams({"
        " csrfmiddlewaretoken: document.querySelector('[name=csrfmiddlewaretoken]').value }) })"
    )
    expect(talk.customer.locator("#state-words")).to_contain_text("signed out", timeout=8_000)
    asked: list[str] = []
    talk.customer.on("request", lambda request: asked.append(request.url))
    talk.customer.wait_for_timeout(3_000)
    assert [url for url in asked if "/tickets/" in url] == []


def test_no_page_complained(talk: Talk) -> None:
    assert talk.complaints == []

"""Takes both sides of one chat in real browsers, leaves what the customer reads when the agent goes, and may choose;
and what the agent's own page says of them, whoever set it."""

import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser.test_chat import Talk, talk  # noqa: F401 -- a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning"),
    pytest.mark.xdist_group("walk"),
]


def choose(talk: Talk, state: str) -> None:  # noqa: F811
    talk.agent.locator("[data-menu] summary").click()
    talk.agent.get_by_role("button", name=state, exact=True).click()
    expect(talk.agent.locator("[data-availability]")).to_have_text(state)


def test_the_customer_reads_that_the_agent_went_and_chooses_without_losing_a_word(talk: Talk) -> None:  # noqa: F811
    part = talk.customer.locator('[data-part="waiting"]')
    expect(part).to_contain_text("is here.")
    talk.customer.evaluate("window.untouched = true")
    talk.customer.get_by_label("Message", exact=True).fill("half a sentence")
    choose(talk, "Away")
    expect(part).to_contain_text("is away. You can wait for")
    part.get_by_role("button", name="Wait for").click()
    expect(part).to_contain_text("who will see that")
    expect(talk.agent.get_by_text("The customer waits for").first).to_be_visible()
    choose(talk, "Busy")
    expect(part).to_contain_text("is here.")
    expect(talk.customer.get_by_label("Message", exact=True)).to_have_value("half a sentence")
    assert talk.customer.evaluate("window.untouched")


def test_doing_nothing_is_away_and_doing_something_is_not(talk: Talk) -> None:  # noqa: F811
    choose(talk, "Online")
    state = talk.agent.locator("[data-menu] summary")
    form = talk.agent.locator('[data-act="availability"]')
    expect(form).to_have_attribute("data-idle-minutes", "10")
    talk.agent.clock.install()
    talk.agent.reload()
    expect(state).to_contain_text("Online")
    talk.agent.clock.fast_forward("10:30")
    talk.agent.clock.run_for(16_000)
    expect(state).to_contain_text("Away (nothing was done)")
    talk.agent.clock.run_for(2_000)
    talk.agent.mouse.move(40, 40)
    expect(state).to_contain_text("Online")


def test_nobody_complained(talk: Talk) -> None:  # noqa: F811
    with psycopg.connect(talk.scene.house.database_url) as books:
        waits = books.execute("SELECT count(*) FROM conversations_message WHERE text = 'waits' AND kind = 'event'")
        assert waits.fetchone() == (1,)
    assert talk.complaints == []

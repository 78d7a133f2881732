"""Takes a supervisor with a code, leaves her signed in by a passkey that a real Chromium made under our own CSP."""

import re

import pytest
from playwright.sync_api import Browser, Page

from citisocial.servers import House
from rehearsal.scene import PASSWORD, SUPERVISOR, codes

# In the house of the other browser tests: one after the other.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("walk")]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "automaticPresenceSimulation": True,
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


def test_a_passkey_is_made_and_signs_in(house: House, browser: Browser) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    shown = codes(house, SUPERVISOR)
    page.goto(f"{house.site_url}/admin/")
    page.get_by_label("Login").fill(SUPERVISOR)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")
    page.get_by_label("Code").fill(next(shown))
    press(page, "Sign in")
    page.wait_for_url(f"{house.site_url}/admin/")
    page.goto(f"{house.site_url}/accounts/2fa/webauthn/add/")
    page.get_by_label("Code").fill(next(shown))
    press(page, "Confirm")
    press(page, "Add a passkey")
    page.get_by_text("The passkey is added.").wait_for()
    press(page, "Sign out")
    page.goto(f"{house.site_url}/accounts/login/?next=/admin/")
    press(page, "Staff: sign in with a passkey")
    page.wait_for_url(re.compile(r"^http://[^/]+/admin/$"))
    assert complaints == []
    context.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()

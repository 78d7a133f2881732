"""Takes a browser, leaves it where the hand-off led: the link opened, the linking agreed to, X asked and come back."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.test import Client

from accounts.models import User
from tests.accounts.fake_x import FakeX
from tests.factories.invited import World, agree, signed_in


def begun(world: World, user: User) -> Client:
    """A browser that has opened the link and signed in."""
    browser = signed_in(user)
    assert browser.post(world.welcome).status_code == 302
    return browser


def through_x(browser: Client, x: FakeX) -> Any:
    """Agree to what will be linked, say yes at X, and come back."""
    return back_from_x(browser, x, agree(browser))


def back_from_x(browser: Client, x: FakeX, away: Any) -> Any:
    """From X's page, where `away` leads, with a code for this browser's own round trip."""
    return browser.get("/x/callback", way_back(x, away))


def way_back(x: FakeX, away: Any) -> dict[str, str]:
    """What X sends people back with."""
    assert away.status_code == 302, away.content.decode()
    assert away["Location"].startswith(settings.X_AUTHORIZE_URL)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away["Location"]).query).items()}
    return {"code": x.code_for(asked["code_challenge"]), "state": asked["state"]}

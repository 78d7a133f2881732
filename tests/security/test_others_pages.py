"""What went wrong in the chats of others, tried on ours: what pages show. `advisories.py` has the table."""

from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.urls import get_resolver

from accounts.models import User
from conversations.models import Attachment
from tests.factories.desks import page_of, text_of
from tests.factories.invited import PASSWORD, signed_in
from tests.factories.overheard import say
from tests.security import advisories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


def routes() -> list[str]:
    """Every address of ours."""
    parts = get_resolver().url_patterns
    return [str(route.pattern) for part in parts for route in getattr(part, "url_patterns", [part])]


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "{{constructor.constructor('alert(1)')()}}",
    "javascript:alert(1)",
    "</textarea><script>alert(1)</script>",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_django_helpdesk_cve_2021_3945_what_a_customer_says_is_text(world, payload):
    """What a customer wrote into a ticket ran as a script where an agent read it."""
    say(world, world.maria, payload)
    agent, maria = signed_in(world.maya.user), signed_in(world.maria.user)
    for client, page in ((maria, world.chat), (maria, "/my/"), (agent, page_of(world.case)), (agent, "/workspace/")):
        answer = client.get(page)
        html = text_of(answer)
        assert payload not in html or "<" not in payload
        assert f'href="{payload}' not in html
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self';" in f"{policy};"
        assert "unsafe" not in policy


def test_livehelperchat_ghsa_8wcc_f2vq_h4gx_no_template_runs_on_a_customers_words(world):
    """Words of a visitor were compiled as a template in the operator's page."""
    say(world, world.maria, "{{constructor.constructor('alert(1)')()}} {% now 'Y' %} ${7*7}")
    for client, page in ((signed_in(world.maya.user), page_of(world.case)), (signed_in(world.maria.user), world.chat)):
        answer = client.get(page)
        assert "{{constructor.constructor(&#x27;alert(1)&#x27;)()}} {% now &#x27;Y&#x27; %} ${7*7}" in text_of(answer)
        assert "unsafe-eval" not in answer["Content-Security-Policy"]


def test_zulip_ghsa_vg5m_mf9x_j452_pages_load_no_foreign_picture(world):
    """A crafted address went past the proxy for pictures and told the sender who reads."""
    say(world, world.maria, "![x](https://evil.example/a.png) https://evil.example/a.png")
    for client, page in ((signed_in(world.maya.user), page_of(world.case)), (signed_in(world.maria.user), world.chat)):
        answer = client.get(page)
        images = next(p for p in answer["Content-Security-Policy"].split(";") if p.strip().startswith("img-src"))
        assert set(images.split()[1:]) <= {"'self'", "data:", "blob:"}
        assert 'src="https://evil' not in text_of(answer)


def test_zammad_cve_2026_102489_no_page_shows_sessions(world):
    """A page for the people who run it showed sessions, which were enough to take it over."""
    assert Session not in admin.site._registry
    assert not [one for one in routes() if any(word in one for word in ("debug", "monitor", "silk", "session"))]
    grace = User.objects.create_superuser("grace", "grace@example.test", PASSWORD)
    key = Session.objects.first() or signed_in(world.maria.user).session.session_key
    for path in ("/admin/", "/admin/accounts/user/", f"/admin/accounts/user/{world.maria.user_id}/change/"):
        assert str(getattr(key, "session_key", key)) not in text_of(signed_in(grace).get(path))


def test_zammad_cve_2024_33668_ids_of_files_are_not_guessed():
    """Ids of a form's uploads could be guessed, and with them other people's files."""
    field = Attachment._meta.get_field("public_id")
    assert field.default is uuid4
    assert field.unique
    assert [one for one in routes() if "file_id" in one] == [one for one in routes() if "<uuid:file_id>" in one]


def test_every_test_of_doors_and_pages_is_in_the_table():
    """Of the other files: `test_others_servers.py`."""
    assert [advisories.unlisted(path) for path in (advisories.DOORS, advisories.PAGES)] == [[], []]

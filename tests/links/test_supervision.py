"""What the admin shows of links: everything but what would open them."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from links import admin, shortener
from links.models import Click, ShortLink


@pytest.fixture
def desk(client: Client, db: None) -> Client:
    """Grace's browser: a supervisor's."""
    grace = get_user_model().objects.create_user("grace", is_staff=True)
    grace.groups.add(Group.objects.get(name="supervisors"))
    client.force_login(grace)
    return client


@pytest.fixture
def link(db: None) -> ShortLink:
    link = shortener.shorten("/welcome/{slug}/", lifetime=timedelta(hours=1))
    click(link)
    return link


def click(link: ShortLink, *, is_bot: bool = False, times: int = 1) -> None:
    rows = [Click(link=link, at=link.created_at, method="GET", user_agent="Mozilla/5.0", is_bot=is_bot)]
    Click.objects.bulk_create(rows * times)


def test_no_page_shows_what_opens_a_link(desk: Client, link: ShortLink) -> None:
    secrets = [shortener.slug(link), bytes(link.nonce).hex(), bytes(link.slug_hmac).hex()]
    secrets += [shortener.code(link), bytes(link.code_hmac).hex()]
    for path in ("shortlink/", f"shortlink/{link.pk}/change/", "click/", f"click/{Click.objects.get().pk}/change/"):
        page = desk.get(f"/admin/links/{path}")
        assert page.status_code == 200
        assert not any(secret in page.content.decode() for secret in secrets)


@pytest.mark.parametrize("model", ["click", "shortlink"])
def test_the_lists_count_nothing(model: str, desk: Client, link: ShortLink) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert desk.get(f"/admin/links/{model}/").status_code == 200
    asked = [query["sql"] for query in queries if f"links_{model}" in query["sql"]]
    assert asked
    assert not any("COUNT(" in sql.upper() for sql in asked)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_of_clicks_costs_the_same_for_any_number(rows: int, desk: Client, link: ShortLink) -> None:
    click(link, times=rows - 1)
    with CaptureQueriesContext(connection) as queries:
        desk.get("/admin/links/click/")
    assert len([query for query in queries if "links_click" in query["sql"]]) == 1


@pytest.mark.parametrize("rows", [1, 3])
def test_people_and_programs_are_counted_apart_in_one_query(rows: int, desk: Client, link: ShortLink) -> None:
    for _ in range(rows - 1):
        shortener.shorten("/welcome/{slug}/", lifetime=timedelta(hours=1))
    click(link, is_bot=True, times=5)
    with CaptureQueriesContext(connection) as queries:
        page = desk.get("/admin/links/shortlink/").content.decode()
    assert len([query for query in queries if "links_" in query["sql"]]) == 1
    cells = {name: re.findall(rf"field-{name}[^>]*>(.*?)</t", page, re.DOTALL) for name in ("people", "programs")}
    told = {name: [re.sub(r"<[^>]*>", "", cell).split()[-1] for cell in found] for name, found in cells.items()}
    assert told == {"people": [*["0"] * (rows - 1), "1"], "programs": [*["0"] * (rows - 1), "5"]}


def test_clicks_are_counted_to_a_bound(desk: Client, link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "MOST", 3)
    click(link, is_bot=True, times=9)
    assert "3+" in desk.get("/admin/links/shortlink/").content.decode()


def test_a_link_is_revoked_by_the_action_and_edited_by_nobody(desk: Client, link: ShortLink) -> None:
    row = ShortLink.objects.filter(pk=link.pk)
    before = row.values().get()
    assert desk.post(f"/admin/links/shortlink/{link.pk}/change/", {"target": "/eve/{slug}"}).status_code == 403
    assert desk.post(f"/admin/links/shortlink/{link.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.get("/admin/links/shortlink/add/").status_code == 403
    assert row.values().get() == before
    desk.post("/admin/links/shortlink/", {"action": "revoke", "_selected_action": [link.pk], "index": 0})
    assert row.get().revoked_at is not None

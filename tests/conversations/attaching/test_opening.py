"""Files on their way out: to those who may read the case and to nobody else, able to do nothing."""

import logging
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Agent, Team
from accounts.permissions import appoint_supervisor, close_login
from conversations import chat, ledger
from conversations.models import Attachment, Author, Brand, BrandAccount, Case, Message
from tests.factories.attached import PDF, on_disk, opened, picture, send
from tests.factories.invited import World, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(world: World, maria: Client) -> Attachment:
    send(maria, world, picture("JPEG"), "my “card”.jpg")
    return Attachment.objects.get()


@pytest.fixture
def document(world: World, maya: Client) -> Attachment:
    send(maya, world, PDF, "terms.pdf", side="workspace")
    return Attachment.objects.get()


def test_a_picture_is_shown_and_may_do_nothing(shown: Attachment, maria: Client) -> None:
    answer = opened(maria, shown)
    assert isinstance(answer, StreamingHttpResponse)
    assert answer.status_code == 200
    data = answer.getvalue()
    assert len(data) == shown.size == int(answer["Content-Length"])
    assert data.startswith(b"\xff\xd8\xff")
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("inline; filename*=utf-8''my%20%E2%80%9Ccard%E2%80%9D.jpg")
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))
    assert answer["X-Frame-Options"] == "DENY"


def test_a_pdf_is_only_ever_downloaded(document: Attachment, maria: Client) -> None:
    """LiveHelperChat CVE-2026-0483: a PDF's own script ran on the site's origin."""
    answer = opened(maria, document)
    assert answer.getvalue() == PDF
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'attachment; filename="terms.pdf"'
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_it_is_streamed_by_the_event_loop_in_pieces(
    shown: Attachment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.views.attachments.CHUNK", 100)

    async def fetched() -> list[bytes]:
        client = AsyncClient()
        await sync_to_async(client.force_login)(world.maria.user)
        answer = await client.get(f"/files/{shown.public_id}/")
        assert answer.is_async
        return [piece async for piece in answer.streaming_content]

    pieces = async_to_sync(fetched)()
    assert len(pieces) > 3
    assert max(map(len, pieces)) == 100
    assert b"".join(pieces) == on_disk()[0].read_bytes()


def test_only_those_who_may_read_the_case_get_its_files(shown: Attachment, world: World, maria: Client) -> None:
    colleague = Agent.objects.create(user=person("tom"), name="Tom", availability="online")
    colleague.teams.add(Team.objects.get())
    stranger = Agent.objects.create(user=person("ann"), name="Ann", availability="online")
    elsewhere = Team.objects.create(name="Elsewhere")
    stranger.teams.add(elsewhere)
    other = Brand.objects.create(name="Other", slug="other", address="other.example")
    BrandAccount.objects.create(brand=other, external_id="1002", handle="Other", team=elsewhere)
    grace = person("grace")
    appoint_supervisor(grace)
    for user in (world.maria.user, world.maya.user, colleague.user, grace):
        assert opened(signed_in(user), shown).status_code == 200, user
    for user in (world.jorge.user, stranger.user, person("nobody")):
        assert opened(signed_in(user), shown).status_code == 404, user
    assert opened(Client(), shown)["Location"].startswith("/accounts/login/")
    for path in (f"/files/{uuid4()}/", "/files/1/", f"/files/{shown.pk}/", "/files/../secrets.json"):
        assert maria.get(path).status_code == 404
    BrandAccount.objects.filter(brand=world.case.brand).update(active=False)
    assert opened(signed_in(colleague.user), shown).status_code == 404
    close_login(world.maria.user)
    assert opened(maria, shown).status_code == 302, "signed out"


def test_a_file_belongs_to_its_case_in_the_one_query_that_finds_it(
    shown: Attachment, world: World, maria: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rocket.Chat CVE-2026-48616: whoever named a room of theirs got any file, by a number that could be guessed."""
    at = world.case.opened_at
    author = Author.objects.create(network="x", external_id="77", handle="jorge_p", name="Jorge", first_seen_at=at)
    other = Case.objects.create(
        brand=world.case.brand,
        author=author,
        customer=world.jorge,
        agent=world.maya,
        status="CONNECTED",
        opened_at=at,
        changed_at=at,
        waiting_since=at,
    )
    jorge = signed_in(world.jorge.user)
    assert jorge.get(f"/chat/{other.public_id}/").status_code == 200
    for query in ("", f"?case={other.public_id}", f"?case_id={other.pk}", f"?rid={other.public_id}&token=x"):
        assert jorge.get(f"/files/{shown.public_id}/{query}").status_code == 404
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert opened(maria, shown).status_code == 200
    told = [query["sql"] for query in asked if "conversations_" in query["sql"]]
    assert len(told) == 1
    assert all(table in told[0] for table in ("conversations_attachment", "conversations_case", "accounts_customer"))


def test_nobody_guesses_a_file(world: World, maria: Client) -> None:
    """Zammad CVE-2024-33668: the names of uploads could be guessed. Ours are of 122 random bits."""
    for _ in range(3):
        send(maria, world, PDF, "terms.pdf")
    names = [attachment.public_id for attachment in Attachment.objects.all()]
    assert len(set(names)) == 3
    assert {name.version for name in names} == {4}
    assert not {path.name for path in on_disk()} & {name.hex for name in names}


def test_what_was_taken_back_is_nobodys_to_see(shown: Attachment, world: World, maria: Client, maya: Client) -> None:
    def take_back(about: int) -> None:
        ledger.append(world.case, kind=Message.Kind.REMOVED, author=world.maria, about=about)

    chat.post(world.case, author=world.maria, client_id=uuid4(), text="another line")
    take_back(2)
    assert opened(maria, shown).status_code == 200
    take_back(shown.message.seq)
    for client in (maria, maya):
        assert opened(client, shown).status_code == 404
    assert on_disk(), "the original stays for the audit"


def test_a_file_that_the_disk_has_lost_is_a_sentence(
    shown: Attachment, maria: Client, caplog: pytest.LogCaptureFixture
) -> None:
    on_disk()[0].unlink()
    with caplog.at_level(logging.ERROR):
        answer = opened(maria, shown)
    assert answer.status_code == 404
    assert b"Ask for it once more" in answer.content
    assert f"attachment {shown.pk} is not there" in caplog.text

"""Files on their way into the chat: by either side's page, under a name that can be seen, by whose case it is."""

import os
import stat
import threading
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Agent, Team
from conversations import attachments, cases, reading, reencoding
from conversations.models import Attachment, Case, Message
from tests.factories.attached import PDF, on_disk, picture, refused, send
from tests.factories.invited import World, person, signed_in

pytestmark = pytest.mark.django_db


def test_a_customers_picture_becomes_a_line_of_the_chat(world: World, maria: Client) -> None:
    answer = send(maria, world, picture(), "C:\\fakepath\\My card.jpeg", text="this is it")
    assert answer.json() == {"ok": True, "seq": 1}
    attachment = Attachment.objects.get()
    message = Message.objects.get()
    assert (message.kind, message.side, message.text, message.customer) == (
        "file",
        "customer",
        "this is it",
        world.maria,
    )
    assert (attachment.message, attachment.case, attachment.user) == (message, world.case, world.maria.user)
    assert (attachment.kind, attachment.content_type, attachment.name) == ("image", "image/png", "My card.png")
    assert (attachment.width, attachment.height) == (60, 40)
    [line] = reading.lines(world.case.pk)
    assert (line.kind, line.text, line.link) == ("file", "this is it", f"/files/{attachment.public_id}/")
    case = Case.objects.get(pk=world.case.pk)
    assert (case.last_seq, case.move) == (1, "ours")
    event = world.case.trail.get(verb="file_sent")
    assert (event.user, event.actor) == (world.maria.user, "customer")
    assert event.data == {"attachment": attachment.pk, "kind": "image", "bytes": attachment.size}


def test_an_agents_pdf_is_kept_as_it_came(world: World, maya: Client) -> None:
    assert send(maya, world, PDF, "terms.pdf", side="workspace").json() == {"ok": True, "seq": 1}
    attachment, message = Attachment.objects.get(), Message.objects.get()
    assert (message.side, message.agent, message.text) == ("agent", world.maya, "terms.pdf")
    assert (attachment.kind, attachment.content_type, attachment.size) == ("pdf", "application/pdf", len(PDF))
    assert [path.read_bytes() for path in on_disk()] == [PDF]
    assert Case.objects.get(pk=world.case.pk).move == "theirs"


def test_what_is_on_disk_has_a_random_name_and_is_ours_alone(world: World, maria: Client, settings: Any) -> None:
    """django-helpdesk CVE-2018-25111: files that everybody on the machine could read."""
    before = os.umask(0)
    try:
        send(maria, world, picture(), "secret-name.png")
    finally:
        os.umask(before)
    attachment = Attachment.objects.get()
    [path] = on_disk()
    root = Path(settings.ATTACHMENTS)
    assert path == root / attachment.path
    assert UUID(path.name).version == 4
    assert path.name != attachment.public_id.hex
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folders = [root, *(folder for folder in root.rglob("*") if folder.is_dir())]
    assert len(folders) == 3
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_the_same_number_again_is_the_same_message(world: World, maria: Client) -> None:
    key = uuid4()
    first = send(maria, world, picture(), client_id=key)
    again = send(maria, world, b"not even a picture", client_id=key)
    assert first.json() == again.json() == {"ok": True, "seq": 1}
    assert Attachment.objects.count() == len(on_disk()) == 1


def test_who_was_slower_with_the_same_number_leaves_no_second_file(
    world: World, maria: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other request commits while this one's picture is being made."""
    key, stock, inside = uuid4(), reencoding.remade, []

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        if not inside:
            inside.append(send(maria, world, PDF, "other.pdf", client_id=key))
        return stock(*args, **kwargs)

    monkeypatch.setattr(reencoding, "remade", meanwhile)
    assert send(maria, world, picture(), client_id=key).json() == {"ok": True, "seq": 1}
    assert inside[0].json() == {"ok": True, "seq": 1}
    assert Attachment.objects.get().kind == "pdf"
    assert [path.read_bytes() for path in on_disk()] == [PDF]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_the_same_number_are_one(world: World) -> None:
    """Really committed, on connections of their own, which both let go while their pictures are made."""
    key, answers = uuid4(), []
    clients = [signed_in(world.maria.user) for _ in range(2)]

    def sends(client: Client) -> None:
        answers.append(send(client, world, picture(), client_id=key).json())
        connection.close()

    threads = [threading.Thread(target=sends, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"ok": True, "seq": 1}] * 2
    assert Attachment.objects.count() == len(on_disk()) == 1


def test_words_and_names_are_masked_before_they_are_stored(world: World, maria: Client) -> None:
    send(maria, world, picture(), "card 4111 1111 1111 1111.png", text="my card is 4111-1111-1111-1111")
    message, attachment = Message.objects.get(), Attachment.objects.get()
    assert "4111" not in message.text + attachment.name
    assert attachment.name.endswith(".png")
    assert message.masked == 2


def test_an_agents_words_pass_the_gate(world: World, maya: Client) -> None:
    answer = send(maya, world, picture(), text="see https://evil.example/login", side="workspace")
    assert "evil.example" in refused(answer, 422, "bad_text")


def test_more_words_than_a_message_holds_are_refused(world: World, maria: Client) -> None:
    assert "4001 characters of 4000" in refused(send(maria, world, picture(), text="x" * 4001), 422, "bad_text")


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("photo.jpeg", "JPEG", "photo.jpg"),
        ("../../etc/passwd", "PNG", "passwd.png"),
        ("C:\\Users\\maria\\card.gif", "PNG", "card.png"),
        ("evil.html", "PNG", "evil.png"),
        ("invoice\u202efdp.exe", "PDF", "invoicefdp.pdf"),
        ("a\u200bb\u2066c\x00\x1b[31m.png", "PNG", "abc[31m.png"),
        ("two\r\nSet-Cookie: a=b.pdf", "PDF", "two Set-Cookie: a=b.pdf"),
        ("  spaced   out  .png", "PNG", "spaced out.png"),
        (".htaccess", "PNG", "picture.png"),
        ("...", "PNG", "picture.png"),
        ("", "PDF", "document.pdf"),
        ("\u202e\u200b", "PNG", "picture.png"),
        ("no ending", "PDF", "no ending.pdf"),
        ("x" * 300 + ".png", "PNG", "x" * 116 + ".png"),
        ("данные 数据.png", "PNG", "данные 数据.png"),
        ("e\u0301.png", "PNG", "é.png"),
        ("\ud800.png", "PNG", "picture.png"),
    ],
)
def test_a_name_is_what_can_be_seen_and_no_path(name: str, kind: str, shown: str) -> None:
    assert attachments.display_name(name, kind) == shown
    assert len(shown) <= 120


# --- whose case -------------------------------------------------------------------------------------------------------


def test_only_the_cases_own_people_send(world: World, maria: Client, maya: Client) -> None:
    other = Agent.objects.create(user=person("tom"), name="Tom", availability="online")
    other.teams.add(Team.objects.get())
    stranger = Agent.objects.create(user=person("ann"), name="Ann", availability="online")
    tries = [
        (signed_in(world.jorge.user), "chat", 404),
        (signed_in(other.user), "workspace", 403),
        (signed_in(stranger.user), "workspace", 404),
        (maya, "chat", 403),
        (maria, "workspace", 403),
        (Client(), "chat", 401),
        (Client(), "workspace", 401),
    ]
    for client, side, status in tries:
        assert send(client, world, picture(), side=side).status_code == status
    assert not Attachment.objects.exists()
    assert not Path(attachments.settings.ATTACHMENTS).exists(), "nobody looked at their files"


def test_a_form_of_another_site_sends_nothing(world: World) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.maria.user)
    assert send(strict, world, picture()).status_code == 403
    assert not Attachment.objects.exists()


def test_nothing_is_sent_before_the_proof_or_after_the_end(world: World, maria: Client, maya: Client) -> None:
    cases.resolve(world.case, by=world.maya.user)
    assert "resolved" in refused(send(maya, world, picture(), side="workspace"), 409, "case_closed")
    Case.objects.filter(pk=world.case.pk).update(status="CLOSED")
    refused(send(maria, world, picture()), 409, "case_closed")
    Case.objects.filter(pk=world.case.pk).update(status="CONTACTED", customer=None)
    refused(send(maya, world, picture(), side="workspace"), 409, "chat_not_open")


def test_a_customers_file_opens_a_resolved_case_again(world: World, maria: Client) -> None:
    cases.resolve(world.case, by=world.maya.user)
    assert send(maria, world, picture()).status_code == 200
    assert Case.objects.get(pk=world.case.pk).status in cases.WORKED_ON


def test_who_lost_the_case_while_the_picture_was_made_sends_nothing(
    world: World, maya: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = reencoding.remade
    other = Agent.objects.create(user=person("tom"), name="Tom", availability="online")

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        Case.objects.filter(pk=world.case.pk).update(agent=other)
        return stock(*args, **kwargs)

    monkeypatch.setattr(reencoding, "remade", meanwhile)
    refused(send(maya, world, picture(), side="workspace"), 403, "not_allowed")

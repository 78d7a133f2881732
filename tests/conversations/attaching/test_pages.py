"""The form for a file on the pages of both sides, without any script."""

from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from conversations.models import Attachment, Case
from rehearsal.pages import read
from tests.factories.attached import JSON, PDF, SVG, refused, send
from tests.factories.invited import World, signed_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("side", ["chat", "workspace"])
def test_the_form_of_the_page_works_by_itself(side: str, world: World) -> None:
    client = signed_in((world.maria if side == "chat" else world.maya).user)
    path = f"/chat/{world.case.public_id}/" if side == "chat" else f"/workspace/cases/{world.case.public_id}/"
    html = client.get(path).content.decode()
    for words in ("Attach a file", "PNG, JPEG, WebP, GIF", "each of at most 10 MB", "At most 20 files an hour"):
        assert words in html
    form = read(html).form(f"{path}files/", at=f"http://testserver{path}")
    assert form is not None
    answer = client.post(f"{path}files/", form.fields | {"file": SimpleUploadedFile("terms.pdf", PDF)})
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert Attachment.objects.get().name == "terms.pdf"
    fresh = read(client.get(path).content.decode()).form(f"{path}files/", at=f"http://testserver{path}")
    assert fresh is not None
    assert fresh.fields["client_id"] != form.fields["client_id"]


@pytest.mark.parametrize("side", ["chat", "workspace"])
def test_a_refused_form_is_a_page_with_the_sentence(side: str, world: World) -> None:
    client = signed_in((world.maria if side == "chat" else world.maya).user)
    answer = send(client, world, SVG, "a.svg", side=side, headers=None)
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "Files of this kind cannot be sent. We take pictures" in html
    assert str(world.case.public_id) in html, "there is a way back"


def test_a_form_without_a_file_is_told_so(world: World, maria: Client) -> None:
    answer = maria.post(f"/chat/{world.case.public_id}/files/", {"client_id": uuid4()}, headers=JSON)
    assert "Choose a file first" in refused(answer, 422, "bad_text")


def test_a_closed_case_offers_no_form(world: World, maria: Client) -> None:
    Case.objects.filter(pk=world.case.pk).update(status="CLOSED")
    assert "Attach a file" not in maria.get(f"/chat/{world.case.public_id}/").content.decode()

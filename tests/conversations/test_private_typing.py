"""What staff type is kept and shown to many: a private number is refused there or taken out, and never stored."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from conversations import stops
from conversations.models import AuditEvent, ReplyTemplate, SendingStop
from tests.factories.heard import bank
from tests.factories.walked import supervisor

pytestmark = pytest.mark.django_db
CARD = "4111 1111 1111 1111"
CODE = "cvv 123"


@pytest.fixture
def grace(client: Client) -> Client:
    client.force_login(supervisor())
    return client


@pytest.mark.parametrize("field", ["name", "text"])
def test_a_template_with_a_card_is_refused_with_a_sentence(grace: Client, field: str):
    template = ReplyTemplate.objects.create(brand=bank().brand, use="chat", name="Hello", text="How are you?")
    url = reverse("admin:conversations_replytemplate_change", args=[template.pk])
    typed = {"brand": template.brand_id, "use": "chat", "language": "en", "name": "Hello", "text": "Good day"}

    refused = grace.post(url, typed | {field: f"use {CARD} {CODE}"})
    assert refused.status_code == 200
    assert "This looks like a card or account number" in refused.content.decode()
    template.refresh_from_db()
    assert (template.name, template.text, LogEntry.objects.count()) == ("Hello", "How are you?", 0)

    assert grace.post(url, typed).status_code == 302
    template.refresh_from_db()
    assert template.text == "Good day"


def test_the_list_of_ignored_handles_takes_no_number_either(grace: Client):
    brand = bank().brand
    url = reverse("admin:conversations_brand_change", args=[brand.pk])
    typed = {"name": brand.name, "slug": brand.slug, "address": brand.address}
    assert grace.post(url, typed | {"ignored_handles": "BofA_Help,4111111111111111"}).status_code == 200
    brand.refresh_from_db()
    assert "4111111111111111" not in brand.ignored_handles


def test_the_reason_of_a_stop_is_kept_without_the_number(grace: Client):
    b = bank()
    stops.start(brand=b.brand, by=b.agent("Maya").user, reason=f"somebody wrote {CARD} {CODE} in public")
    kept = "somebody wrote [card number removed] cvv [security code removed] in public"
    assert SendingStop.objects.get().reason == kept
    assert AuditEvent.objects.get(verb="stopped").data["reason"] == kept

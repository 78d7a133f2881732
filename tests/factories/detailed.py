"""Takes an agent's and a customer's browser, leaves details asked for, given and looked at, and what is told of it."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from conversations.models import AuditEvent, SecureRequest
from tests.factories.desks import press, text_of
from tests.factories.invited import World

SECRET = "4111 1111 1111 1111, cvv 737"
DIGITS = "4111111111111111"
LABEL = "Date of birth"


def at_case(world: World, *rest: str) -> str:
    return "/".join([f"/workspace/cases/{world.case.public_id}", *rest, ""])


def ask(client: Client, world: World, label: str = LABEL) -> HttpResponse:
    return press(client, at_case(world, "details"), label=label)


def asked(client: Client, world: World, label: str = LABEL) -> SecureRequest:
    answer = ask(client, world, label)
    assert answer.status_code == 200, text_of(answer)
    return SecureRequest.objects.latest("pk")


def page_of(one: SecureRequest) -> str:
    return reverse("detail", args=[one.case.public_id, one.public_id])


def given(world: World, maya: Client, maria: Client, value: str = SECRET) -> SecureRequest:
    one = asked(maya, world)
    assert maria.post(page_of(one), {"value": value}).status_code == 302
    one.refresh_from_db()
    return one


def view(client: Client, world: World, one: SecureRequest) -> HttpResponse:
    return press(client, at_case(world, "details", str(one.public_id), "view"))


def told(answer: HttpResponse) -> Any:
    return json.loads(answer.content)


def lines(world: World) -> list[tuple[str, str, str, int | None]]:
    return list(world.case.messages.order_by("seq").values_list("kind", "side", "text", "about"))


def trail(world: World) -> list[str]:
    found = AuditEvent.objects.filter(case=world.case, verb__startswith="detail_").order_by("pk")
    return list(found.values_list("verb", flat=True))

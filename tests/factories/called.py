"""Takes a case in its chat, leaves phone calls asked for, made older, and what pages and trail say of them."""

import re
from datetime import timedelta

from django.urls import reverse

from conversations import callbacks
from conversations.models import Callback
from tests.factories.desks import text_of

NUMBER = "+49 30 901 820 47"
DIALLED = "+493090182047"
CALLS = "/workspace/calls/"


def asking(world) -> str:
    return f"{world.chat}call/"


def asked(world, number=NUMBER, **more) -> Callback:
    return callbacks.ask(world.case, world.maria, number=number, **more)


def moved(call, **by: timedelta) -> Callback:
    """The call as if its times were that much earlier."""
    columns = {name: getattr(call, name) - span for name, span in by.items()}
    Callback.objects.filter(pk=call.pk).update(**columns)
    call.refresh_from_db()
    return call


def code_on(response) -> str:
    found = re.search(r'class="bigcode">(\d{6})<', text_of(response))
    assert found, text_of(response)
    return found[1]


def path(call, what) -> str:
    return reverse(f"call_{what}", kwargs={"call_id": call.public_id})


def verbs(case) -> list[str]:
    return list(case.trail.order_by("id").values_list("verb", flat=True))

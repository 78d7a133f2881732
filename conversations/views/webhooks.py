"""Takes what a network calls us with, leaves its challenge answered and what it pushed with `push.take`.

No session, no cookie, no CSRF token: a network proves itself by its signature over the very bytes that it sent.
"""

import logging

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from conversations import credentials, push, tasks
from conversations.networks.errors import Forged, Refused

log = logging.getLogger(__name__)

MOST_BYTES = 1_048_576
SIGNATURE = "x-twitter-webhooks-signature"
PLAIN = "text/plain; charset=utf-8"


@csrf_exempt
@require_http_methods(["GET", "POST"])
@never_cache
def hook(request: HttpRequest, network: str) -> HttpResponse:
    """GET: the network asks whether this is us. POST: it pushes an event. 404 where pushing is switched off."""
    if settings.X_PUSH == "off":
        raise Http404
    return _answer(request, network) if request.method == "GET" else _take(request, network)


def _answer(request: HttpRequest, network: str) -> HttpResponse:
    """200 with the proof; 400 for anything that has not the shape of a challenge, since that might be signed mail."""
    try:
        proof = credentials.network(network).answer_challenge(request.GET.get("crc_token", ""))
    except Refused as error:
        return _plain(400, str(error))
    return JsonResponse({"response_token": proof})


def _take(request: HttpRequest, network: str) -> HttpResponse:
    """200 when it is stored (or need not be), 403 unless the network signed it, 413 above a megabyte,

    503 while the database is down: the network repeats it then.
    """
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        return _plain(413, "This is too long for an event.")
    try:
        events = credentials.network(network).open_envelope(body, request.headers.get(SIGNATURE, ""))
        if push.take(network, events):
            tasks.nudge(tasks.triage)
    except Forged as error:
        # Neither a word of it nor its sender's claims: whoever forges chooses both.
        log.warning("%s: %d bytes came to the webhook that it did not sign", network, len(body))
        return _plain(403, str(error))
    except (OperationalError, InterfaceError) as error:
        log.error("%s: an event could not be stored (%s); it is asked to repeat it", network, type(error).__name__)
        return _plain(503, "This cannot be stored now. Send it again.")
    return HttpResponse(status=200)


def _plain(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", status=status, content_type=PLAIN)

"""Takes a probe's request, leaves one word: alive (/healthz), or ready: PostgreSQL and Redis answer (/readyz)."""

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis.exceptions import RedisError


def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: the process answers. Nothing else is asked, so a slow database does not restart the site."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Ready: both servers answer; otherwise 503 and which of them does not."""
    state = {"database": "ok", "redis": "ok"}
    try:
        connection.ensure_connection()
    except DatabaseError:
        state["database"] = "does not answer"
    try:
        cache.get("readyz")
    except RedisError:
        state["redis"] = "does not answer"
    ready = set(state.values()) == {"ok"}
    return JsonResponse(state, status=200 if ready else 503)

"""Takes each answer, leaves it with its date and the headers that keep a browser careful."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import async_only_middleware
from django.utils.http import http_date

from sandbox import clock

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action {form_action}"
)


@async_only_middleware
def headers(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    """Content policy, referrer, framing and sniffing, on every answer that does not say otherwise."""

    async def answer(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        # The server is told to leave this to us: X's answers carry X's time.
        response.headers["Date"] = http_date(clock.epoch())
        # A browser follows the redirect after consent only to an origin that the form's policy names.
        form_action = " ".join(("'self'", *getattr(response, "form_targets", ())))
        response.headers.setdefault("Content-Security-Policy", POLICY.format(form_action=form_action))
        # Not "no-referrer": Chromium would then send "Origin: null" with our own forms.
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("X-Frame-Options", "DENY")
        return response

    return answer

"""Takes the place of the hand-off in tests of the proof: a view that begins it and a hook that accepts it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from accounts import customers, x


def begin(request: HttpRequest) -> HttpResponse:
    """As the hand-off's own view does, with an invitation of the test's choice."""
    return x.begin(request, {"invitation": request.POST["invitation"]})


def on_proof(
    request: HttpRequest, *, network: str, external_id: str, handle: str, data: dict[str, Any]
) -> HttpResponse | None:
    """Remember the handle, unless the invitation was not written to this account."""
    customer = customers.customer_of(request.user)
    if customer is None or data["invitation"] == "to somebody else":
        return None
    customers.remember_handle(customer, network, external_id, handle)
    return HttpResponse(f"proven for {data['invitation']}")


urlpatterns = [path("begin/", begin), path("", include("citisocial.urls"))]

"""Takes a request, leaves what every page shows: the bank's name and the address the reader should see in the bar."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from conversations.models import Brand


def site(request: HttpRequest) -> dict[str, object]:
    """`bank` (lazy: a page that does not name it asks nothing), `site_scheme`, and `site_host` in plain letters."""
    parts = urlsplit(settings.SITE_URL)
    return {
        "bank": SimpleLazyObject(_name),
        "site_scheme": parts.scheme,
        # Punycode, so that a look-alike letter shows as what it is.
        "site_host": parts.netloc.encode("idna").decode("ascii"),
    }


def _name() -> str:
    name = Brand.objects.order_by("pk").values_list("name", flat=True).first()
    return name or "citisocial"

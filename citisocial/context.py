"""Takes a request, leaves what every page shows: the bank's name and the address the reader should see in the bar."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from conversations.models import Brand


def site(request: HttpRequest) -> dict[str, object]:
    """`bank` (lazy: a page that does not name it asks nothing), `site_scheme`, `site_host` and `link_address`."""
    site, links = urlsplit(settings.SITE_URL), urlsplit(settings.LINK_URL)
    return {
        "bank": SimpleLazyObject(_name),
        "site_scheme": site.scheme,
        "site_host": _plain(site.netloc),
        "link_address": f"{links.scheme}://{_plain(links.netloc)}",
    }


def _plain(host: str) -> str:
    """Punycode, so that a look-alike letter shows as what it is."""
    return host.encode("idna").decode("ascii")


def _name() -> str:
    name = Brand.objects.order_by("pk").values_list("name", flat=True).first()
    return name or "citisocial"

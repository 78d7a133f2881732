"""Takes GET of /<slug>, leaves a row and a redirect, as one writes it first: a Django view, a SELECT and an INSERT.

A project of its own, for comparison: the least of middleware, a pool of connections, two tables of its own in the
database that DATABASE_URL names.
"""

import os
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

WHERE = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # without it the answer has no length
    ROOT_URLCONF=__name__,
    SECRET_KEY="for comparison",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": WHERE.path.lstrip("/"),
            "USER": WHERE.username,
            "PASSWORD": WHERE.password or "",
            "HOST": WHERE.hostname or parse_qs(WHERE.query)["host"][0],
            "PORT": WHERE.port or "",
            "OPTIONS": {"pool": True},
        }
    },
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, HttpResponseRedirect  # noqa: E402
from django.shortcuts import get_object_or_404  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402

LINKS = 1000


class Link(models.Model):
    objects: models.Manager["Link"]
    slug = models.CharField(max_length=13, unique=True)
    target = models.CharField(max_length=200)

    class Meta:
        app_label = "plain"

    def __str__(self) -> str:
        return self.slug


class Click(models.Model):
    objects: models.Manager["Click"]
    link = models.ForeignKey(Link, on_delete=models.CASCADE)
    at = models.DateTimeField()
    user_agent = models.CharField(max_length=200)
    method = models.CharField(max_length=4)

    class Meta:
        app_label = "plain"

    def __str__(self) -> str:
        return f"click {self.pk}"


def follow(request: HttpRequest, slug: str) -> HttpResponseRedirect:
    link = get_object_or_404(Link, slug=slug)
    agent = request.headers.get("User-Agent", "")[:200]
    Click.objects.create(link=link, at=timezone.now(), user_agent=agent, method=request.method or "")
    return HttpResponseRedirect(link.target)


def prepare() -> None:
    """Both tables, and links by the numbers from 0 on, in 13 digits."""
    with connection.schema_editor() as editor:
        editor.create_model(Link)
        editor.create_model(Click)
    Link.objects.bulk_create(Link(slug=f"{n:013}", target=f"http://localhost/{n:013}/") for n in range(LINKS))


urlpatterns = [path("<str:slug>", follow)]
prepare()
application = get_asgi_application()

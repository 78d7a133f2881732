"""Takes the SANDBOX_* environment, leaves the sandbox's Django settings (a project of its own, one process)."""

import os
import secrets
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent


def _env(name: str, default: str = "") -> str:
    """A setting from the environment; `NAME_FILE` names a file that holds it (mounted secrets)."""
    path = os.environ.get(name + "_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def _database(url: str) -> dict[str, object]:
    """Django's settings for a PostgreSQL URL; `?host=/directory` names a socket."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            "SANDBOX_DATABASE_URL must name a PostgreSQL database: postgresql://user:password@host:5432/name"
        )
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(options.pop("user", parts.username or "")),
        "PASSWORD": unquote(options.pop("password", parts.password or "")),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": options.pop("port", str(parts.port or "")),
        # One thread of one process does all the work (asgi.py), so one connection stays open.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


DATABASES = {"default": _database(_env("SANDBOX_DATABASE_URL"))}

# Without a key of its own every restart signs people out of the page, and nothing worse.
SECRET_KEY = _env("SANDBOX_SECRET_KEY") or secrets.token_urlsafe(32)
SANDBOX_URL = _env("SANDBOX_URL", "http://localhost:8002").rstrip("/")

# The one developer app that is registered with this X. Empty values match nothing.
SANDBOX_BEARER_TOKEN = _env("SANDBOX_BEARER_TOKEN")
SANDBOX_CLIENT_ID = _env("SANDBOX_CLIENT_ID")
SANDBOX_CLIENT_SECRET = _env("SANDBOX_CLIENT_SECRET")
SANDBOX_REDIRECT_URIS = [uri.strip() for uri in _env("SANDBOX_REDIRECT_URIS").split(",") if uri.strip()]
SANDBOX_APP_NAME = _env("SANDBOX_APP_NAME", "citisocial")

# The app's API secret (not its OAuth 2.0 client secret): signs what webhooks get. Without it no webhook is taken.
SANDBOX_CONSUMER_SECRET = _env("SANDBOX_CONSUMER_SECRET")
# X takes webhooks at https:// without a port only. 1 also takes http and ports, for a site on this machine.
SANDBOX_WEBHOOK_LOCAL = _env("SANDBOX_WEBHOOK_LOCAL") == "1"
# The first pause before an event is delivered again; each further one is twice as long, up to a minute.
SANDBOX_WEBHOOK_RETRY_SECONDS = float(_env("SANDBOX_WEBHOOK_RETRY_SECONDS", "1"))
# How long a compliance job takes after its ids were uploaded.
SANDBOX_COMPLIANCE_SECONDS = float(_env("SANDBOX_COMPLIANCE_SECONDS", "0"))

# X sends a blank line at least every 20 seconds.
SANDBOX_KEEPALIVE_SECONDS = float(_env("SANDBOX_KEEPALIVE_SECONDS", "15"))
# Which names of fields are accepted: X renamed them in its specification (tweet.fields to post.fields) before its
# documentation followed. "any" answers in the vocabulary that was asked for; "tweet" or "post" refuse the other.
SANDBOX_VOCABULARY = _env("SANDBOX_VOCABULARY", "any")
# X's search shows nothing younger than 30 seconds. 0 keeps demos and tests quick.
SANDBOX_SEARCH_LAG_SECONDS = float(_env("SANDBOX_SEARCH_LAG_SECONDS", "0"))

# For tests: X's OpenAPI document, which every answer is checked against (conformance.py), and a file for what is wrong.
SANDBOX_OPENAPI = _env("SANDBOX_OPENAPI")
SANDBOX_OPENAPI_REPORT = _env("SANDBOX_OPENAPI_REPORT")

DEBUG = _env("SANDBOX_DEBUG") == "1"
ALLOWED_HOSTS = ["*"] if DEBUG else sorted({urlsplit(SANDBOX_URL).hostname or "localhost", "localhost", "127.0.0.1"})

INSTALLED_APPS = ["django.contrib.staticfiles", "sandbox.apps.SandboxConfig"]
MIDDLEWARE = ["sandbox.middleware.headers", *(["sandbox.conformance.checked"] if SANDBOX_OPENAPI else [])]
ROOT_URLCONF = "sandbox.urls"
ASGI_APPLICATION = "sandbox.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "static/"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# Cookies know no ports: names of our own, so that site and sandbox on one host do not take each other's.
CSRF_COOKIE_NAME = "sandbox_csrf"
SESSION_COOKIE_NAME = "sandbox_session"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = SANDBOX_URL.startswith("https://")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "sandbox": {"level": _env("LOG_LEVEL", "INFO").upper()},
        # Refusals are logged once, by ourselves; Django would add a second line for each.
        "django.request": {"level": "ERROR"},
    },
}

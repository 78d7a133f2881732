"""Takes the environment, leaves Django's settings: one file, safe defaults, secrets also from NAME_FILE."""

import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from citisocial.supervision import UNFOLD  # noqa: F401 -- a setting

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """The variable NAME, or the content of the file that NAME_FILE names (mounted secrets), or the default."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def env_flag(name: str, default: bool = False) -> bool:
    """A variable that is 1, true, yes or on; anything else is off."""
    value = env(name)
    return value.lower() in {"1", "true", "yes", "on"} if value else default


def env_int(name: str, default: int) -> int:
    """A whole number; a wrong one stops the start with its name."""
    value = env(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise SystemExit(f"{name} is {value!r}: give it a whole number.") from None


def database(url: str, *, pool: int = 0) -> dict[str, object]:
    """Django's DATABASES entry of a postgresql:// URL; `?host=/dir` names a socket directory, as libpq has it.

    `pool`: connections that the process keeps for its requests; 0: each request makes one of its own.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise SystemExit("DATABASE_URL must be postgresql://user:password@host:port/name. Only PostgreSQL is used.")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": query.pop("port", str(parts.port or "")),
        # Under ASGI a connection held per thread is a connection leaked; 0 or a pool, never None.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": pool > 0,
        "OPTIONS": query | ({"pool": {"min_size": 1, "max_size": pool, "timeout": 10}} if pool else {}),
    }


# DEMO allows the sandbox, http cookies and demo people; `accounts.checks` refuses those without it.
DEMO = env_flag("DEMO")
DEBUG = env_flag("DEBUG")
SECRET_KEY = env("SECRET_KEY")
SITE_URL = env("SITE_URL", "http://localhost:8000").rstrip("/")
LINK_URL = env("LINK_URL", "http://localhost:8001").rstrip("/")
LINK_KEY = env("LINK_KEY")
SEALING_KEY = env("SEALING_KEY")
DEMO_SEED = env("DEMO_SEED")  # of the demo's staff: their authenticators' secrets come from it
AUDIT_KEY = env("AUDIT_KEY")  # the trail's MACs; whoever has it and the database can forge the trail
AUDIT_ANCHORS = env("AUDIT_ANCHORS")  # the file that the trail's seals are noted in: append-only, not on this disk
ALLOWED_HOSTS = [h for h in env("ALLOWED_HOSTS").split(",") if h] or [urlsplit(SITE_URL).hostname or "localhost"]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

# The network. Base URLs come from here, so the sandbox is a change of URL and nothing else.
X_API_URL = env("X_API_URL", "https://api.x.com").rstrip("/")
X_AUTHORIZE_URL = env("X_AUTHORIZE_URL", "https://x.com/i/oauth2/authorize")
X_CLIENT_ID = env("X_CLIENT_ID")
X_CLIENT_SECRET = env("X_CLIENT_SECRET")
X_BEARER_TOKEN = env("X_BEARER_TOKEN")
X_CONSUMER_SECRET = env("X_CONSUMER_SECRET")  # the app's API secret: X signs with it what it pushes
X_PUSH = env("X_PUSH", "off")  # webhook: X pushes events to SITE_URL/hooks/x/
X_ACCESS_TIER = env("X_ACCESS_TIER", "self_serve")  # or enterprise: which replies X lets through

# The walk's own limits, each with a safe default.
OUTREACH_UNDO_SECONDS = env_int("OUTREACH_UNDO_SECONDS", 15)
OUTREACH_DM_LIMIT = env_int("OUTREACH_DM_LIMIT", 15)  # direct messages per account in 15 minutes (X's own limit)
OUTREACH_AGENT_PER_HOUR = env_int("OUTREACH_AGENT_PER_HOUR", 20)  # texts one agent may send
OUTREACH_BRAND_PER_HOUR = env_int("OUTREACH_BRAND_PER_HOUR", 60)  # texts that may leave as one brand's accounts
OUTREACH_RECIPIENT_PER_DAY = env_int("OUTREACH_RECIPIENT_PER_DAY", 3)  # texts to somebody who does not answer
INVITATION_HOURS = env_int("INVITATION_HOURS", 72)
APPROVAL_HOURS = env_int("APPROVAL_HOURS", 24)  # what nobody approved in this time does not leave any more
MESSAGE_LENGTH = env_int("MESSAGE_LENGTH", 4000)
ATTACHMENTS = env("ATTACHMENTS")  # the directory of files sent in chats; every web process needs the same one
ATTACHMENT_MB = env_int("ATTACHMENT_MB", 10)
ATTACHMENT_MEGAPIXELS = env_int("ATTACHMENT_MEGAPIXELS", 25)  # what is decoded at all; more does not fit its process
ATTACHMENTS_PER_HOUR = env_int("ATTACHMENTS_PER_HOUR", 20)  # of one person in one case
MESSAGE_EDIT_MINUTES = env_int("MESSAGE_EDIT_MINUTES", 15)  # for so long one may change or take back what one said
SOCKET_MESSAGES = env_int("SOCKET_MESSAGES", 20)  # messages that one person may say …
SOCKET_MESSAGES_SECONDS = env_int("SOCKET_MESSAGES_SECONDS", 10)  # … in this many seconds
SOCKET_FRAMES = env_int("SOCKET_FRAMES", 120)  # frames of one socket in 10 seconds; more of them closes it
SOCKET_FRAME = env_int("SOCKET_FRAME", 16384)  # characters of one frame
SOCKETS_CLOSED_PER_SECOND = env_int("SOCKETS_CLOSED_PER_SECOND", 40)  # when a web process is told to stop
SOCKET_PINGS = env_int("SOCKET_PINGS", 20)  # that a client may send in 10 seconds; more of them cuts it off
SOCKET_RESUMES = env_int("SOCKET_RESUMES", 20)  # times in 10 seconds that a page may ask for what it lacks
SOCKETS_PER_USER = env_int("SOCKETS_PER_USER", 16)  # a case's page has two
SOCKETS_PER_ADDRESS = env_int("SOCKETS_PER_ADDRESS", 50)  # an office behind one address needs more
HANDSHAKE_SECONDS = env_int("HANDSHAKE_SECONDS", 10)  # for a request's line and headers, a socket's as well
SOCKET_SILENCE = env_int("SOCKET_SILENCE", 90)  # seconds; pages say something every 15
DETAIL_MINUTES = env_int("DETAIL_MINUTES", 60)  # a detail that was asked for is waited for, and then kept, so long
DETAIL_NAMES = [  # what an agent may ask for with one press; anything that we promised never to ask for is refused
    "Date of birth",
    "Postal address",
    "Telephone number",
    "Account or loan number",
    "Reference of a payment",
    "Last four digits of the card",
]
STEP_UP_MINUTES = env_int("STEP_UP_MINUTES", 10)  # a customer's proof in a chat: how old, and how long it counts
AGENT_IDLE_MINUTES = env_int("AGENT_IDLE_MINUTES", 10)  # an online agent who does nothing for so long is away
AGENT_GONE_SECONDS = env_int("AGENT_GONE_SECONDS", 120)  # … and offline when no page of theirs was open for so long
TRANSFER_SECONDS = env_int("TRANSFER_SECONDS", 120)  # how long a colleague may think about a case offered to them
RESOLVED_DAYS = env_int("RESOLVED_DAYS", 7)  # a quiet resolved case closes itself after this
OUTREACH_STEP_UP_SECONDS = env_int("OUTREACH_STEP_UP_SECONDS", 12 * 3600)  # how old a second factor may be; 0: any age
CALL_CODE_MINUTES = env_int("CALL_CODE_MINUTES", 15)  # how long a customer's code for the phone is good
CALL_HELD_MINUTES = env_int("CALL_HELD_MINUTES", 30)  # a call whose agent vanished waits again after this
CALL_WAITS_HOURS = env_int("CALL_WAITS_HOURS", 24)  # a call that nobody made in this time is over
NOTICES = env_flag("NOTICES", True)  # e-mail customers who left that a message waits; never its words or a link
NOTICE_AFTER_SECONDS = env_int("NOTICE_AFTER_SECONDS", 120)  # how long a message is unread until then
SWEEP_SECONDS = env_int("SWEEP_SECONDS", 5)
LOOK_AGAIN_SECONDS = env_int("LOOK_AGAIN_SECONDS", 5)  # how long an answer about budget or channels is good for
STREAM_HANDLES = env_flag("STREAM_HANDLES", True)  # off: rely on the polled mentions, which cost less

INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv else []),  # only its runserver: importing it costs every process a second
    "unfold",
    "django.contrib.admin.apps.SimpleAdminConfig",  # citisocial/urls.py discovers: only the site needs the admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "accounts",  # before allauth: our templates win
    "links",
    "conversations",
    "citisocial",
    "rehearsal",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "citisocial.policy.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.SecondFactor",
]
ROOT_URLCONF = "citisocial.urls"
ASGI_APPLICATION = "citisocial.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "citisocial.context.site",
            ],
        },
    }
]

# A new connection is a new process of PostgreSQL that knows no table yet: with a pool a webhook costs it a fifth.
DATABASE_POOL = env_int("DATABASE_POOL", 0)
DATABASES = {"default": database(env("DATABASE_URL", "postgresql://localhost/citisocial"), pool=DATABASE_POOL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env("REDIS_URL", "redis://localhost:6379/0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
ROOMS = "citisocial"  # the one channel of Redis on which rooms are told (conversations/events.py, realtime/hub.py)

# Sign-in.
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_REDIRECT_URL = "/"
LOGIN_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # a stolen session must not add its own address and reset the password
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if DEMO else "https"
# The second factor of everybody who works here, and of customers whom an agent asked for one. accounts.checks holds
# production to these.
MFA_ADAPTER = "accounts.mfa.FactorAdapter"
MFA_FORMS = {
    "activate_totp": "accounts.mfa.EnrolForm",
    "authenticate": "accounts.mfa.SignInForm",
    "reauthenticate": "accounts.mfa.ConfirmForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RP_ID = MFA_TOTP_ISSUER = urlsplit(SITE_URL).hostname or "localhost"
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False
MFA_REAUTHENTICATION_REQUIRED = True
MFA_TRUST_ENABLED = False
MFA_TOTP_INSECURE_BYPASS_CODE = None
MFA_TOTP_TOLERANCE = 1  # clocks of phones differ: the code of the period before and after is taken too, each once
MFA_ALLOW_UNVERIFIED_EMAIL = True  # logins are given out, so nobody can enrol with an address that is not theirs
SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "twitter_oauth2": {
        # `hidden`: without it allauth's sign-in page offers "sign in with X", which must never exist here.
        "APPS": [{"client_id": X_CLIENT_ID, "secret": X_CLIENT_SECRET, "settings": {"hidden": True}}],
        "SCOPE": ["users.read", "tweet.read"],
        "FIELDS": ["id", "name", "username"],
    }
}
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = False
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
HANDLE_PROOF = "conversations.views.handoff.on_proof"
HANDLE_REFUSED = "conversations.views.handoff.on_refusal"

# Cookies have names of their own, because cookies ignore ports; `__Host-` and Secure unless this is the demo on http.
SECURE_COOKIES = not DEMO
COOKIE_PREFIX = "__Host-" if SECURE_COOKIES else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}citisocial"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}citisocial-csrf"
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}citisocial-language"
HANDOFF_COOKIE_NAME = f"{COOKIE_PREFIX}citisocial-handoff"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "django.contrib.sessions.backends.db"  # cached_db would go on serving deleted sessions
SESSION_COOKIE_AGE = 12 * 3600
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_SSL_REDIRECT = SECURE_COOKIES
SECURE_HSTS_SECONDS = 0 if DEMO else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEMO
BEHIND_PROXY = env_flag("BEHIND_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# Without it everybody behind the proxy shares one limit on wrong passwords.
ALLAUTH_TRUSTED_PROXY_COUNT = env_int("PROXY_COUNT", 1) if BEHIND_PROXY else 0
# `no-referrer` would make Chromium send `Origin: null` with forms, which the CSRF check refuses.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'", SITE_URL.replace("http", "ws", 1)],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        # The hand-off's form ends in a redirect to the network: Chromium applies form-action to it as well.
        "form-action": ["'self'", "{0.scheme}://{0.netloc}".format(urlsplit(X_AUTHORIZE_URL))],
    }
}

# Celery carries no work, only "look again": see conversations/tasks.py. Every row's state is its own retry.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# With the broker down a nudge must cost a page milliseconds, not the client's six seconds of default patience.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.05,
    "interval_max": 0.1,
    "socket_connect_timeout": 0.5,
    "socket_timeout": 5,
}

# E-mail. The demo sends none: it writes to files or to its log. Production with notices needs a host and a sender.
EMAIL_HOST = env("EMAIL_HOST")
EMAIL_PORT = env_int("EMAIL_PORT", 587)
EMAIL_HOST_USER = env("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env("EMAIL_HOST_PASSWORD")
EMAIL_USE_SSL = env_flag("EMAIL_USE_SSL")  # from the first byte, mostly on port 465
EMAIL_USE_TLS = env_flag("EMAIL_USE_TLS", not EMAIL_USE_SSL)
EMAIL_TIMEOUT = 10
EMAIL_FILE_PATH = env("EMAIL_FILE_PATH") or None
EMAIL_BACKEND = "django.core.mail.backends.{}.EmailBackend".format(
    "smtp" if not DEMO else "filebased" if EMAIL_FILE_PATH else "console"
)
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", "citisocial@localhost" if DEMO else "")

FORMAT_MODULE_PATH = ["citisocial.formats"]
LANGUAGE_CODE = "en"
USE_I18N = True
LANGUAGES = [("en", "English")]  # a language joins when its catalogue is complete: half-translated pages help nobody
USE_TZ = True
TIME_ZONE = env("TIME_ZONE", "UTC")
STATIC_URL = "/static/"
STATIC_ROOT = env("STATIC_ROOT") or None  # where collectstatic puts them; without it they are served from the rooms
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG
SERVESTATIC_ALLOW_ALL_ORIGINS = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "citisocial.logs.Line", "format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", "INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        # The server's own words go through the same door: it quotes addresses. Its parent is not named here, for then
        # its access log, which is switched off because addresses are secrets, would be switched on again.
        "uvicorn.error": {"handlers": ["stderr"], "propagate": False},
    },
}

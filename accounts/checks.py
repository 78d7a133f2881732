"""Takes the settings, leaves the sentences that refuse an unsafe production; `insist` stops on them.

System checks run with management commands only, so a server calls `insist` itself.
"""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register, run_checks
from django.core.exceptions import ImproperlyConfigured

TAG = "safety"
SECRETS = ("SECRET_KEY", "LINK_KEY", "SEALING_KEY", "AUDIT_KEY")
SECRET_LENGTH = 32
# Where the real X is. Anything else in production would hand codes and the client secret to somebody.
X_API_HOSTS = ("api.x.com", "api.twitter.com")
X_AUTHORIZE_HOSTS = ("x.com", "twitter.com")
CONSUMER_SECRET_LENGTH = 20  # who knows it can push what they like in X's name
WEBHOOK_LENGTH = 200  # of the whole address, which X refuses when it is longer
WEBHOOK_PATH = "/hooks/x/"
TIERS = ("self_serve", "enterprise")
PUSHES = ("off", "webhook")
OUR_MACHINE = ("localhost", "127.0.0.1", "::1")
# What a second factor is worth nothing without. allauth's own defaults differ in most of them.
FACTORS = {
    "AUTHENTICATION_BACKENDS": ["accounts.backends.Backend"],
    "MFA_ADAPTER": "accounts.mfa.FactorAdapter",
    "MFA_FORMS": {
        "activate_totp": "accounts.mfa.EnrolForm",
        "authenticate": "accounts.mfa.SignInForm",
        "reauthenticate": "accounts.mfa.ConfirmForm",
    },
    "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
    "MFA_WEBAUTHN_USER_VERIFICATION": "required",
    "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": False,
    "MFA_REAUTHENTICATION_REQUIRED": True,
    "MFA_TRUST_ENABLED": False,
    "MFA_TOTP_INSECURE_BYPASS_CODE": None,
}
SECOND_FACTOR = "accounts.middleware.SecondFactor"


def check_safety(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Errors of this configuration; none means that it may start."""
    found = [*_secrets(), *_choices()]
    found += list(_demo() if settings.DEMO else _production())
    return found


def _secrets() -> Iterator[CheckMessage]:
    """Each key is there, long enough, and no other key's twin."""
    values = {name: _value(name) for name in SECRETS}
    for name, value in values.items():
        if len(value) < SECRET_LENGTH:
            yield Error(
                f"{name} has {len(value)} characters.",
                hint=f"Set {name} (or {name}_FILE) to at least {SECRET_LENGTH} random characters.",
                id="safety.E001",
            )
    if len(set(values.values())) < len(values):
        yield Error(
            f"{', '.join(SECRETS)} are not all different.",
            hint="Make one for each: whoever learns one must not hold the others.",
            id="safety.E002",
        )


def _choices() -> Iterator[CheckMessage]:
    """A word that is spelled wrong would quietly mean something else."""
    for name, known in (("X_ACCESS_TIER", TIERS), ("X_PUSH", PUSHES)):
        value = getattr(settings, name)
        if value not in known:
            yield Error(f"{name} is {value!r}.", hint=f"Set {name} to {' or '.join(known)}.", id="safety.E009")


def _value(name: str) -> str:
    """A setting, or nothing where Django itself refuses to read an empty one."""
    try:
        return str(getattr(settings, name, ""))
    except ImproperlyConfigured:
        return ""


def _demo() -> Iterator[CheckMessage]:
    """The demo has known passwords and people who are anybody: it may not touch the real network."""
    for name, hosts in (("X_API_URL", X_API_HOSTS), ("X_AUTHORIZE_URL", X_AUTHORIZE_HOSTS)):
        host = urlsplit(getattr(settings, name)).hostname or ""
        if host in hosts:
            yield Error(
                f"DEMO is on, and {name} is the real {host}.",
                hint=f"Point {name} at the sandbox, or turn DEMO off.",
                id="safety.E003",
            )


def _production() -> Iterator[CheckMessage]:
    """Everything that only the demo may do."""
    if settings.DEBUG:
        yield Error("DEBUG is on.", hint="Unset DEBUG: its error pages show secrets.", id="safety.E004")
    if any(app.partition(".")[0] == "sandbox" for app in settings.INSTALLED_APPS):
        yield Error("The sandbox is installed.", hint="Set DEMO=1 on a demo, elsewhere remove it.", id="safety.E005")
    yield from _addresses()
    yield from _cookies()
    yield from _factors()
    if not settings.AUDIT_ANCHORS:
        yield Error(
            "AUDIT_ANCHORS is not set: whoever owns the database could cut the audit trail and nobody would see it.",
            hint="Name a file on another machine or medium, which the worker may append to (docs/audit.md).",
            id="safety.E015",
        )
    if not os.path.isabs(settings.ATTACHMENTS):
        yield Error(
            f"ATTACHMENTS is {settings.ATTACHMENTS!r}: files that are sent in chats have no place.",
            hint="Set ATTACHMENTS to the full path of a directory that only the web processes may read.",
            id="safety.E017",
        )
    if settings.X_PUSH == "webhook":
        yield from _webhook()
    if settings.NOTICES:
        yield from _email()


def _email() -> Iterator[CheckMessage]:
    """Customers who left are told by e-mail that a message waits: somebody has to carry it, in somebody's name."""
    for name in ("EMAIL_HOST", "DEFAULT_FROM_EMAIL"):
        if not getattr(settings, name):
            yield Error(
                f"NOTICES is on, and {name} is not set.",
                hint=f"Set {name}, or NOTICES=0: then nobody who left hears of a message.",
                id="safety.E016",
            )


def _webhook() -> Iterator[CheckMessage]:
    """X pushes to an address that it can reach and likes, and signs with a secret that nobody guesses."""
    secret = settings.X_CONSUMER_SECRET
    if len(secret) < CONSUMER_SECRET_LENGTH:
        yield Error(
            f"X_PUSH is webhook, and X_CONSUMER_SECRET has {len(secret)} characters.",
            hint="Set X_CONSUMER_SECRET to the app's API key secret (X calls it consumer secret), or X_PUSH to off.",
            id="safety.E010",
        )
    parts = urlsplit(settings.SITE_URL)
    address = settings.SITE_URL + WEBHOOK_PATH
    if parts.scheme != "https" or ":" in parts.netloc or len(address) > WEBHOOK_LENGTH:
        yield Error(
            f"X_PUSH is webhook, and X does not take {parts.scheme}://{parts.netloc} as a webhook's address.",
            hint=f"Set SITE_URL to https:// without a port and at most {WEBHOOK_LENGTH} characters, or X_PUSH to off.",
            id="safety.E011",
        )


def _addresses() -> Iterator[CheckMessage]:
    """Ours are https and not this machine; X's are X's."""
    for name in ("SITE_URL", "LINK_URL"):
        parts = urlsplit(getattr(settings, name))
        if parts.scheme != "https" or parts.hostname in OUR_MACHINE:
            yield Error(
                f"{name} is {parts.scheme}://{parts.netloc}.",
                hint=f"Set {name} to the public https:// address, or DEMO=1 on a demo.",
                id="safety.E006",
            )
    for name, hosts in (("X_API_URL", X_API_HOSTS), ("X_AUTHORIZE_URL", X_AUTHORIZE_HOSTS)):
        parts = urlsplit(getattr(settings, name))
        if parts.scheme != "https" or parts.netloc not in hosts:
            yield Error(
                f"{name} leads to {parts.scheme}://{parts.netloc}, which is not X.",
                hint=f"Unset {name} for the real X; a sandbox needs DEMO=1.",
                id="safety.E007",
            )


def _cookies() -> Iterator[CheckMessage]:
    """Bound to https and to this host, by name and by flag."""
    for name in ("SESSION", "CSRF"):
        host_bound = str(getattr(settings, f"{name}_COOKIE_NAME")).startswith("__Host-")
        if not (host_bound and getattr(settings, f"{name}_COOKIE_SECURE")):
            yield Error(
                f"The {name.lower()} cookie would travel over http.",
                hint=f"Leave {name}_COOKIE_NAME and {name}_COOKIE_SECURE alone; only DEMO=1 may differ.",
                id="safety.E008",
            )


def _factors() -> Iterator[CheckMessage]:
    """Staff cannot work with a password alone, their passkeys are this site's, and nobody knows their secrets."""
    for name, value in FACTORS.items():
        if getattr(settings, name, None) != value:
            yield Error(
                f"{name} is not {value!r}: the second factor would be weaker than it looks.",
                hint=f"Leave {name} as citisocial/settings.py has it.",
                id="safety.E012",
            )
    order = list(settings.MIDDLEWARE)
    if SECOND_FACTOR not in order:
        yield Error(
            "Staff could work with a password alone.", hint=f"Put {SECOND_FACTOR} into MIDDLEWARE.", id="safety.E012"
        )
    host = urlsplit(settings.SITE_URL).hostname
    if host != settings.MFA_RP_ID:
        yield Error(
            f"MFA_RP_ID is {settings.MFA_RP_ID!r}, and the site is {host}.",
            hint="Passkeys belong to one host: leave MFA_RP_ID as citisocial/settings.py makes it from SITE_URL.",
            id="safety.E013",
        )
    if settings.DEMO_SEED:
        yield Error(
            "DEMO_SEED is set: whoever has it can compute the codes of the demo's staff.",
            hint="Unset DEMO_SEED (and DEMO_SEED_FILE), or set DEMO=1 on a demo.",
            id="safety.E014",
        )


def insist() -> None:
    """Stop the start: raises ImproperlyConfigured with every sentence that applies."""
    wrong = [f"{problem.msg} {problem.hint or ''}".strip() for problem in run_checks(tags=[TAG])]
    if wrong:
        raise ImproperlyConfigured("This configuration is not safe to start with. " + " ".join(wrong))


def watch() -> None:
    """Called once the apps are loaded."""
    register(check_safety, TAG)

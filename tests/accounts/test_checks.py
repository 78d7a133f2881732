"""What may start: the demo with its sandbox, production with neither."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from accounts import checks

PRODUCTION: dict[str, Any] = {
    "DEMO": False,
    "DEBUG": False,
    "SECRET_KEY": "s" * 40,
    "LINK_KEY": "l" * 40,
    "SEALING_KEY": "e" * 40,
    "AUDIT_KEY": "a" * 40,
    "SITE_URL": "https://chat.bank.example",
    "LINK_URL": "https://bnk.example",
    "X_API_URL": "https://api.x.com",
    "X_AUTHORIZE_URL": "https://x.com/i/oauth2/authorize",
    "X_PUSH": "webhook",
    "X_CONSUMER_SECRET": "c" * 50,
    "X_ACCESS_TIER": "self_serve",
    "SESSION_COOKIE_NAME": "__Host-citisocial",
    "CSRF_COOKIE_NAME": "__Host-citisocial-csrf",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "MFA_RP_ID": "chat.bank.example",
    "DEMO_SEED": "",
    "AUDIT_ANCHORS": "/mnt/anchors/trail",
    "NOTICES": True,
    "EMAIL_HOST": "mail.bank.example",
    "DEFAULT_FROM_EMAIL": "no-reply@bank.example",
    "ATTACHMENTS": "/mnt/attachments",
}


@pytest.fixture
def production(settings: Any) -> Any:
    for name, value in PRODUCTION.items():
        setattr(settings, name, value)
    return settings


def found() -> list[str | None]:
    return [problem.id for problem in checks.check_safety()]


def test_a_proper_production_and_the_demo_may_start(production: Any) -> None:
    assert found() == []
    checks.insist()
    production.DEMO = True
    production.X_API_URL = production.X_AUTHORIZE_URL = "http://localhost:8002"
    production.SITE_URL, production.SESSION_COOKIE_SECURE = "http://localhost:8000", False
    assert found() == []


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("SECRET_KEY", "", "safety.E001"),
        ("LINK_KEY", "short", "safety.E001"),
        ("SEALING_KEY", "s" * 40, "safety.E002"),
        ("DEMO", True, "safety.E003"),
        ("DEBUG", True, "safety.E004"),
        ("INSTALLED_APPS", ["accounts", "sandbox"], "safety.E005"),
        ("SITE_URL", "http://chat.bank.example", "safety.E006"),
        ("SITE_URL", "https://localhost", "safety.E006"),
        ("LINK_URL", "http://bnk.example", "safety.E006"),
        ("X_API_URL", "http://localhost:8002", "safety.E007"),
        ("X_API_URL", "https://api.x.com.eve.example", "safety.E007"),
        ("X_API_URL", "https://api.x.com@eve.example", "safety.E007"),
        ("X_API_URL", "http://api.x.com", "safety.E007"),
        ("X_AUTHORIZE_URL", "https://sandbox.example/i/oauth2/authorize", "safety.E007"),
        ("SESSION_COOKIE_NAME", "citisocial", "safety.E008"),
        ("CSRF_COOKIE_SECURE", False, "safety.E008"),
        ("MIDDLEWARE", ["allauth.account.middleware.AccountMiddleware"], "safety.E012"),
        ("AUTHENTICATION_BACKENDS", ["django.contrib.auth.backends.ModelBackend"], "safety.E012"),
        ("MFA_ADAPTER", "allauth.mfa.adapter.DefaultMFAAdapter", "safety.E012"),
        ("MFA_FORMS", {}, "safety.E012"),
        ("MFA_SUPPORTED_TYPES", ["recovery_codes"], "safety.E012"),
        ("MFA_WEBAUTHN_USER_VERIFICATION", "preferred", "safety.E012"),
        ("MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN", True, "safety.E012"),
        ("MFA_REAUTHENTICATION_REQUIRED", False, "safety.E012"),
        ("MFA_TRUST_ENABLED", True, "safety.E012"),
        ("MFA_TOTP_INSECURE_BYPASS_CODE", "000000", "safety.E012"),
        ("MFA_RP_ID", "bank.example", "safety.E013"),
        ("DEMO_SEED", "a seed", "safety.E014"),
        ("AUDIT_ANCHORS", "", "safety.E015"),
        ("EMAIL_HOST", "", "safety.E016"),
        ("DEFAULT_FROM_EMAIL", "", "safety.E016"),
        ("ATTACHMENTS", "", "safety.E017"),
        ("ATTACHMENTS", "attachments", "safety.E017"),
        ("X_ACCESS_TIER", "entreprise", "safety.E009"),
        ("X_PUSH", "on", "safety.E009"),
        ("X_CONSUMER_SECRET", "", "safety.E010"),
        ("X_CONSUMER_SECRET", "c" * 19, "safety.E010"),
        ("SITE_URL", "https://chat.bank.example:8443", "safety.E011"),
        ("SITE_URL", "http://chat.bank.example", "safety.E011"),
        ("SITE_URL", "https://chat." + "b" * 180 + ".example", "safety.E011"),
    ],
)
def test_one_unsafe_setting_is_enough_to_refuse(name: str, value: Any, error: str, production: Any) -> None:
    if name == "INSTALLED_APPS":
        # Not through the fixture: Django would load the apps.
        production._wrapped.INSTALLED_APPS = value
    else:
        setattr(production, name, value)
    assert error in found()
    with pytest.raises(ImproperlyConfigured, match="not safe to start"):
        checks.insist()


def test_what_is_not_pushed_needs_no_consumer_secret(production: Any) -> None:
    production.X_PUSH, production.X_CONSUMER_SECRET = "off", ""
    production.SITE_URL = "https://chat.bank.example:8443"
    assert found() == []


def test_without_notices_nothing_has_to_carry_them(production: Any) -> None:
    production.NOTICES, production.EMAIL_HOST = False, ""
    assert found() == []


def test_the_demo_is_told_of_a_misspelled_word_too(production: Any) -> None:
    production.DEMO = True
    production.X_API_URL = production.X_AUTHORIZE_URL = "http://localhost:8002"
    production.X_ACCESS_TIER = "Enterprise"
    assert found() == ["safety.E009"]

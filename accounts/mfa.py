"""Takes allauth's questions about second factors, leaves the bank's answers: sealed, used once, never the last away."""

import base64
from typing import Any

from allauth.core import context
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import (
    SECRET_SESSION_KEY,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import factors, permissions, sealing
from accounts.models import User

BOUND_TO = "second factor"  # not to its row: allauth hands over the text alone


class FactorAdapter(DefaultMFAAdapter):
    """Secrets sealed, passkeys bound to our own host, and nobody of the bank without a factor."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("This is not right, or it was used before. Wait for the next code and type that one."),
        "cannot_delete_authenticator": _("This is your only second factor. Add another one first."),
    }

    def encrypt(self, text: str) -> str:
        return base64.urlsafe_b64encode(sealing.seal(text.encode(), bound_to=BOUND_TO)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return sealing.unseal(base64.urlsafe_b64decode(encrypted_text), bound_to=BOUND_TO).decode()
        except (InvalidTag, ValueError):
            # Never an empty secret: everybody can compute the codes of that one.
            raise ImproperlyConfigured("A second factor was sealed with another key: restore SEALING_KEY.") from None

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        if authenticator.type not in factors.STRONG or not factors.wanted(authenticator.user):
            return True
        others = Authenticator.objects.filter(user_id=authenticator.user_id, type__in=factors.STRONG)
        return bool(others.exclude(pk=authenticator.pk).exists())

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return gettext("Passkey %(number)d") % {"number": number}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        # Stock takes the Host header.
        return {"id": settings.MFA_RP_ID, "name": settings.MFA_TOTP_ISSUER}


CODE = {"inputmode": "numeric", "autofocus": True}


class EnrolForm(ActivateTOTPForm):
    """The secret that is not confirmed yet waits in the session, and the session is a row of the database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kept = context.request.session.get(SECRET_SESSION_KEY)
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= CODE
        if self.is_bound and kept:
            self.secret = get_adapter().decrypt(kept)
        else:
            context.request.session[SECRET_SESSION_KEY] = get_adapter().encrypt(self.secret)


class Once:
    """A code serves once. allauth remembers it in the cache for one period, and takes codes of three."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= CODE  # type: ignore[attr-defined]

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        authenticator: Authenticator = self.authenticator  # type: ignore[attr-defined]
        if authenticator.type == Authenticator.Type.TOTP and not spend(authenticator, code):
            raise get_adapter().validation_error("incorrect_code")
        return code


class SignInForm(Once, AuthenticateForm):
    """The code after the password."""


class ConfirmForm(Once, ReauthenticateForm):
    """The code once more."""


def spend(authenticator: Authenticator, code: str) -> bool:
    """Write down which period the code is of; False when that one or a later one was used before."""
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
        secret, used = get_adapter().decrypt(row.data["secret"]), row.data.get("spent", 0)
        for period in yield_hotp_counters_from_time():
            expected = format_hotp_value(hotp_value(secret, period))
            if period > used and compare_user_code(actual=code, expected=expected):
                row.data["spent"] = period
                row.save(update_fields=["data"])
                return True
    return False


class RemovePasskey(RemoveWebAuthnView):
    """Stock asks `can_delete_authenticator` about an authenticator app alone."""

    def form_valid(self, form: Any) -> HttpResponse:
        if get_adapter().can_delete_authenticator(self.object):
            answer: HttpResponse = super().form_valid(form)
            return answer
        messages.error(self.request, str(get_adapter().error_messages["cannot_delete_authenticator"]))
        return HttpResponseRedirect(reverse("mfa_index"))


def take_away(user: User) -> bool:
    """For somebody who has lost all of them: they enrol anew at their next sign-in. True when there were any."""
    with transaction.atomic():
        gone, _kinds = Authenticator.objects.filter(user_id=user.pk).delete()
        permissions.end_sessions(user)
    return gone > 0

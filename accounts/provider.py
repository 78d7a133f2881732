"""Takes allauth's X provider, leaves ours under the same id; allauth finds this module by its name."""

import re
from typing import Any

from allauth.socialaccount.providers.twitter_oauth2.provider import TwitterOAuth2Provider
from django.http import HttpRequest

from accounts.x import XAdapter

HANDLE = re.compile(r"[A-Za-z0-9_]{1,50}")


class XProvider(TwitterOAuth2Provider):
    """X as a witness. Only the numeric id counts: handles change hands."""

    oauth2_adapter_class = XAdapter

    def extract_uid(self, data: Any) -> str:
        uid = data["id"]
        if not isinstance(uid, str) or not uid.isascii() or not uid.isdigit() or len(uid) > 20:
            raise ValueError("the id is not 1 to 20 digits")
        return uid

    def extract_extra_data(self, data: Any) -> dict[str, Any]:
        handle = data["username"]
        if not isinstance(handle, str) or not HANDLE.fullmatch(handle):
            raise ValueError("the handle is not a handle")
        return {"username": handle}

    def extract_common_fields(self, data: Any) -> dict[str, Any]:
        if not isinstance(data["name"], str):
            raise ValueError("the name is not a text")
        return {}

    # Stock, these two copy ?scope= and ?auth_params= of our own address into the one at X.
    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        scope: list[str] = self.get_scope()  # type: ignore[no-untyped-call]
        return scope

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, str]:
        params: dict[str, str] = self.get_auth_params()  # type: ignore[no-untyped-call]
        return params


provider_classes = [XProvider]

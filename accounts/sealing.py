"""Takes a secret that the database must not know, leaves it sealed with SEALING_KEY and bound to what it is.

AES-256-GCM. Whoever holds the rows alone can read nothing, and cannot use one kind of secret in place of another.
"""

import hashlib
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

NONCE = 12  # bytes, random, in front of what was sealed


@sensitive_variables("secret")
def seal(secret: bytes, *, bound_to: str) -> bytes:
    """The sealed bytes, different at each call; `bound_to` must be said again to open them."""
    nonce = os.urandom(NONCE)
    return nonce + _cipher().encrypt(nonce, secret, bound_to.encode())


def unseal(sealed: bytes, *, bound_to: str) -> bytes:
    """What was sealed. Raises cryptography's InvalidTag for another key, another binding or changed bytes."""
    return _cipher().decrypt(sealed[:NONCE], sealed[NONCE:], bound_to.encode())


def _cipher() -> AESGCM:
    return AESGCM(hashlib.sha256(settings.SEALING_KEY.encode()).digest())

"""Takes a nonce, leaves its slug: 11 base62 characters that nobody can guess and 2 that catch a slip.

    slug   = code + check
    code   = 11 base62 digits of HMAC-SHA256(LINK_KEY, "slug:" + nonce)          62^11 > 2^65
    check  = 2 base62 digits of a weighted sum of the code modulo the prime 3833, which is below 62^2
    lookup = HMAC-SHA256(LINK_KEY, "lookup:" + slug)                              all that the database holds

The check is arithmetic, not secret: it saves a look into the database for a typo, it guards nothing. With a
prime modulus and weights that differ between neighbours, every wrong character of the code and every swap of
neighbours in it changes the sum, so all of these are caught.
"""

import hashlib
import hmac
import re
import secrets
import string

from django.conf import settings

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
CODE_LENGTH = 11
CHECK_LENGTH = 2
NONCE_BYTES = 16
PRIME = 3833
WEIGHTS = tuple(pow(62, position + 1, PRIME) for position in range(CODE_LENGTH))
SLUG = re.compile(rf"[0-9A-Za-z]{{{CODE_LENGTH + CHECK_LENGTH}}}")


def fresh_nonce() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(NONCE_BYTES)


def slug_of(nonce: bytes) -> str:
    """The slug of a nonce, 13 characters; the same one as long as LINK_KEY stays."""
    number = int.from_bytes(_keyed(b"slug:" + nonce), "big")
    code = _digits(number, CODE_LENGTH)
    return code + check_characters(code)


def lookup_of(slug: str) -> bytes:
    """What a slug is found by, 32 bytes. Takes any text, so that a malformed slug costs the same work."""
    return _keyed(b"lookup:" + slug.encode("utf-8", "surrogatepass"))


def is_well_formed(slug: str) -> bool:
    """13 base62 characters whose last two fit the first eleven."""
    if not SLUG.fullmatch(slug):
        return False
    return slug[CODE_LENGTH:] == check_characters(slug[:CODE_LENGTH])


def check_characters(code: str) -> str:
    """The two characters that belong behind an eleven-character code."""
    total = sum(weight * ALPHABET.index(character) for weight, character in zip(WEIGHTS, code, strict=True))
    return _digits(total % PRIME, CHECK_LENGTH)


def _keyed(message: bytes) -> bytes:
    """HMAC-SHA256 under LINK_KEY; the prefix of the message makes it one key per purpose."""
    return hmac.new(settings.LINK_KEY.encode(), message, hashlib.sha256).digest()


def _digits(number: int, length: int) -> str:
    """The lowest `length` base62 digits, highest first."""
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))

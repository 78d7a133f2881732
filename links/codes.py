"""Takes a nonce, leaves its slug, to be tapped, and its code, to be typed; and what each of them is found by.

    slug   = secret + check
    secret = 11 base62 digits of HMAC-SHA256(LINK_KEY, "slug:" + nonce)          62^11 > 2^65
    check  = 2 base62 digits of a weighted sum of the secret modulo the prime 3833, which is below 62^2
    code   = 8 Crockford base32 digits of HMAC-SHA256(LINK_KEY, "code:" + nonce)  2^40
    lookup = HMAC-SHA256(LINK_KEY, "lookup:" + slug or "find:" + code)            all that the database holds

The check is arithmetic, not secret: it saves a look into the database for a typo, it guards nothing. With a
prime modulus and weights that differ between neighbours, every wrong character of the secret and every swap of
neighbours in it changes the sum, so all of these are caught.

A code is short because people type it, and says nothing about the slug. It can be tried only where tries are counted.
"""

import hmac
import re
import secrets
import string

from django.conf import settings

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH = 11
CHECK_LENGTH = 2
NONCE_BYTES = 16
PRIME = 3833
WEIGHTS = tuple(pow(62, position + 1, PRIME) for position in range(SECRET_LENGTH))
VALUES = {character: value for value, character in enumerate(ALPHABET)}
SLUG = re.compile(rf"[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}")

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O and U, which are misread or spell words
CODE_LENGTH = 8
CODE = re.compile(rf"[{CROCKFORD}]{{{CODE_LENGTH}}}")
MISREAD = str.maketrans("OIL", "011", "-\u2010\u2011\u2012\u2013\u2014\u2212")


def fresh_nonce() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(NONCE_BYTES)


def slug_of(nonce: bytes) -> str:
    """The slug of a nonce, 13 characters; the same one as long as LINK_KEY stays."""
    number = int.from_bytes(_keyed(b"slug:" + nonce), "big")
    secret = _digits(number, SECRET_LENGTH, ALPHABET)
    return secret + check_characters(secret)


def lookup_of(slug: str) -> bytes:
    """What a slug is found by, 32 bytes. Takes any text, so that a malformed slug costs the same work."""
    return _keyed(b"lookup:" + slug.encode("utf-8", "surrogatepass"))


def is_well_formed(slug: str) -> bool:
    """13 base62 characters whose last two fit the first eleven."""
    if not SLUG.fullmatch(slug):
        return False
    return slug[SECRET_LENGTH:] == check_characters(slug[:SECRET_LENGTH])


def check_characters(secret: str) -> str:
    """The two characters that belong behind the eleven."""
    total = sum(weight * VALUES[character] for weight, character in zip(WEIGHTS, secret, strict=True))
    return _digits(total % PRIME, CHECK_LENGTH, ALPHABET)


def code_of(nonce: bytes) -> str:
    """The code of a nonce, 8 characters; the same one as long as LINK_KEY stays."""
    return _digits(int.from_bytes(_keyed(b"code:" + nonce), "big"), CODE_LENGTH, CROCKFORD)


def typed_code(text: str) -> str:
    """The code that somebody meant by what they typed: any case, any spaces and dashes, O for 0, I and L for 1.

    It is no code (see `is_code`) when that was something else.
    """
    return "".join(text.upper().split()).translate(MISREAD)


def is_code(text: str) -> bool:
    """8 characters of Crockford's alphabet."""
    return CODE.fullmatch(text) is not None


def lookup_of_code(code: str) -> bytes:
    """What a code is found by, 32 bytes."""
    return _keyed(b"find:" + code.encode("utf-8", "surrogatepass"))


def _keyed(message: bytes) -> bytes:
    """HMAC-SHA256 under LINK_KEY; the prefix of the message makes it one key per purpose."""
    return hmac.digest(settings.LINK_KEY.encode(), message, "sha256")


def _digits(number: int, length: int, alphabet: str) -> str:
    """The lowest `length` digits in this alphabet, highest first."""
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        characters.append(alphabet[digit])
    return "".join(reversed(characters))

"""Takes WebAuthn's questions, leaves the answers of a passkey in software: ES256, no attestation, as from a browser."""

import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class SoftKey:
    """One credential. `verifies`: whether it asks for a finger or PIN; `origin`: the page that it believes to see."""

    def __init__(self, *, origin: str = "http://localhost:8000", verifies: bool = True) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.id = b"a credential of a test"
        self.origin = origin
        self.flags = PRESENT | (VERIFIED if verifies else 0)
        self.user_handle = b""
        self.counter = 0

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """What navigator.credentials.create() answers."""
        asked = options["publicKey"]
        self.user_handle = websafe_decode(asked["user"]["id"])
        key = ES256.from_cryptography_key(self.private.public_key())
        credential = AttestedCredentialData.create(Aaguid.NONE, self.id, key)
        data = AuthenticatorData.create(self.rp(asked["rp"]["id"]), self.flags | ATTESTED, 0, credential)
        return self.answer(
            clientDataJSON=self.seen("webauthn.create", asked["challenge"]),
            attestationObject=bytes(AttestationObject.create("none", data, {})),
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """What navigator.credentials.get() answers."""
        asked = options["publicKey"]
        self.counter += 1
        seen = self.seen("webauthn.get", asked["challenge"])
        data = bytes(AuthenticatorData.create(self.rp(asked["rpId"]), self.flags, self.counter))
        signed = self.private.sign(data + hashlib.sha256(seen).digest(), ec.ECDSA(hashes.SHA256()))
        return self.answer(clientDataJSON=seen, authenticatorData=data, signature=signed, userHandle=self.user_handle)

    def rp(self, name: str) -> bytes:
        return hashlib.sha256(name.encode()).digest()

    def seen(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def answer(self, **response: bytes) -> dict[str, Any]:
        name = websafe_encode(self.id)
        said = {key: websafe_encode(value) for key, value in response.items()}
        return {"type": "public-key", "id": name, "rawId": name, "response": said, "clientExtensionResults": {}}

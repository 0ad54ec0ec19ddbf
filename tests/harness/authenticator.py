"""A passkey in software (WebAuthn level 3): makes credentials and answers challenges as a browser would send them."""

import base64
import json
import os
from hashlib import sha256
from typing import Any

import cbor2
from attrs import define, field
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(octets: bytes) -> str:
    """base64url without padding, as WebAuthn's JSON has octets."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@define
class Authenticator:
    """One authenticator with one key. `origin` is what the browser says where it is."""

    origin: str
    verifies_user: bool = True
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(factory=lambda: os.urandom(32))

    def create(self, options: str) -> dict[str, Any]:
        """The answer to `navigator.credentials.create(options)`."""
        asked = json.loads(options)
        client = self._client("webauthn.create", asked["challenge"])
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + cbor2.dumps(public)
        said = self._said(asked["rp"]["id"], ATTESTED) + attested
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": said})
        return self._answer({"clientDataJSON": client, "attestationObject": statement}, transports=["internal"])

    def get(self, options: str) -> dict[str, Any]:
        """The answer to `navigator.credentials.get(options)`."""
        asked = json.loads(options)
        client = self._client("webauthn.get", asked["challenge"])
        self.count += 1
        said = self._said(asked["rpId"], 0)
        signature = self.key.sign(said + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer({"clientDataJSON": client, "authenticatorData": said, "signature": signature})

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _said(self, rp_id: str, flags: int) -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if self.verifies_user else 0)
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _answer(self, parts: dict[str, bytes], **more: Any) -> dict[str, Any]:
        name = b64(self.credential_id)
        response = {**{key: b64(value) for key, value in parts.items()}, **more}
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}

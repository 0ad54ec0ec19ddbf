"""Cosignatures (C2SP tlog-cosignature, Ed25519): a witness says that by a time it saw no larger head, and no other one.

The newer ML-DSA-44 form is left out until the library that signs for us has it in a release that we pin.
"""

from collections.abc import Iterable
from typing import Final, Self

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.tlog.errors import BadSignatureError, MalformedError
from shared.tlog.note import Algorithm, Signature, SignedNote, Signer, VerifierKey

TIMESTAMP_LENGTH: Final = 8
MAX_TIMESTAMP: Final = 2**63 - 1
SIGNATURE_LENGTH: Final = 64
"""RFC 8032 section 5.1.6."""


@frozen
class Cosignature:
    """A cosignature that verified: whose it is, and when it was made (Unix seconds)."""

    key: VerifierKey
    timestamp: int


@frozen
class Cosigner:
    """A witness's private key with the name it cosigns under. The key must serve nothing else."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Self:
        """The cosigner whose private key is `seed` (32 random octets).

        Raises:
            MalformedError: The name cannot name a key, or the seed has another length.
        """
        return cls(name, Signer.from_seed(name, seed).private_key)

    @property
    def verifier_key(self) -> VerifierKey:
        """What others verify this witness's cosignatures with."""
        public_key = self.private_key.public_key().public_bytes_raw()
        return VerifierKey(self.name, public_key, Algorithm.COSIGNATURE_V1)

    def cosign(self, text: str, *, timestamp: int) -> Signature:
        """The cosignature of a checkpoint's text at `timestamp` (Unix seconds). Requires 0 < timestamp <= 2**63 - 1.

        Raises:
            MalformedError: The time is out of range.
        """
        if not 0 < timestamp <= MAX_TIMESTAMP:
            raise MalformedError("not the time of a cosignature")
        signature = self.private_key.sign(cosigned_octets(text, timestamp))
        return Signature(self.name, self.verifier_key.key_id, timestamp.to_bytes(TIMESTAMP_LENGTH, "big") + signature)


def cosigned_octets(text: str, timestamp: int) -> bytes:
    """What a cosignature signs (C2SP tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def verify_cosignature(text: str, signature: Signature, key: VerifierKey) -> Cosignature:
    """The cosignature that `signature` is, once `key` is seen to have made it.

    Raises:
        BadSignatureError: The key did not make it, or it has no possible time.
    """
    timestamp = int.from_bytes(signature.octets[:TIMESTAMP_LENGTH], "big")
    if len(signature.octets) != TIMESTAMP_LENGTH + SIGNATURE_LENGTH or not 0 < timestamp <= MAX_TIMESTAMP:
        raise BadSignatureError(f"the cosignature of {key.name} has no possible form or time")
    key.verify(cosigned_octets(text, timestamp), signature.octets[TIMESTAMP_LENGTH:])
    return Cosignature(key, timestamp)


def cosigned_by(note: SignedNote, keys: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    """The cosignatures of the witnesses among `keys`, the newest of each; none is no error.

    Raises:
        BadSignatureError: A signature names one of them, and that key did not make it.
    """
    newest: dict[VerifierKey, Cosignature] = {}
    for key in keys:
        for signature in note.signatures:
            if key.algorithm is Algorithm.COSIGNATURE_V1 and key.made(signature):
                found = verify_cosignature(note.text, signature, key)
                newest[key] = max(newest.get(key, found), found, key=lambda each: each.timestamp)
    return tuple(newest.values())

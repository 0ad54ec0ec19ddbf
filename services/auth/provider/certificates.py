"""Certificates of the keys that sign, for programs that trust certificates and not key sets: registries of images.

A certificate is made of its key alone: signed by itself (RSA, PKCS #1 v1.5, which has no randomness), named and dated
as the key is, so that every replica makes the same octets and nothing of it has to be kept.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from services.auth.records.provider import SIGNING_KEY_LIFE_S

EARLY: Final = timedelta(days=1)
LIFE: Final = timedelta(seconds=2 * SIGNING_KEY_LIFE_S)
"""Longer than a key signs, and than a bundle that nobody fetches anew stays right."""


def certificate_of(key: RSAPrivateKey, key_id: str, created_at: datetime) -> x509.Certificate:
    """The certificate of the key of that id, which began at that time."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"IronFlock {key_id}")])
    began_at = created_at.replace(microsecond=0)
    serial = int.from_bytes(sha256(key_id.encode()).digest()[:16]) >> 1
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(serial).not_valid_before(began_at - EARLY).not_valid_after(began_at + LIFE)
    return made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, SHA256())

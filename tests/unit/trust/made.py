"""A CA and what it signs, as cert-manager has them."""

import datetime as dt
from typing import Self

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NOW = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)


@frozen
class Authority:
    """Its key and its certificate."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    pem: bytes

    @classmethod
    def made(cls, common_name: str) -> Self:
        """A new one."""
        key, name = ec.generate_private_key(ec.SECP256R1()), _name(common_name)
        return cls(name, key, _certificate(name, key.public_key(), name, key))

    def sign(self, common_name: str) -> bytes:
        """A certificate of that name."""
        return _certificate(
            _name(common_name), ec.generate_private_key(ec.SECP256R1()).public_key(), self.name, self.key
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, public: ec.EllipticCurvePublicKey, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> bytes:
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    built = built.serial_number(x509.random_serial_number())
    built = built.not_valid_before(NOW).not_valid_after(NOW + dt.timedelta(days=30))
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

"""Client certificates of the logins of data backends: short-lived, for a public key that comes from elsewhere."""

import datetime as dt
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.realms.rules.public_keys import public_key_of

LIFE: Final = dt.timedelta(days=30)
# A server whose clock runs a little behind ours must not refuse a certificate that was issued just now.
BACKDATED: Final = dt.timedelta(minutes=5)


class AuthorityError(Exception):
    """The CA of the logins cannot be used; the text says why."""


@frozen
class Authority:
    """The CA that PostgreSQL knows these logins by."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def load_authority(certificate: Path, key: Path) -> Authority:
    """The CA out of its two files; of several certificates the one whose key it is.

    Raises:
        AuthorityError: They cannot be read, or do not belong together; nothing of them is in the text.
    """
    try:
        known = x509.load_pem_x509_certificates(certificate.read_bytes())
        secret = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise AuthorityError(f"the CA of data backends in {certificate.parent} cannot be read") from error
    found = next((each for each in known if each.public_key() == secret.public_key()), None)
    if not isinstance(secret, ec.EllipticCurvePrivateKey) or found is None:
        raise AuthorityError(f"key and certificate in {certificate.parent} do not belong together")
    return Authority(found, secret)


class Authorities:
    """The CA that the two files hold now: another one may have taken over."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read them.

        Raises:
            AuthorityError: As `load_authority`.
        """
        self._files = certificate, key
        self._current = load_authority(*self._files)

    def current(self) -> Authority:
        """The one to sign with."""
        # Two files are replaced one after the other: while they do not match, the one before goes on.
        with suppress(AuthorityError):
            self._current = load_authority(*self._files)
        return self._current


def certificate_for(authority: Authority, login: str, public_key: str, now: dt.datetime) -> tuple[str, dt.datetime]:
    """A certificate that opens `login` to whoever holds the private half of `public_key`, as PEM, and its end.

    Raises:
        InvalidArgumentError: That is no such key.
    """
    ends_at = min(now + LIFE, authority.certificate.not_valid_after_utc).replace(microsecond=0)
    key = public_key_of(public_key)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, login)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends_at)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    signed = builder.sign(authority.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode(), ends_at

"""The development certificate authority: one long-lived CA, short-lived server certificates that it renews.

`ca.pem` is what others trust: the one that signs by `ca.key`, and another one while it takes over (`succession`).
Keys are ECDSA P-256. A certificate counts as due when two thirds of its life are over, when it does not carry the host
that is asked for, when it is not signed by the present CA, or when its key is not there.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.errors import PlatformError
from deploy.local.files import Account, write_atomically
from deploy.local.settings import is_address

NAME: Final = "IronFlock development CA"
CA_LIFE: Final = dt.timedelta(days=3650)
# A device whose clock runs a little behind ours must not refuse a certificate that was issued just now.
BACKDATED: Final = dt.timedelta(minutes=5)
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class AuthorityError(PlatformError):
    """The CA cannot issue; the text says what to do."""


@frozen
class Authority:
    """A certificate authority that can sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@frozen
class Order:
    """A server certificate to be had: for which hosts, for how long, in which two files, owned by whom."""

    certificate: Path
    key: Path
    hosts: tuple[str, ...]
    life: dt.timedelta
    owner: Account | None = None


def hosts_of(host: str) -> tuple[str, ...]:
    """What a server certificate names: this machine's loopback names and `host`."""
    return tuple(dict.fromkeys((*LOOPBACK, host)))


def ensure_authority(folder: Path, now: dt.datetime, *, name: str = NAME) -> Authority:
    """The CA in `folder` (`ca.pem`, `ca.key`), made when there is none yet, and then called `name`.

    Raises:
        AuthorityError: A certificate is there without its key: clients may trust it already, so it is not replaced.
    """
    certificate_path, key_path = folder / "ca.pem", folder / "ca.key"
    if not certificate_path.exists():
        # The key is written first: a crash in between leaves a key that nobody trusts yet, and both are made anew.
        key = ec.generate_private_key(ec.SECP256R1())
        authority = Authority(authority_certificate(key, name, now), key)
        write_atomically(key_path, pem_of_key(authority.key))
        write_atomically(certificate_path, pem_of(authority.certificate))
    return load_authority(folder)


def load_authority(folder: Path) -> Authority:
    """The CA in `folder` that signs: of those that are trusted, the one whose key is there.

    Raises:
        AuthorityError: There is no such key.
        OSError, ValueError: The files cannot be read.
    """
    key_path = folder / "ca.key"
    if not key_path.exists():
        raise AuthorityError(f"{key_path} is missing: put it back, or remove {folder} to start a new CA")
    key = load_key(key_path)
    certificate = certificate_of(key, trusted(folder))
    if certificate is None:
        raise AuthorityError(f"{key_path} belongs to no certificate of {folder / 'ca.pem'}")
    return Authority(certificate, key)


def trusted(folder: Path) -> list[x509.Certificate]:
    """The certificates in `ca.pem` of `folder`."""
    return x509.load_pem_x509_certificates((folder / "ca.pem").read_bytes())


def certificate_of(
    key: ec.EllipticCurvePrivateKey, certificates: Iterable[x509.Certificate]
) -> x509.Certificate | None:
    """The one of `certificates` that is `key`'s."""
    return next((each for each in certificates if each.public_key() == key.public_key()), None)


def is_due(authority: Authority, order: Order, now: dt.datetime) -> bool:
    """Whether `order` must be issued (again)."""
    try:
        certificate = x509.load_pem_x509_certificate(order.certificate.read_bytes())
        key = load_key(order.key)
        certificate.verify_directly_issued_by(authority.certificate)
        hosts = _hosts_in(certificate)
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound, UnsupportedAlgorithm):
        return True
    fits = hosts == set(order.hosts) and key.public_key() == certificate.public_key()
    left = certificate.not_valid_after_utc - now
    # More left than it was given: the ordered life was shortened, or the clock went back.
    return not fits or not order.life / 3 < left <= order.life


def issue(authority: Authority, order: Order, now: dt.datetime) -> None:
    """Make a new key and certificate for `order` and replace its files.

    The key is replaced first. Until the certificate follows they do not match; whoever reads them keeps the pair it
    has (`shared.tls` does), and `is_due` repairs what a crash left so.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _server_certificate(authority, order, key, now)
    write_atomically(order.key, pem_of_key(key), owner=order.owner)
    write_atomically(order.certificate, pem_of(certificate), owner=order.owner)


def renew(authority: Authority, orders: list[Order], now: dt.datetime) -> list[Order]:
    """Issue what is due and return it."""
    due = [order for order in orders if is_due(authority, order, now)]
    for order in due:
        issue(authority, order, now)
    return due


def authority_certificate(key: ec.EllipticCurvePrivateKey, called: str, now: dt.datetime) -> x509.Certificate:
    """The certificate of a CA with `key`, signed by itself; the time in its name tells it from the one before it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{called} {now:%Y-%m-%d %H:%M:%S}")])
    builder = (
        _builder(name, name, key, now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def _server_certificate(
    authority: Authority, order: Order, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, order.certificate.stem)])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(subject, authority.certificate.subject, key, now, order.life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in order.hosts]), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return builder.sign(authority.key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(host)) if is_address(host) else x509.DNSName(host)


def _hosts_in(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def pem_of(certificate: x509.Certificate) -> bytes:
    """The certificate as it stands in a file."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as it stands in a file."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in the file `path`.

    Raises:
        OSError, ValueError, TypeError: It cannot be read, or is of another kind.
    """
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no elliptic curve key")
    return key

"""The certificates of listeners, and the authorities, as they lie in a state folder."""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from deploy.flockctl.doctor.records import Certificate
from deploy.local.state import StateFolder


def certificates(state: StateFolder, listeners: Iterable[str]) -> tuple[Certificate, ...]:
    """Those of `listeners`, and of the two authorities."""
    authorities = (("authority", state.ca / "ca"), ("authority of data backends", state.backend_login_authority / "ca"))
    trusted = _read(state.ca_certificate)
    found = [_looked_at(name, path, []) for name, path in authorities]
    found += [_looked_at(name, state.tls / name, trusted) for name in listeners]
    return tuple(found)


def believed(bundle: Path) -> tuple[Certificate, ...]:
    """The authorities that `bundle` has: each must have signed itself."""
    return tuple(
        Certificate(
            f"of the authority {each.subject.rfc4514_string()} in {bundle}",
            each.not_valid_before_utc.timestamp(),
            each.not_valid_after_utc.timestamp(),
            is_chained=_is_signed(each, each),
            fits_key=None,
        )
        for each in _read(bundle)
    )


def _looked_at(name: str, stem: Path, authorities: list[x509.Certificate]) -> Certificate:
    """The certificate `stem`.pem with its key beside it; without `authorities` it must have signed itself."""
    there = _read(stem.with_suffix(".pem"))
    # While one authority takes over from another there are both.
    certificate = next((each for each in there if _fits(each, stem.with_suffix(".key"))), there[0] if there else None)
    if certificate is None:
        return Certificate(name, 0, 0, is_chained=False, fits_key=None, problem="there is no certificate to be read")
    return Certificate(
        name,
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        is_chained=any(_is_signed(certificate, each) for each in authorities or [certificate]),
        fits_key=_fits(certificate, stem.with_suffix(".key")),
    )


def _read(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []


def _is_signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _fits(certificate: x509.Certificate, path: Path) -> bool | None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError:
        return None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return key.public_key() == certificate.public_key()

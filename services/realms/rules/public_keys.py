"""Which public keys a certificate is made for."""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.errors import InvalidArgumentError

WANTED: Final = "public_key must be one of an elliptic curve, P-256 (secp256r1), as PEM"


def public_key_of(pem: str) -> ec.EllipticCurvePublicKey:
    """The key that `pem` is.

    Raises:
        InvalidArgumentError: It is none, or one of another kind; the text does not repeat it.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, UnicodeEncodeError) as error:
        raise InvalidArgumentError(WANTED, argument="public_key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidArgumentError(WANTED, argument="public_key")
    return key

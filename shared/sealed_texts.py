"""Sealed values as text columns hold them: `ifsec:1:<data key>:<nonce and ciphertext in base64url>`.

Source: wire-sdk.md section 6. Inside is what `shared.secrets` seals; the text only says the same in letters.
"""

import base64
import binascii
from typing import Final

FORM: Final = "ifsec:1:"
_VERSION: Final = b"\x01"


def text_of(sealed: bytes) -> str:
    """What a column holds of what `shared.secrets` sealed."""
    end = 2 + sealed[1]
    body = base64.urlsafe_b64encode(sealed[end:]).rstrip(b"=")
    return f"{prefix_of(sealed)}{body.decode()}"


def prefix_of(header: bytes) -> str:
    """How every text begins that was sealed by the data key of `header`."""
    return f"{FORM}{header[2 : 2 + header[1]].decode('ascii')}:"


def octets_of(text: str) -> bytes | None:
    """The inverse of `text_of`; None where the text is not of that form, and so no secret that was sealed."""
    name, colon, body = text.removeprefix(FORM).partition(":")
    if not (text.startswith(FORM) and colon and name and name.isascii() and len(name) < 256):  # noqa: PLR2004 - an octet
        return None
    try:
        sealed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return _VERSION + bytes([len(name)]) + name.encode() + sealed

"""Secret values as columns hold them: `ifsec:1:<data key>:<nonce and ciphertext in base64url>` (wire-sdk.md section 6).

Inside is what `shared.secrets` seals; the text only says the same in letters. It is bound to backend, table and column:
in another place it opens nothing.
"""

import base64
import binascii
from typing import Any, Final

from services.fleetdb.records.tables import HIDDEN

PREFIX: Final = "ifsec:"
"""No text that begins so is taken from apps: it would stand for what another one sealed."""
FORM: Final = "ifsec:1:"
KEPT: Final = frozenset({HIDDEN, "\u2022" * 8})
"""What forms send back of a secret that they were not shown: keep what is there."""
_VERSION: Final = b"\x01"


def place_of(backend_key: int, table: str, column: str) -> str:
    """What a secret value is bound to."""
    return f"fleetdb/{backend_key}/{table}/{column}"


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


def is_kept(value: Any) -> bool:
    """Whether it stands for the value that is there already."""
    return value in KEPT


def is_ciphertext(value: Any) -> bool:
    """Whether it looks as if it had been sealed."""
    return isinstance(value, str) and value.startswith(PREFIX)

"""What a visitor's request says. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from services.tunnels.records.offers import TunnelProtocol
from shared.errors import (
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OutcomeUnknownError,
    OverLimitError,
    PublicError,
    SignInRefusedError,
    UnavailableError,
)

MAX_CREDENTIAL: Final = 4_096
MAX_WORD: Final = 400
MAX_PORT: Final = 65_535
MAX_KEY_DIGITS: Final = 15
UDP_WORD: Final = "udp"
HOW: Final = "say /visit/<device>/<app>/<port>, and /udp behind it for datagrams; the device by its name or key"
NO_CREDENTIAL: Final = "show an API key, an access token or a ticket: Authorization: Bearer ..."
STATUS_OF_REFUSALS: Final[dict[type[PublicError], int]] = {
    InvalidArgumentError: 400,
    SignInRefusedError: 401,
    NotAuthorizedError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    OverLimitError: 429,
    UnavailableError: 503,
    OutcomeUnknownError: 503,
}
"""RFC 9110, section 15; whatever else there is means that a part is away (503)."""
_BEARER: Final = re.compile(r"bearer[ \t]+([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
_NUMBER: Final = re.compile(r"[1-9][0-9]*", re.ASCII)


def bearer(values: Sequence[str]) -> str:
    """The one credential of a request (RFC 6750, section 2.1).

    Raises:
        SignInRefusedError: None, more than one, or none by its form.
    """
    found = _BEARER.fullmatch(values[0].strip()) if len(values) == 1 else None
    if found is None or len(found[1]) > MAX_CREDENTIAL:
        raise SignInRefusedError(NO_CREDENTIAL)
    return found[1]


def wanted_of(parts: Sequence[str]) -> tuple[int | str, str, int, TunnelProtocol]:
    """Device, app, port and protocol that the parts of a path, behind `/visit`, mean: tcp, if not udp.

    Raises:
        InvalidArgumentError: They mean none.
    """
    where, more = parts[:3], parts[3:]
    is_whole = len(where) == 3 and all(0 < len(part) <= MAX_WORD for part in where)  # noqa: PLR2004 - as HOW says
    if not is_whole or list(more) not in ([], [UDP_WORD]):
        raise InvalidArgumentError(HOW)
    if _NUMBER.fullmatch(where[2]) is None or int(where[2]) > MAX_PORT:
        raise InvalidArgumentError(HOW)
    device = where[0]
    is_key = _NUMBER.fullmatch(device) is not None and len(device) <= MAX_KEY_DIGITS
    protocol = TunnelProtocol.UDP if more else TunnelProtocol.TCP
    return int(device) if is_key else device, where[1].lower(), int(where[2]), protocol

"""What can be kept as JSON: it comes back from the database and on every wire as it went there."""

import math
from typing import Any, Final

import msgspec

from shared.errors import InvalidArgumentError
from shared.identities import MAX_KEY

MAX_OCTETS: Final = 256 * 1024
MAX_DEPTH: Final = 32
UNFIT: Final = "it has what cannot be kept: a NUL, half a surrogate pair, a number out of range, a name that is no text"


def check_content(content: dict[str, Any], *, what: str) -> None:
    """Let pass what can be kept.

    Args:
        what: The argument's name, for the refusal.

    Raises:
        InvalidArgumentError: It cannot be kept as JSON, nests too deep, or is larger than 256 KiB.
    """
    _check_value(content, MAX_DEPTH, what)
    if len(msgspec.json.encode(content)) > MAX_OCTETS:
        raise refusal(what, f"it may have at most {MAX_OCTETS // 1024} KiB")


def refusal(what: str, text: str) -> InvalidArgumentError:
    """Why the argument `what` is refused."""
    return InvalidArgumentError(f"{what}: {text}", argument=what)


def _check_value(value: Any, depth: int, what: str) -> None:
    if depth < 0:
        raise refusal(what, f"it may be {MAX_DEPTH} levels deep")
    if isinstance(value, list):
        for each in value:
            _check_value(each, depth - 1, what)
    elif isinstance(value, dict):
        for name, each in value.items():
            if not isinstance(name, str) or not _can_be_kept(name):
                raise refusal(what, UNFIT)
            _check_value(each, depth - 1, what)
    elif not _can_be_kept(value):
        raise refusal(what, UNFIT)


def _can_be_kept(value: Any) -> bool:
    match value:
        case bool() | None:
            return True
        case int():
            return abs(value) <= MAX_KEY
        case float():
            return math.isfinite(value)
        case str():
            return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
        case _:
            return False

"""Cursors: where a page ended, as a text that callers pass back unread.

Pages are cut by key, never by position, so that what comes or goes meanwhile neither repeats nor hides a row.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from shared.errors import InvalidArgumentError
from shared.identities import MAX_KEY

Row = TypeVar("Row")
_PREFIX: Final = "k"
MAX_ANSWER_OCTETS: Final = 512 * 1024
"""Half of what the router takes in one message of a client (1 MiB)."""


def position_after(cursor: str | None) -> int:
    """The key after which the next page begins; 0 for the first page.

    Raises:
        InvalidArgumentError: `cursor` is none that we gave out.
    """
    if cursor is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==").decode("ascii")
    except (UnicodeError, binascii.Error) as error:
        raise InvalidArgumentError("this is no cursor of ours", argument="cursor") from error
    digits = text.removeprefix(_PREFIX)
    is_key = digits.isdigit() and len(digits) <= len(str(MAX_KEY)) and int(digits) <= MAX_KEY
    if not is_key or cursor_at(int(digits)) != cursor:
        raise InvalidArgumentError("this is no cursor of ours", argument="cursor")
    return int(digits)


def page(rows: Sequence[Row], limit: int, key: Callable[[Row], int]) -> tuple[list[Row], str | None]:
    """The page out of up to `limit + 1` rows, and the cursor of the next one (None when this is the last).

    A page also ends where its rows would make an answer that is too long to be sent, after one row at the earliest.
    """
    fitting = min(limit, max(1, fitting_rows(rows)))
    if len(rows) <= fitting:
        return list(rows), None
    return list(rows[:fitting]), cursor_at(key(rows[fitting - 1]))


def fitting_rows(rows: Sequence[Row]) -> int:
    """How many of `rows`, from the first on, make an answer of at most `MAX_ANSWER_OCTETS`."""
    octets = 0
    for count, row in enumerate(rows):
        octets += len(msgspec.json.encode(row))
        if octets > MAX_ANSWER_OCTETS:
            return count
    return len(rows)


def cursor_at(last: int) -> str:
    """The cursor of a page that ended with key `last`."""
    return base64.urlsafe_b64encode(f"{_PREFIX}{last}".encode()).rstrip(b"=").decode()

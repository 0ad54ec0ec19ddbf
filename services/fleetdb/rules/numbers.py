"""Numbers and truth values: 64-bit integers and doubles, since that is what they travel as.

Text in such a column is read as its type, as published: what cannot be read as a number or a truth value is NULL.
"""

import math
import re
from decimal import Decimal
from typing import Any, Final

from services.fleetdb.errors import BAD_TEXT, OUT_OF_RANGE, Refusal, refused

MAX_NUMBER_LETTERS: Final = 400
INT64: Final = 1 << 63
EXACT: Final = 1 << 53
"""From here on doubles are whole numbers."""
LARGEST: Final = 1.7976931348623157e308
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_TRUE: Final = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "off", "0"})


def numeric(name: str, raw: Any) -> int | float | None:
    """What a numeric column keeps: 64-bit integers and doubles; None for what is no number.

    Raises:
        Refusal: It is none that travels.
    """
    kind = type(raw)
    if kind is float:
        return raw if -EXACT < raw < EXACT and not raw.is_integer() else finite(name, raw)
    if kind is int:
        return raw if -INT64 <= raw < INT64 else wide(name, raw)
    if kind is bool:
        return int(raw)
    if kind is str:
        return _number_in(name, raw)
    return _decimal(name, raw) if isinstance(raw, Decimal) else None


def finite(name: str, raw: float) -> int | float:
    """The double itself, whole ones as integers where they fit.

    Raises:
        Refusal: It is not finite.
    """
    if not -LARGEST <= raw <= LARGEST:
        raise _out_of_range(name, "numeric")
    return int(raw) if raw.is_integer() and -INT64 <= raw < INT64 else raw


def wide(name: str, raw: int) -> float:
    """An integer of more than 64 bits is a double, or there is no way to say it."""
    double = _as_double(raw)
    if double is None or double != raw:
        raise _out_of_range(name, "numeric")
    return double


def _as_double(number: float | Decimal) -> float | None:
    try:
        double = float(number)
    except OverflowError:
        return None
    return double if math.isfinite(double) else None


def _number_in(name: str, raw: str) -> int | float | None:
    """A text with a fraction or an exponent means the double next to it; one of digits alone is meant exactly."""
    text = raw.strip()
    if not _NUMBER.fullmatch(text):
        return None
    if len(text) > MAX_NUMBER_LETTERS:
        raise _out_of_range(name, "numeric")
    if _INTEGER.fullmatch(text):
        return numeric(name, int(text))
    double = float(text)
    if not double and text.lower().partition("e")[0].strip("+-0."):
        raise _out_of_range(name, "numeric")  # so near to nothing that nothing would be left
    return finite(name, double)


def _decimal(name: str, raw: Decimal) -> int | float:
    double = _as_double(raw) if raw.is_finite() else None
    if double is None:
        raise _out_of_range(name, "numeric")
    if -INT64 <= double < INT64 and raw == raw.to_integral_value():
        return int(raw)
    if Decimal(repr(double)) != raw:
        raise _out_of_range(name, "numeric")
    return double


def bigint(name: str, raw: Any) -> int | None:
    """What a column of 64-bit integers keeps; None for what is no number.

    Raises:
        Refusal: It is wider, or has a fraction.
    """
    kind = type(raw)
    if kind is str:
        return _bigint_in(name, raw)
    number = raw if kind is int else numeric(name, raw)
    if number is None:
        return None
    if not -INT64 <= number < INT64:
        raise _out_of_range(name, "bigint")
    if isinstance(number, float):
        raise refused(BAD_TEXT, f'column "{name}": invalid input syntax for type bigint')
    return int(number)


def _bigint_in(name: str, raw: str) -> int | None:
    try:
        number = _number_in(name, raw)
    except Refusal:
        raise _out_of_range(name, "bigint") from None
    if number is not None and not -INT64 <= number < INT64:
        raise _out_of_range(name, "bigint")
    return number if isinstance(number, int) else None


def _out_of_range(name: str, data_type: str) -> Refusal:
    return refused(OUT_OF_RANGE, f'column "{name}": value is out of range for type {data_type}')


def boolean(_name: str, raw: Any) -> bool | None:
    """A truth value, also as a word or 0 and 1; None for anything else."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        word = raw.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    return bool(raw) if isinstance(raw, int | float | Decimal) and raw in (0, 1) else None


def number_shown(value: float | Decimal) -> int | float:
    """A number as the database gave it, as it is on the wire."""
    if not isinstance(value, Decimal):
        return value
    double = float(value)
    if -INT64 <= double <= INT64 and value == value.to_integral_value():
        whole = int(value)
        return whole if -INT64 <= whole < INT64 else double
    return double


def floats(raws: list[float]) -> list[int | float] | None:
    """None: look at each."""
    if not all(map(math.isfinite, raws)):
        return None
    return [raw if not raw.is_integer() else finite("", raw) for raw in raws]


def integers(raws: list[int]) -> list[int] | None:
    """`numeric` and `bigint` for many integers; None where each has to be looked at."""
    return raws if min(raws) >= -INT64 and max(raws) < INT64 else None

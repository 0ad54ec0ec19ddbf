"""What a filter compares with, read as the type of what it is compared to; None where it cannot be read so."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, cast, get_args

import msgspec

from services.fleetdb.records.queries import Scalar
from services.fleetdb.records.tables import Column, DataType
from services.fleetdb.rules.moments import microseconds_of_number, microseconds_of_text
from services.fleetdb.rules.values import stored

DATA_TYPES: Final[frozenset[str]] = frozenset(get_args(DataType))
TRUE_WORDS: Final = ("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1")
FALSE_WORDS: Final = ("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0")
MAX_NUMBER_LENGTH: Final = 400
_INT64: Final = 2**63
_EXACT: Final = 2.0**53
_TOO_LONG: Final = 10**MAX_NUMBER_LENGTH
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[./]([0-9]{1,2})[./]([0-9]{4})([T ].*)?")
_TEXT: Final = Column("", "string", "")


def read(value: Scalar, data_type: DataType) -> Any:
    """`value` as `data_type`: str, Decimal, int, bool, microseconds of Unix time, or a JSON text."""
    return _READ[data_type](value)


def text_of(value: Scalar) -> str:
    """As a string column would keep it."""
    return cast("str", stored(_TEXT, value))


def as_in_json(value: Scalar) -> Scalar:
    """A double as documents are written: one that may look like a wide integer has all of its digits there."""
    return int(value) if isinstance(value, float) and abs(value) >= _EXACT else value


def guessed(values: tuple[Scalar, ...], told: str | None) -> DataType:
    """As what a value inside JSON is compared: as the reader says, else as what it is compared with looks like."""
    if told in DATA_TYPES and told != "json":
        return cast("DataType", told)
    kinds = {_kind(value) for value in values}
    return kinds.pop() if len(kinds) == 1 else "string"


def _kind(value: Scalar) -> DataType:
    if isinstance(value, bool):
        return "boolean"
    if not isinstance(value, str):
        return "numeric"
    text = value.strip()
    if text.startswith(("{", "[")) and _document(text) is not None:
        return "json"
    if text.lower() in ("true", "false"):
        return "boolean"
    return "numeric" if _number(text) is not None else "string"


def _number(value: Scalar) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and abs(value) >= _TOO_LONG:
        return None
    if isinstance(value, float) and -_INT64 <= value < _INT64 and value.is_integer():
        return Decimal(int(value))
    text = value.strip() if isinstance(value, str) else repr(value)
    return Decimal(text) if len(text) <= MAX_NUMBER_LENGTH and _NUMBER.fullmatch(text) else None


def _integer(value: Scalar) -> int | None:
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, int):
        return None if isinstance(value, bool) or abs(value) >= _TOO_LONG else value
    text = value.strip()
    return int(text) if len(text) <= MAX_NUMBER_LENGTH and _INTEGER.fullmatch(text) else None


def _boolean(value: Scalar) -> bool | None:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return bool(value) if value in (0, 1) else None
    word = value.strip().lower()
    return True if word in TRUE_WORDS else False if word in FALSE_WORDS else None


def _moment(value: Scalar) -> int | None:
    """An ISO 8601 text, a text with the day first, or milliseconds, also as a text."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return microseconds_of_number(value)
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return None if len(text) > MAX_NUMBER_LENGTH else int(text) * 1_000
    day_first = _DAY_FIRST.fullmatch(text)
    if day_first is None:
        return microseconds_of_text(text)
    day, month, year, rest = day_first.groups()
    return microseconds_of_text(f"{year}-{month:0>2}-{day:0>2}{rest or ''}")


def _document(value: Scalar) -> str | None:
    """A JSON text, written anew."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        text = msgspec.json.encode(msgspec.json.decode(value)).decode()
    except (ValueError, RecursionError):
        return None
    return None if "\\u0000" in text else text


_READ: Final[dict[DataType, Callable[[Scalar], Any]]] = {
    "string": text_of,
    "numeric": _number,
    "bigint": _integer,
    "boolean": _boolean,
    "timestamp": _moment,
    "json": _document,
}

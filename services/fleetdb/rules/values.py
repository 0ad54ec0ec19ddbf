"""Values: what a column keeps of what came in, and how readers see it (wire-sdk.md section 6, "Writes").

What is taken comes back equal by every way out. Numbers travel as 64-bit integers and doubles, so that is what numeric
columns take; moments are kept to the microsecond. Text in a column of another type is read as that type, as published:
what cannot be read as a number or a truth value is NULL.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from attrs import field, frozen

from services.fleetdb.errors import RUNTIME_ERROR, Refusal
from services.fleetdb.records.tables import HIDDEN, Column

MAX_ROW_OCTETS: Final = 12 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_NUMBER_LETTERS: Final = 400
MAX_TIME_LETTERS: Final = 64
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# PostgreSQL, appendix A
OUT_OF_RANGE: Final = "22003"
BAD_TIME: Final = "22007"
TIME_OUT_OF_RANGE: Final = "22008"
UNTRANSLATABLE: Final = "22P05"
BAD_TEXT: Final = "22P02"
TOO_LARGE: Final = "54000"

_INT64: Final = 1 << 63
_EXACT: Final = 1 << 53
"""From here on doubles are whole numbers."""
_LARGEST: Final = 1.7976931348623157e308
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NUL_IN_JSON: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONG_NUMBER_IN_JSON: Final = re.compile(rb"[0-9]{19}|e[0-9]{2}")
_TRUE: Final = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "off", "0"})


@frozen
class Document:
    """A JSON value as a column keeps it: `text` is what the database is given."""

    text: str = field(repr=False)
    value: Any = field(repr=False)


def stored(column: Column, raw: Any) -> Any:
    """What `column` keeps of `raw`: int or float, aware datetime in UTC, str, bool, `Document`, or None.

    Raises:
        Refusal: It would come back changed, or cannot be kept.
    """
    return None if raw is None else _STORED[column.data_type](column.id, raw)


def shown(column: Column, value: Any) -> Any:
    """`value`, as it is stored or as the database gave it, in the form that it has on the wire."""
    if value is None:
        return None
    if column.is_secret:
        return HIDDEN
    shows = _SHOWN.get(column.data_type)
    return value if shows is None else shows(value)


def stored_column(column: Column, raws: list[Any]) -> list[Any]:
    """`stored` for many values, faster where they are of one kind."""
    kinds = set(map(type, raws))
    many = _STORED_MANY.get((column.data_type, next(iter(kinds)))) if len(kinds) == 1 else None
    found = None if many is None else many(raws)
    return [stored(column, raw) for raw in raws] if found is None else found


def shown_column(column: Column, values: list[Any]) -> list[Any]:
    """`shown` for many values that `stored` made."""
    if column.is_secret or column.data_type in _CHANGED:
        return [shown(column, value) for value in values]
    return values


def text_of(value: Any) -> str | None:
    """What the database is given for what `stored` made."""
    return _TEXTS[type(value)](value)


def octets_of(value: Any) -> int:
    """How much room it takes, about."""
    text = value.text if isinstance(value, Document) else value
    return len(text.encode()) if isinstance(text, str) else 8


def refused(code: str, message: str) -> Refusal:
    """As the published data backend passes on what PostgreSQL answers: `code` is an SQLSTATE."""
    return Refusal(RUNTIME_ERROR, {"name": "error", "severity": "ERROR", "code": code, "message": message})


def epoch_ms(moment: datetime) -> int | float:
    """Milliseconds since 1970, with the microseconds behind the point where there are any."""
    since = moment - EPOCH
    seconds, microseconds = since.days * 86_400 + since.seconds, since.microseconds
    if microseconds % 1_000:
        return (seconds * 1_000_000 + microseconds) / 1_000
    return seconds * 1_000 + microseconds // 1_000


# ----------------------------------------------------------------------------------------------------------- numbers


def _numeric(name: str, raw: Any) -> int | float | None:
    kind = type(raw)
    if kind is float:
        return raw if -_EXACT < raw < _EXACT and not raw.is_integer() else _finite(name, raw)
    if kind is int:
        return raw if -_INT64 <= raw < _INT64 else _wide(name, raw)
    if kind is bool:
        return int(raw)
    if kind is str:
        return _number_in(name, raw)
    return _decimal(name, raw) if isinstance(raw, Decimal) else None


def _finite(name: str, raw: float) -> int | float:
    if not -_LARGEST <= raw <= _LARGEST:
        raise _out_of_range(name, "numeric")
    return int(raw) if raw.is_integer() and -_INT64 <= raw < _INT64 else raw


def _wide(name: str, raw: int) -> float:
    """An integer of more than 64 bits is a double, or there is no way to say it."""
    wide = _as_double(raw)
    if wide is None or wide != raw:
        raise _out_of_range(name, "numeric")
    return wide


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
        return _numeric(name, int(text))
    double = float(text)
    if not double and text.lower().partition("e")[0].strip("+-0."):
        raise _out_of_range(name, "numeric")  # so near to nothing that nothing would be left
    return _finite(name, double)


def _decimal(name: str, raw: Decimal) -> int | float:
    double = _as_double(raw) if raw.is_finite() else None
    if double is None:
        raise _out_of_range(name, "numeric")
    if -_INT64 <= double < _INT64 and raw == raw.to_integral_value():
        return int(raw)
    if Decimal(repr(double)) != raw:
        raise _out_of_range(name, "numeric")
    return double


def _bigint(name: str, raw: Any) -> int | None:
    kind = type(raw)
    if kind is str:
        return _bigint_in(name, raw)
    number = raw if kind is int else _numeric(name, raw)
    if number is None:
        return None
    if not -_INT64 <= number < _INT64:
        raise _out_of_range(name, "bigint")
    if isinstance(number, float):
        raise refused(BAD_TEXT, f'column "{name}": invalid input syntax for type bigint')
    return int(number)


def _bigint_in(name: str, raw: str) -> int | None:
    try:
        number = _number_in(name, raw)
    except Refusal:
        raise _out_of_range(name, "bigint") from None
    if number is not None and not -_INT64 <= number < _INT64:
        raise _out_of_range(name, "bigint")
    return number if isinstance(number, int) else None


def _out_of_range(name: str, data_type: str) -> Refusal:
    return refused(OUT_OF_RANGE, f'column "{name}": value is out of range for type {data_type}')


def _boolean(_name: str, raw: Any) -> bool | None:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        word = raw.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    return bool(raw) if isinstance(raw, int | float | Decimal) and raw in (0, 1) else None


# ----------------------------------------------------------------------------------------------------------- moments


def _timestamp(name: str, raw: Any) -> datetime:
    kind = type(raw)
    try:
        if kind is str:
            return _moment_in(name, raw)
        if kind is int:
            return EPOCH + timedelta(milliseconds=raw)
        if kind is float and math.isfinite(raw):
            whole = math.floor(raw)
            return EPOCH + timedelta(microseconds=whole * 1_000 + round((raw - whole) * 1_000))
        if isinstance(raw, datetime):
            return _in_utc(raw)
    except OverflowError:
        raise refused(TIME_OUT_OF_RANGE, f'column "{name}": date/time field value out of range') from None
    raise _bad_time(name)


def _moment_in(name: str, raw: str) -> datetime:
    text = raw.strip()
    if len(text) > MAX_TIME_LETTERS:
        raise _bad_time(name)
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError:
        raise _bad_time(name) from None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _bad_time(name: str) -> Refusal:
    return refused(BAD_TIME, f'column "{name}": invalid input syntax for type timestamp with time zone')


# -------------------------------------------------------------------------------------------------- texts, documents


def _string(name: str, raw: Any) -> str:
    kind = type(raw)
    if kind is str:
        return _writable(name, raw)
    if kind is bool:
        return "true" if raw else "false"
    if kind is int and abs(raw) <= _LARGEST:
        return str(raw)
    if kind is float:
        return repr(_finite(name, raw))
    if isinstance(raw, Decimal) and raw.is_finite():
        return str(raw)
    if isinstance(raw, list | dict):
        return _json(name, raw).text
    raise refused(BAD_TEXT, f'column "{name}": invalid input for type text')


def _writable(name: str, raw: str) -> str:
    if raw.isascii():
        if "\0" not in raw:
            return raw
    elif "\0" not in raw and not any("\ud800" <= letter <= "\udfff" for letter in _surrogates_in(raw)):
        return raw
    raise refused(UNTRANSLATABLE, f'column "{name}": a NUL or half a surrogate pair cannot be kept as text')


def _surrogates_in(raw: str) -> str:
    """Nothing where it can be written as UTF-8, which is told faster than letter by letter."""
    try:
        raw.encode()
    except UnicodeEncodeError as error:
        return raw[error.start : error.end]
    return ""


def _json(name: str, raw: Any) -> Document:
    """Taken where it comes back equal from what is written of it: no NaN, no key but text, nothing but JSON."""
    try:
        octets = msgspec.json.encode(raw)
        is_whole = msgspec.json.decode(octets) == raw and _depth_is_within(raw, MAX_DEPTH)
        if is_whole and _LONG_NUMBER_IN_JSON.search(octets):
            octets = msgspec.json.encode(_with_points(name, raw))
    except (RecursionError, TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        is_whole, octets = False, b""
    if not is_whole:
        raise refused(BAD_TEXT, f'column "{name}": invalid input for type json')
    if b"\\u0000" in octets and _NUL_IN_JSON.search(octets):
        raise refused(UNTRANSLATABLE, f'column "{name}": a NUL cannot be kept')
    return Document(octets.decode(), raw)


def _depth_is_within(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            each
            for inner in level
            if isinstance(inner, list | dict)
            for each in (inner.values() if isinstance(inner, dict) else inner)
            if isinstance(each, list | dict)
        ]
        if not level:
            return True
    return False


def _with_points(name: str, value: Any) -> Any:
    """With every double that looks like a wide integer written with a point: the database gives it back with one.

    Else readers would get integers: other ones, since the shortest digits of a double are not all of its digits, and
    some of hundreds of digits, which most readers cannot take.
    """
    if isinstance(value, dict):
        return {key: _with_points(name, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_points(name, each) for each in value]
    if isinstance(value, float) and abs(value) >= _EXACT:
        return msgspec.Raw(b"%d.0" % int(value))
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return msgspec.Raw(b"%d.0" % int(_wide(name, value)))
    return value


def _number_shown(value: float | Decimal) -> int | float:
    if not isinstance(value, Decimal):
        return value
    double = float(value)
    if -_INT64 <= double <= _INT64 and value == value.to_integral_value():
        whole = int(value)
        return whole if -_INT64 <= whole < _INT64 else double
    return double


def _document_shown(value: Any) -> Any:
    return value.value if type(value) is Document else value


# -------------------------------------------------------------------------------------------------------- many at once


def _floats(raws: list[float]) -> list[int | float] | None:
    """None: look at each."""
    if not all(map(math.isfinite, raws)):
        return None
    return [raw if not raw.is_integer() else _finite("", raw) for raw in raws]


def _integers(raws: list[int]) -> list[int] | None:
    return raws if min(raws) >= -_INT64 and max(raws) < _INT64 else None


def _moments(raws: list[str]) -> list[datetime] | None:
    try:
        return [moment if moment.tzinfo is UTC else _in_utc(moment) for moment in map(datetime.fromisoformat, raws)]
    except (ValueError, OverflowError):
        return None


def _strings(raws: list[str]) -> list[str] | None:
    whole = "".join(raws)
    return raws if "\0" not in whole and (whole.isascii() or not _surrogates_in(whole)) else None


def _same(raws: list[Any]) -> list[Any]:
    return raws


_STORED_MANY: Final[dict[tuple[str, type], Callable[[list[Any]], list[Any] | None]]] = {
    ("numeric", float): _floats,
    ("numeric", int): _integers,
    ("bigint", int): _integers,
    ("timestamp", str): _moments,
    ("string", str): _strings,
    ("boolean", bool): _same,
}
_CHANGED: Final = frozenset({"timestamp", "json"})
"""Of these types the values that `stored` makes are not yet as they are on the wire."""
_TEXTS: Final[dict[type, Callable[[Any], str | None]]] = {
    str: str,
    int: repr,
    float: repr,
    bool: {True: "t", False: "f"}.__getitem__,
    datetime: datetime.isoformat,
    Document: lambda value: value.text,
    type(None): lambda _: None,
}
_STORED: Final[dict[str, Callable[[str, Any], Any]]] = {
    "numeric": _numeric,
    "bigint": _bigint,
    "timestamp": _timestamp,
    "string": _string,
    "boolean": _boolean,
    "json": _json,
}
_SHOWN: Final[dict[str, Callable[[Any], Any]]] = {
    "numeric": _number_shown,
    "timestamp": epoch_ms,
    "json": _document_shown,
}

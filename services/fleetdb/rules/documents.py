"""JSON in columns: taken where it comes back equal from what is written of it."""

import re
from typing import Any, Final

import msgspec
from attrs import field, frozen

from services.fleetdb.errors import BAD_TEXT, UNTRANSLATABLE, refused
from services.fleetdb.rules.numbers import EXACT, INT64, wide

MAX_DEPTH: Final = 64
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}|e[0-9]{2}")


@frozen
class Document:
    """A JSON value as a column keeps it: `text` is what the database is given."""

    text: str = field(repr=False)
    value: Any = field(repr=False)


def document(name: str, raw: Any) -> Document:
    """Taken where it comes back equal from what is written of it: no NaN, no key but text, nothing but JSON."""
    try:
        octets = msgspec.json.encode(raw)
        is_whole = msgspec.json.decode(octets) == raw and _depth_is_within(raw, MAX_DEPTH)
        if is_whole and _LONG_NUMBER.search(octets):
            octets = msgspec.json.encode(_with_points(name, raw))
    except (RecursionError, TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        is_whole, octets = False, b""
    if not is_whole:
        raise refused(BAD_TEXT, f'column "{name}": invalid input for type json')
    if b"\\u0000" in octets and _NUL.search(octets):
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
    if isinstance(value, float) and abs(value) >= EXACT:
        return msgspec.Raw(b"%d.0" % int(value))
    if isinstance(value, int) and not -INT64 <= value < INT64:
        return msgspec.Raw(b"%d.0" % int(wide(name, value)))
    return value


def document_shown(value: Any) -> Any:
    """A document as the database gave it, or as it was just stored."""
    return value.value if type(value) is Document else value

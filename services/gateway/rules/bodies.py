"""Bodies: JSON as RFC 8259 has it, and nothing that two readers could take for two things (RFC 7493)."""

import json
import math
from typing import Any, Final

from services.gateway.records import HttpRefusedError
from shared.errors import InvalidArgumentError
from shared.identities import MAX_KEY

MAX_DEPTH: Final = 16


def decoded(octets: bytes) -> Any:
    """The value that `octets` are the JSON of.

    Raises:
        HttpRefusedError: Not UTF-8, not JSON, a name twice in one object, a number that is none, half a surrogate
            pair, more after the end, or deeper than `MAX_DEPTH`.
        InvalidArgumentError: A text has a NUL, which no part of the platform could keep.
    """
    try:
        text = octets.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)
        _check(value, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise HttpRefusedError("malformed", "the body must be one JSON value in UTF-8, each name once") from error
    return value


def check_text(text: str) -> None:
    """Let pass a text that can be kept.

    Raises:
        ValueError: It has half a surrogate pair.
        InvalidArgumentError: It has a NUL.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("half a surrogate pair")
    if "\0" in text:
        raise InvalidArgumentError("a text must not have a NUL (U+0000)")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> float:
    """The number; a whole one is an integer however it is written, as JSON Schema has it."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return int(number) if number.is_integer() and abs(number) <= MAX_KEY else number


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise ValueError("too deep")
    if isinstance(value, str):
        check_text(value)
    if isinstance(value, dict):
        for name, each in value.items():
            _check(name, depth - 1)
            _check(each, depth - 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth - 1)

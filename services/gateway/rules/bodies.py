"""Bodies: JSON as RFC 8259 has it, and nothing that two readers could take for two things (RFC 7493)."""

import json
import math
from typing import Any, Final

from services.gateway.records import HttpRefusedError

MAX_DEPTH: Final = 16


def decoded(octets: bytes) -> Any:
    """The value that `octets` are the JSON of.

    Raises:
        HttpRefusedError: Not UTF-8, not JSON, a name twice in one object, a number that is none, half a surrogate
            pair, a NUL, more after the end, or deeper than `MAX_DEPTH`.
    """
    try:
        text = octets.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)
        _check(value, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise HttpRefusedError("malformed", "the body must be one JSON value in UTF-8, each name once") from error
    return value


def is_clean(text: str) -> bool:
    """Whether `text` is Unicode without halves of surrogate pairs, and has no NUL."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return number


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise ValueError("too deep")
    if isinstance(value, str) and not is_clean(value):
        raise ValueError("not a text")
    if isinstance(value, dict):
        for name, each in value.items():
            _check(name, depth - 1)
            _check(each, depth - 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth - 1)

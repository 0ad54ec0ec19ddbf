"""Payloads that the router must not pass on: too deep, or not text or numbers that every serializer carries.

Tried on Crossbar 26.10: JSON of 20,000 levels ends the router process (signal 11), 400 levels end the session of the
service that it is for (its CBOR decoder refuses them); a lone surrogate in JSON text cannot be written as CBOR, the
call is never answered and its bookkeeping never cleaned. A client must not be able to do that to others.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

MAX_DEPTH: Final = 32
"""Levels of lists and dictionaries in one message; the published clients need six."""
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**64 - 1
"""What MsgPack carries, which is the narrowest of the serializers."""

NAMES_OF_CALLS: Final = frozenset({"self", "fun"})
NAMES_OF_ANSWERS: Final = frozenset(
    {"self", "fun", "error", "callee", "callee_authid", "callee_authrole", "forward_for", "enc_algo"}
)
"""Keyword arguments that collide with Autobahn's own where it hands a call or event, or an answer, to its session.

The error leaves the session's `onMessage`, which ends the connection: whoever sends one ends somebody else's.
"""

_LEAVES: Final = frozenset({float, bool, bytes, type(None)})
"""What every serializer carries whatever its value."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""A JSON string; an unterminated one reaches to the end, so that no octet is looked at twice."""
_BRACKETS: Final = re.compile(rb"[\[\]{}]")


def is_too_deep(json_text: bytes) -> bool:
    """Whether a JSON text nests deeper than `MAX_DEPTH`; looked at before it is decoded, as decoding is what breaks."""
    if json_text.count(b"[") + json_text.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", json_text)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def problem(payload: Iterable[Any]) -> str | None:
    """Why a decoded payload cannot be passed on, or None: a sentence for the sender."""
    level, depth = list(payload), 0
    while level:
        if depth > MAX_DEPTH:
            return f"the payload nests deeper than {MAX_DEPTH} levels"
        level, texts, numbers = _taken_apart(level)
        if not _is_unicode("".join(texts)):
            return "the payload holds text that is not Unicode (a lone surrogate)"
        if numbers and (min(numbers) < MIN_INTEGER or max(numbers) > MAX_INTEGER):
            return "the payload holds an integer of more than 64 bits"
        depth += 1
    return None


def _taken_apart(level: list[Any]) -> tuple[list[Any], list[str], list[int]]:
    """What is one level deeper, and the texts and integers of this one.

    It sees each value of each message of the router, hence exact types first: nearly all values have them.
    """
    deeper: list[Any] = []
    texts: list[str] = []
    numbers: list[int] = []
    names: set[Any] = set()
    for value in level:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is int:
            numbers.append(value)
        elif kind is dict:
            names.update(value)
            deeper.extend(value.values())
        elif kind is list:
            deeper.extend(value)
        elif kind not in _LEAVES:
            _add_unusual(value, deeper, texts, numbers)
    if all(type(name) is str for name in names):
        texts.extend(names)
    else:  # of names that are equal, say 1e30 and 10**30, the set has kept one
        deeper.extend(chain.from_iterable(value for value in level if type(value) is dict))
    return deeper, texts, numbers


def _add_unusual(value: Any, deeper: list[Any], texts: list[str], numbers: list[int]) -> None:
    """What some decoder makes of the same: say of a dictionary that is a name of another one."""
    if isinstance(value, Mapping):
        deeper.extend(value)
        deeper.extend(value.values())
    elif isinstance(value, list | tuple):
        deeper.extend(value)
    elif isinstance(value, int):
        numbers.append(value)
    elif isinstance(value, str):
        texts.append(value)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

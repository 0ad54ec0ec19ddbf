"""Payloads that the router must not pass on: too deep, or not text or numbers that every serializer carries.

Tried on Crossbar 26.10: JSON of 20,000 levels ends the router process (signal 11), 400 levels end the session of the
service that it is for (its CBOR decoder refuses them); a lone surrogate in JSON text cannot be written as CBOR, the
call is never answered and its bookkeeping never cleaned. A client must not be able to do that to others.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_DEPTH: Final = 32
"""Levels of lists and dictionaries in one message; the published clients need six."""
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**64 - 1
"""What MsgPack carries, which is the narrowest of the serializers."""

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
    level, depth = [value for value in payload if value is not None], 0
    while level:
        if depth > MAX_DEPTH:
            return f"the payload nests deeper than {MAX_DEPTH} levels"
        inner: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                inner.extend(value.keys())
                inner.extend(value.values())
            elif isinstance(value, list | tuple):
                inner.extend(value)
            elif (reason := _scalar_problem(value)) is not None:
                return reason
        level, depth = inner, depth + 1
    return None


def _scalar_problem(value: object) -> str | None:
    if isinstance(value, str) and not _is_unicode(value):
        return "the payload holds text that is not Unicode (a lone surrogate)"
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        return "the payload holds an integer of more than 64 bits"
    return None


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

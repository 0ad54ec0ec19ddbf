"""From a request to the arguments of procedures: nothing unknown, nothing twice, nothing guessed.

Whether a value will do is the procedure's to say; here it only gets its place and the type that its text stands for.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from services.gateway.records import TEXTS, HttpRefusedError, Kind, Route
from services.gateway.rules.bodies import check_text
from shared.errors import InvalidArgumentError
from shared.identities import MAX_KEY

MAX_PARAMETERS: Final = 32
MAX_MANY: Final = 100
QUERY: Final = "the query must be a list of name=value, escaped as RFC 3986 has it"
_WHOLE: Final = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_KEY: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SEGMENTS: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)
_FLAGS: Final = {"true": True, "false": False}


def segments_of(path: str) -> tuple[str, ...] | None:
    """The parts of `path`, or None where it has any that no route has: empty ones, dots, escapes."""
    if _SEGMENTS.fullmatch(path) is None:
        return None
    segments = tuple(path[1:].split("/"))
    return None if {".", ".."} & set(segments) else segments


def query_of(text: str) -> dict[str, str]:
    """The parameters of a query.

    Raises:
        HttpRefusedError: It is malformed.
        InvalidArgumentError: A parameter stands there twice, or has a NUL.
    """
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError as error:
        raise HttpRefusedError("malformed", QUERY) from error
    if not text.isascii() or _ESCAPE.search(text) is not None:
        raise HttpRefusedError("malformed", QUERY)
    found = dict(pairs)
    for name, value in pairs:
        check_text(name + value)
    if len(found) != len(pairs):
        raise InvalidArgumentError("a parameter of the query stands there twice")
    return found


def from_path(route: Route, found: dict[str, str]) -> dict[str, Any]:
    """The arguments that stand in the path."""
    kinds = {name: Kind.TEXT if name in TEXTS else Kind.KEY for name in found}
    return {route.path[name]: _read(name, text, kinds[name]) for name, text in found.items()}


def from_query(route: Route, found: dict[str, str]) -> dict[str, Any]:
    """The arguments that stand in the query; what asks for several calls is a list.

    Raises:
        InvalidArgumentError: One is unknown, or not what it must be.
    """
    unknown = sorted(set(found) - set(route.query))
    if unknown:
        raise InvalidArgumentError(f"there is no parameter {unknown[0][:100]!r}", argument=unknown[0][:100])
    return {name: _read(name, text, route.query[name]) for name, text in found.items()}


def from_body(route: Route, body: Any) -> list[dict[str, Any]]:
    """The arguments that stand in the body: one set for each call.

    Raises:
        InvalidArgumentError: It is no object (nor, where several are taken, an array of some), or has unknown fields.
    """
    if route.many and isinstance(body, list):
        if not 1 <= len(body) <= MAX_MANY:
            raise InvalidArgumentError(f"the array must have 1 to {MAX_MANY} objects")
        return [_fields(route, each) for each in body]
    return [_fields(route, body)]


def many_of(route: Route, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """One set of arguments for each key that the query lists.

    Raises:
        InvalidArgumentError: It lists none, too many, or one twice.
    """
    keys = arguments.pop(route.many, [])
    if not 1 <= len(keys) <= MAX_MANY or len(set(keys)) != len(keys):
        raise InvalidArgumentError(f"{route.many} must be 1 to {MAX_MANY} keys, each once", argument=route.many)
    return [{**arguments, "device": key} for key in keys]


def _fields(route: Route, body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidArgumentError("the body must be an object")
    unknown = sorted(set(body) - set(route.body or ()))
    if unknown:
        raise InvalidArgumentError(f"there is no field {unknown[0][:100]!r}", argument=unknown[0][:100])
    return body


def _read(name: str, text: str, kind: Kind) -> Any:
    is_whole = _WHOLE.fullmatch(text) is not None
    match kind:
        case Kind.WHOLE | Kind.KEY if is_whole and (kind is Kind.WHOLE or _is_key(text)):
            return int(text)
        case Kind.KEYS if all(_is_key(each) for each in text.split(",")):
            return [int(each) for each in text.split(",")]
        case Kind.NAMES:
            return text.split(",")
        case Kind.FLAG if text in _FLAGS:
            return _FLAGS[text]
        case Kind.EITHER | Kind.TEXT:
            return int(text) if is_whole and kind is Kind.EITHER else text
        case Kind.WHOLE | Kind.KEY | Kind.KEYS | Kind.FLAG:
            raise InvalidArgumentError(f"{name} must be {_WORDS[kind]}", argument=name)


def _is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None and int(text) <= MAX_KEY


_WORDS: Final = {
    Kind.WHOLE: "a whole number",
    Kind.KEY: f"a whole number from 1 to {MAX_KEY}",
    Kind.KEYS: f"whole numbers from 1 to {MAX_KEY}, separated by commas",
    Kind.FLAG: "true or false",
}

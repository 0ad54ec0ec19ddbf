"""The decision about one message, from the table and from nothing else: no I/O, no clock, no Twisted.

Source: the platform's design decisions 8, 9, 10 and 13; WAMP specification, sections on pattern-based subscriptions and
registrations, shared registrations, and registration revocation.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from attrs import frozen

from ironflock_router.patterns import EXACT, Pattern, Request, parse_request
from ironflock_router.permissions import BASE_OPTIONS, INVOKE_POLICIES, TABLE, Grant
from ironflock_router.wire_names import NEVER_PUBLISHED, Action


class Reason(Enum):
    """Why a message is refused, or that it is not; the label of the refusals' counter."""

    GRANTED = "granted"
    FORWARD_FOR = "forward_for"
    NEVER_PUBLISHED = "never_published"
    MALFORMED_URI = "malformed_uri"
    NOT_GRANTED = "not_granted"
    OPTION = "option"
    NOT_A_TESTAMENT = "not_a_testament"
    OVER_LIMIT = "over_limit"  # not a matter of the table: the session has all the subscriptions it may have


@frozen
class Caller:
    """Who asks. `serial` is set for devices; `is_leaving` while the session's testaments are published."""

    role: str
    realm: str
    serial: str | None = None
    is_leaving: bool = False


@frozen
class Verdict:
    """The answer."""

    allow: bool
    reason: Reason


_GRANTED: Final = Verdict(allow=True, reason=Reason.GRANTED)
_REFUSED: Final = {reason: Verdict(allow=False, reason=reason) for reason in Reason}


@frozen
class _Lines:
    """The lines of one role, realm and action: those that name one URI by that URI, the others in order."""

    literal: dict[str, Grant]
    patterns: tuple[tuple[Pattern, Grant], ...]


def _index(table: tuple[Grant, ...]) -> dict[tuple[str, str, Action], _Lines]:
    index: dict[tuple[str, str, Action], _Lines] = {}
    for grant in table:
        key = (grant.role, grant.realm, grant.action)
        lines = index.get(key, _Lines({}, ()))
        if grant.pattern.is_literal:
            index[key] = _Lines({**lines.literal, grant.uri: grant}, lines.patterns)
        else:
            index[key] = _Lines(lines.literal, (*lines.patterns, (grant.pattern, grant)))
    return index


_INDEX: Final = _index(TABLE)


def decide(caller: Caller, action: Action, uri: str, options: Mapping[str, Any]) -> Verdict:
    """Whether `caller` may do `action` on `uri` with these WAMP options."""
    if "forward_for" in options:
        return _REFUSED[Reason.FORWARD_FOR]
    if action is Action.PUBLISH and uri == NEVER_PUBLISHED:
        return _REFUSED[Reason.NEVER_PUBLISHED]
    request = parse_request(uri, options.get("match") or EXACT)
    if request is None:
        return _REFUSED[Reason.MALFORMED_URI]
    grant = _find(caller, action, uri, request)
    return _REFUSED[Reason.NOT_GRANTED] if grant is None else _judge(grant, caller, options)


def _judge(grant: Grant, caller: Caller, options: Mapping[str, Any]) -> Verdict:
    if grant.only_as_testament and not caller.is_leaving:
        return _REFUSED[Reason.NOT_A_TESTAMENT]
    if not _options_are_granted(grant, options):
        return _REFUSED[Reason.OPTION]
    return _GRANTED


def _find(caller: Caller, action: Action, uri: str, request: Request) -> Grant | None:
    lines = _INDEX.get((caller.role, caller.realm, action))
    if lines is None:
        return None
    if request.match == EXACT and uri in lines.literal:
        return lines.literal[uri]
    for pattern, grant in lines.patterns:
        if pattern.covers(request, caller.serial):
            return grant
    return None


def _options_are_granted(grant: Grant, options: Mapping[str, Any]) -> bool:
    used = {name for name, value in options.items() if value is not None and value is not False}
    if not used <= BASE_OPTIONS[grant.action] | grant.options:
        return False
    return options.get("invoke", "single") in INVOKE_POLICIES

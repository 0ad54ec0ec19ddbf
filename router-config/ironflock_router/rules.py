"""The decision about one message, from the table and from nothing else: no I/O, no clock, no Twisted.

Source: the platform's design decisions 8, 9, 10 and 13; WAMP specification, sections on pattern-based subscriptions and
registrations, shared registrations, and registration revocation.
"""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
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


REMEMBERED: Final = 8192
"""Answers that are remembered: of other URIs than these, a message costs some microseconds more."""


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
    match = options.get("match") or EXACT
    if not isinstance(match, str):
        return _REFUSED[Reason.MALFORMED_URI]
    grant = _grant((caller.role, caller.realm, caller.serial), action, uri, match)
    return _REFUSED[grant] if isinstance(grant, Reason) else _judge(grant, caller, options)


@lru_cache(maxsize=REMEMBERED)
def _grant(principal: tuple[str, str, str | None], action: Action, uri: str, match: str) -> Grant | Reason:
    """The line of the table that covers all of it, for (role, realm, serial).

    Whatever it depends on is an argument, so that it may be remembered.
    """
    role, realm, serial = principal
    request = parse_request(uri, match)
    if request is None:
        return Reason.MALFORMED_URI
    lines = _INDEX.get((role, realm, action))
    return Reason.NOT_GRANTED if lines is None else _find(lines, serial, uri, request)


def _judge(grant: Grant, caller: Caller, options: Mapping[str, Any]) -> Verdict:
    if grant.only_as_testament and not caller.is_leaving:
        return _REFUSED[Reason.NOT_A_TESTAMENT]
    if not _options_are_granted(grant, options):
        return _REFUSED[Reason.OPTION]
    return _GRANTED


def _find(lines: _Lines, serial: str | None, uri: str, request: Request) -> Grant | Reason:
    if request.match == EXACT and uri in lines.literal:
        return lines.literal[uri]
    for pattern, grant in lines.patterns:
        if pattern.covers(request, serial):
            return grant
    return Reason.NOT_GRANTED


def _options_are_granted(grant: Grant, options: Mapping[str, Any]) -> bool:
    if not options:
        return True
    used = {name for name, value in options.items() if value is not None and value is not False}
    if not used <= BASE_OPTIONS[grant.action] | grant.options:
        return False
    return options.get("invoke", "single") in INVOKE_POLICIES

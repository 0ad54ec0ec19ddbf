"""The decision about one message, from the table and from nothing else: no I/O, no clock, no Twisted.

Source: the platform's design decisions 8, 9, 10 and 13; WAMP specification, sections on pattern-based subscriptions and
registrations, shared registrations, and registration revocation.
"""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

from ironflock_router.patterns import EXACT, OWN_SERIAL, Own, Pattern, Request, exactly, parse_request
from ironflock_router.permissions import BASE_OPTIONS, INVOKE_POLICIES, TABLE, TRACED, Grant
from ironflock_router.wire_names import NEVER_PUBLISHED, SYSTEM, Action


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
    """Who asks.

    `serial` and `device_key` are set for devices and their apps; `is_leaving` while the session's testaments are
    published.
    """

    role: str
    realm: str
    serial: str | None = None
    is_leaving: bool = False
    device_key: int | None = None


@frozen
class Verdict:
    """The answer."""

    allow: bool
    reason: Reason


_GRANTED: Final = Verdict(allow=True, reason=Reason.GRANTED)
REFUSED: Final = {reason: Verdict(allow=False, reason=reason) for reason in Reason}


@frozen
class Lines:
    """The lines of one role, realm and action: those that name one URI by that URI, the others in order."""

    literal: dict[str, Grant]
    patterns: tuple[tuple[Pattern, Grant], ...]


def index(table: tuple[Grant, ...]) -> dict[tuple[str, str, Action], Lines]:
    """The lines of `table` by role, realm and action."""
    found: dict[tuple[str, str, Action], Lines] = {}
    for grant in table:
        key = (grant.role, grant.realm, grant.action)
        lines = found.get(key, Lines({}, ()))
        if grant.pattern.is_literal:
            found[key] = Lines({**lines.literal, grant.uri: grant}, lines.patterns)
        else:
            found[key] = Lines(lines.literal, (*lines.patterns, (grant.pattern, grant)))
    return found


_INDEX: Final = index(TABLE)


def decide(caller: Caller, action: Action, uri: str, options: Mapping[str, Any]) -> Verdict:
    """Whether `caller` may do `action` on `uri` with these WAMP options."""
    if "forward_for" in options:
        return REFUSED[Reason.FORWARD_FOR]
    if action is Action.PUBLISH and uri == NEVER_PUBLISHED:
        return REFUSED[Reason.NEVER_PUBLISHED]
    match = options.get("match") or EXACT
    if not isinstance(match, str):
        return REFUSED[Reason.MALFORMED_URI]
    grant = _grant((caller.role, caller.realm, caller.serial), action, uri, match)
    return REFUSED[grant] if isinstance(grant, Reason) else judge(grant, caller, options)


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
    return Reason.NOT_GRANTED if lines is None else find(lines, {OWN_SERIAL: exactly(serial)}, uri, request)


def judge(grant: Grant, caller: Caller, options: Mapping[str, Any]) -> Verdict:
    """The verdict about a message that `grant` covers: what is left to look at are its options and its moment."""
    if grant.only_as_testament and not caller.is_leaving:
        return REFUSED[Reason.NOT_A_TESTAMENT]
    if not _options_are_granted(grant, options):
        return REFUSED[Reason.OPTION]
    return _GRANTED


def find(lines: Lines, own: Own, uri: str, request: Request) -> Grant | Reason:
    """The first of `lines` that covers all of `request`, which was made of `uri`."""
    if request.match == EXACT and uri in lines.literal:
        return lines.literal[uri]
    for pattern, grant in lines.patterns:
        if pattern.covers(request, own):
            return grant
    return Reason.NOT_GRANTED


def _options_are_granted(grant: Grant, options: Mapping[str, Any]) -> bool:
    if not options:
        return True
    used = {name for name, value in options.items() if value is not None and value is not False}
    traced = TRACED if grant.action is Action.CALL and grant.realm == SYSTEM else frozenset()
    if not used <= BASE_OPTIONS[grant.action] | grant.options | traced:
        return False
    return options.get("invoke", "single") in INVOKE_POLICIES

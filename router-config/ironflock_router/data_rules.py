"""The decision about one message on a data realm, from its table and from nothing else: no I/O, no clock, no Twisted.

Source: wire-sdk.md section 4; the platform's design decisions 8, 9 and 13.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ironflock_router.data_permissions import (
    ALIASES,
    APP_KEY,
    DATA_REALM,
    DEVICE_KEY,
    OWN_NAME,
    PROJECT,
    RESERVED,
    STAGE,
    TABLE,
)
from ironflock_router.patterns import EXACT, Own, exactly, parse_request
from ironflock_router.permissions import Grant
from ironflock_router.realm_names import DataRealm
from ironflock_router.rules import REFUSED, Caller, Reason, Verdict, find, index, judge
from ironflock_router.wire_names import Action

REMEMBERED: Final = 32_768
"""Answers that are remembered, of all data realms together: of other URIs than these, a message costs some ten
microseconds more."""

PRINCIPALS: Final = 8192

_INDEX: Final = index(TABLE)


def decide(caller: Caller, action: Action, uri: str, options: Mapping[str, Any]) -> Verdict:
    """Whether `caller`, on its data realm, may do `action` on `uri` with these WAMP options."""
    if "forward_for" in options:
        return REFUSED[Reason.FORWARD_FOR]
    match = options.get("match") or EXACT
    if not isinstance(match, str):
        return REFUSED[Reason.MALFORMED_URI]
    grant = _grant((caller.role, caller.realm, caller.device_key), action, uri, match)
    return REFUSED[grant] if isinstance(grant, Reason) else judge(grant, caller, options)


@lru_cache(maxsize=REMEMBERED)
def _grant(principal: tuple[str, str, int | None], action: Action, uri: str, match: str) -> Grant | Reason:
    """The line of the table that covers all of it, for (role, realm, device key).

    Whatever it depends on is an argument, so that it may be remembered.
    """
    role, realm, device_key = principal
    request = parse_request(uri, match)
    if request is None:
        return Reason.MALFORMED_URI
    own = _own(realm, device_key)
    lines = _INDEX.get((ALIASES.get(role, role), DATA_REALM, action))
    return Reason.NOT_GRANTED if lines is None or own is None else find(lines, own, uri, request)


@lru_cache(maxsize=PRINCIPALS)
def _own(realm_name: str, device_key: int | None) -> Own | None:
    """What the table's words in braces stand for, or None where it is no data realm."""
    realm = DataRealm.parse(realm_name)
    if realm is None:
        return None
    return {
        PROJECT: exactly(str(realm.project_key)),
        APP_KEY: exactly(str(realm.app_key)),
        STAGE: lambda segment: segment.isascii() and segment.lower() == realm.stage,
        DEVICE_KEY: exactly(None if device_key is None else str(device_key)),
        OWN_NAME: _is_own_name,
    }


def _is_own_name(segment: str) -> bool:
    # A digit of any script: what looks like a project's key is not a name.
    return bool(segment) and segment not in RESERVED and not segment[0].isnumeric()

"""What the rule about rights reads, and what it answers."""

from enum import StrEnum
from typing import Final

from attrs import frozen

from shared.flags import AssetKind

VISIT_LIFE_S: Final = 7 * 86_400.0
"""A visit, the one way in for somebody who is no member, ends after 7 days at the latest."""


@frozen
class Asset:
    """What a flag is held on; `groups` are the keys of the groups that a device is in now."""

    kind: AssetKind
    key: int
    groups: frozenset[int] = frozenset()


@frozen
class Grant:
    """One flag of one person on one asset, until `ends_at` (Unix seconds), or until it is taken."""

    grant_key: int
    flag: str
    kind: AssetKind
    asset_key: int
    ends_at: float | None
    is_visit: bool = False


@frozen
class Default:
    """A flag that every member of the project has on every asset of one kind."""

    flag: str
    kind: AssetKind
    ends_at: float | None


@frozen
class Standing:
    """One person towards one project, or towards one app: everything that the rule asks about them.

    `is_owner` is said of the project or of the app itself. An app and the installation have no members.
    """

    is_owner: bool
    is_member: bool
    grants: tuple[Grant, ...] = ()
    defaults: tuple[Default, ...] = ()
    is_public_app: bool = False


class Rule(StrEnum):
    """Which rule said yes, or what is missing."""

    OWNER = "owner"
    PUBLIC_APP = "public_app"
    GRANT = "grant"
    GROUP = "group"
    VISIT = "visit"
    DEFAULT = "default"
    UNKNOWN_FLAG = "unknown_flag"
    NO_MEMBER = "no_member"
    NO_GRANT = "no_grant"


@frozen
class Decision:
    """Yes or no, and why; a yes that rests on a grant names it; `until` is when it ends by itself (Unix seconds)."""

    allowed: bool
    rule: Rule
    grant_key: int | None = None
    until: float | None = None

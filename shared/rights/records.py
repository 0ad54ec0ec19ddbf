"""What the rule about rights reads, and what it answers."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Final

from attrs import field, frozen

from shared.flags import AssetKind

VISIT_LIFE_S: Final = 7 * 86_400.0
"""A visit, the one way in for somebody who is no member, ends after 7 days at the latest."""


class DomainKind(StrEnum):
    """What is held as a whole: it has an owner (the installation has none), and its flags change together."""

    PROJECT = "project"
    APP = "app"
    INSTALLATION = "installation"


@frozen
class Domain:
    """One of them; every asset is in exactly one, and an app and the installation are all that is in theirs."""

    kind: DomainKind
    key: int


INSTALLATION: Final = Domain(DomainKind.INSTALLATION, 1)


def project_domain(key: int) -> Domain:
    """The domain that a project is."""
    return Domain(DomainKind.PROJECT, key)


@frozen
class Asset:
    """What a flag is held on; `groups` are the keys of the groups that a device is in now.

    `is_locked` where a lock stands on it, or on the project that it is in. `is_public` where it is a public app, as far
    as the service knows that keeps it: who has nothing to do with an app has no standing that could say so.
    """

    kind: AssetKind
    key: int
    groups: frozenset[int] = frozenset()
    is_locked: bool = False
    is_public: bool = False


def project_asset(key: int) -> Asset:
    """A project itself, as what flags are held on."""
    return Asset(AssetKind.PROJECT, key)


def app_domain(key: int) -> Domain:
    """The domain that an app is."""
    return Domain(DomainKind.APP, key)


def app_asset(key: int, *, is_public: bool) -> Asset:
    """An app, as what flags are held on."""
    return Asset(AssetKind.APP, key, is_public=is_public)


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
    """One person towards one domain: everything that the rule asks about them.

    An app and the installation have no members. `is_locked_out` where a lock stands on the person.
    """

    is_owner: bool
    is_member: bool
    grants: tuple[Grant, ...] = ()
    defaults: tuple[Default, ...] = ()
    is_public_app: bool = False
    is_locked_out: bool = False
    _by_place: dict[tuple[AssetKind, int], list[Grant]] = field(init=False, repr=False, eq=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        """Find the grants by what they are on: a check must not read all of them."""
        for grant in self.grants:
            self._by_place.setdefault((grant.kind, grant.asset_key), []).append(grant)

    def grants_on(self, kind: AssetKind, key: int) -> list[Grant]:
        """The grants on one asset itself."""
        return self._by_place.get((kind, key), [])


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
    LOCKED = "locked"


@frozen
class Decision:
    """Yes or no, and why; a yes that rests on a grant names it; `until` is when it ends by itself (Unix seconds)."""

    allowed: bool
    rule: Rule
    grant_key: int | None = None
    until: float | None = None


class LockKind(StrEnum):
    """Whom or what a lock keeps out."""

    PERSON = "person"
    DEVICE = "device"
    API_KEY = "api_key"
    PROJECT = "project"


@frozen
class Lock:
    """Somebody or something is kept out until `ends_at` (Unix seconds), or until the lock is taken away.

    `key` is the decimal key of a person, device or project, or the id of an API key.
    """

    lock_key: int
    kind: LockKind
    key: str
    ends_at: float | None

    def is_in_force(self, now: float) -> bool:
        """Whether it has not ended yet at `now`, in Unix seconds."""
        return self.ends_at is None or self.ends_at > now


@frozen
class Held:
    """One domain in which a person has, or may have, something."""

    domain: Domain
    standing: Standing


@frozen
class Holdings:
    """Everything that one person holds, as it was at `position` of the stream of changes."""

    account_key: int
    position: int
    held: tuple[Held, ...]

    @cached_property
    def standings(self) -> Mapping[Domain, Standing]:
        """By domain."""
        return {each.domain: each.standing for each in self.held}

    def standing(self, domain: Domain) -> Standing:
        """The person towards `domain`: a stranger, where nothing is said of it."""
        return self.standings.get(domain, STRANGER)

    def ends(self) -> Iterator[float]:
        """Every moment at which something ends by itself."""
        for each in self.held:
            ends = [grant.ends_at for grant in each.standing.grants]
            ends += [default.ends_at for default in each.standing.defaults]
            yield from (end for end in ends if end is not None)


STRANGER: Final = Standing(is_owner=False, is_member=False)

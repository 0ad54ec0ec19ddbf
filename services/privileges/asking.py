"""One person and one asset, now or at another time: read from one snapshot, decided by the rule.

What is not there and what the person has nothing to do with get the same answer.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from attrs import evolve, frozen

from services.privileges import rules
from services.privileges.rows import LockRow, Place
from services.privileges.store import history, locks
from services.privileges.store.standings import placed_read, standing_read, standings_read
from shared.database import Connection, Database
from shared.errors import NotAuthorizedError, NotFoundError
from shared.flags import AssetKind, is_flag
from shared.identities import Person
from shared.rights.decision_point import spoken
from shared.rights.records import INSTALLATION, Asset, Decision, Domain, DomainKind, Holdings, LockKind, Standing
from shared.rights.rules import decide, explain

NOT_THERE: Final = "there is no such thing, or you may not see it"
Locked = frozenset[tuple[LockKind, str]]


@frozen
class Case:
    """A person's standing towards the domain of an asset, at one time."""

    standing: Standing
    asset: Asset
    now: float

    def decide(self, flag: str) -> Decision:
        """Whether they have `flag` on the asset."""
        return decide(self.standing, flag, self.asset, now=self.now)

    def explain(self) -> dict[str, Decision]:
        """Every flag with its decision."""
        return explain(self.standing, self.asset, now=self.now)

    def require(self, flag: str) -> None:
        """Let pass whoever has `flag`.

        Raises:
            NotFoundError: They lack READ too; the installation everybody knows.
            NotAuthorizedError: They see it, and lack the flag.
        """
        if self.decide(flag).allowed:
            return
        if is_flag(self.asset.kind, "READ") and not self.decide("READ").allowed:
            raise NotFoundError(NOT_THERE)
        raise NotAuthorizedError(
            f"this needs {flag} on {spoken(self.asset)}: ask somebody who has GRANT there",
            flag=flag,
        )

    def taking(self) -> "Case":
        """As it is for whoever takes what others have: a lock on a thing does not keep its owner from that."""
        return self.unlocked() if self.standing.is_owner else self

    def unlocked(self) -> "Case":
        """As it would be without locks on things: locks are set and ended by the same right."""
        return evolve(self, asset=evolve(self.asset, is_locked=False))


async def require(database: Database, person: Person, place: Place, flag: str) -> None:
    """Let pass whoever has `flag` on the asset, before anybody else is asked about them. Errors as `Case.require`."""
    async with snapshot(database) as (connection, now):
        (await case_of(connection, person.account_key, place, now)).require(flag)


async def require_taking(database: Database, person: Person, place: Place) -> None:
    """Let pass whoever may take flags on the asset from others. Errors as `Case.require`."""
    async with snapshot(database) as (connection, now):
        (await case_of(connection, person.account_key, place, now)).taking().require("GRANT")


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[tuple[Connection, datetime]]:
    """A transaction in which everything is read as of one moment, and that moment."""
    async with database.transaction() as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection, await history.moment(connection)


async def case_of(connection: Connection, account_key: int, place: Place, now: datetime) -> Case:
    """The person and the asset, as they are now."""
    places = [(place.kind, place.key), *((AssetKind.GROUP, group) for group in place.groups)]
    standing = await standing_read(connection, account_key, place.domain, places)
    found = await locks.lock_list_on(connection, _lockable(account_key, place), now)
    return _case(account_key, place, standing, _named(found), now)


async def case_now(database: Database, account_key: int, kind: AssetKind, key: int, now: float) -> Case | None:
    """The person and the asset at `now` (Unix seconds), in one round trip; None where it is not there."""
    placed = await database.run(lambda connection: placed_read(connection, account_key, kind, key))
    if placed is None:
        return None
    locked = frozenset((lock.kind, lock.key) for lock in placed.locks if lock.is_in_force(now))
    person = (LockKind.PERSON, str(account_key))
    standing = evolve(placed.standing, is_locked_out=person in locked)
    return Case(standing, evolve(placed.place.asset, is_locked=bool(locked - {person})), now)


async def cases_of(
    connection: Connection, holdings: Holdings, places: Iterable[Place], locked: Locked, now: datetime
) -> dict[tuple[AssetKind, int], Case]:
    """The person who holds `holdings` and many assets, among locks that are read already."""
    cases = {}
    for place in places:
        standing = holdings.standing(place.domain)
        if place.kind is AssetKind.APP and place.domain not in holdings.standings:
            standing = await standing_read(connection, holdings.account_key, place.domain, [])
        cases[place.kind, place.key] = _case(holdings.account_key, place, standing, locked, now)
    return cases


async def locked_now(connection: Connection, now: datetime) -> Locked:
    """Everything on which a lock stands."""
    return _named(await locks.lock_list(connection, now))


async def cases_at_place(
    connection: Connection, account_keys: list[int], place: Place, now: datetime
) -> dict[int, Case]:
    """Many people and one asset."""
    places = [(place.kind, place.key), *((AssetKind.GROUP, group) for group in place.groups)]
    standings = await standings_read(connection, account_keys, place.domain, places)
    locked = await locked_now(connection, now)
    return {key: _case(key, place, standing, locked, now) for key, standing in standings.items()}


async def case_at(
    connection: Connection, account_key: int, kind: AssetKind, key: int, at: datetime, *, within: Domain | None
) -> Case | None:
    """The person and the asset as they were at that time; None where it was not there, or not `within` that domain."""
    place = await _place_at(connection, kind, key, at)
    if place is None or within not in (None, place.domain):
        return None
    facts = await history.facts_at(connection, place.domain, account_key, at)
    named = [(each.value, int(name)) for each, name in _lockable(account_key, place)]
    locked = {(each.kind, each.asset_key) for each in await history.locks_at(connection, at, named)}
    standing = evolve(
        rules.standing_from(facts, account_key), is_locked_out=(LockKind.PERSON.value, account_key) in locked
    )
    is_locked = bool(locked - {(LockKind.PERSON.value, account_key)})
    return Case(standing, evolve(place.asset, is_locked=is_locked), at.timestamp())


async def _place_at(connection: Connection, kind: AssetKind, key: int, at: datetime) -> Place | None:
    """Where the asset was; nowhere, once the project that it was in was gone. The installation is always there."""
    if (kind, key) == (AssetKind.INSTALLATION, INSTALLATION.key):
        return Place(kind, key, INSTALLATION)
    was = await history.asset_at(connection, kind.value, key, at)
    if was is None:
        return None
    domain = Domain(was.domain_kind, was.domain_key)
    if await history.asset_at(connection, domain.kind.value, domain.key, at) is None:
        return None
    return Place(kind, key, domain, groups=frozenset(was.groups))


def _lockable(account_key: int, place: Place) -> list[tuple[LockKind, str]]:
    named = [(LockKind.PERSON, str(account_key))]
    if place.kind is AssetKind.DEVICE:
        named.append((LockKind.DEVICE, str(place.key)))
    if place.domain.kind is DomainKind.PROJECT:
        named.append((LockKind.PROJECT, str(place.domain.key)))
    return named


def _named(found: Iterable[LockRow]) -> Locked:
    return frozenset((each.kind, each.key) for each in found)


def _case(account_key: int, place: Place, standing: Standing, standing_locks: Locked, now: datetime) -> Case:
    locked = standing_locks & set(_lockable(account_key, place))
    person = (LockKind.PERSON, str(account_key))
    return Case(
        evolve(standing, is_locked_out=person in locked),
        evolve(place.asset, is_locked=bool(locked - {person})),
        now.timestamp(),
    )

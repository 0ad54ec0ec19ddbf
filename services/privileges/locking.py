"""Locks: a person, device, API key or project is kept out, on purpose, until a time or until the lock is taken away.

A lock takes effect where it is heard of: auth refuses and cuts people and keys, devices cuts devices, and every
decision about a flag sees it.
"""

from datetime import datetime
from typing import Final

from attrs import frozen

from services.privileges import rules
from services.privileges.asking import NOT_THERE, case_of, cases_of, require
from services.privileges.ledger import Ledger, Turn
from services.privileges.people import People
from services.privileges.records.locks import CreateLock, EndLock
from services.privileges.rows import LockRow, Place
from services.privileges.store import domains, history, locks
from services.privileges.store.standings import holdings_read
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.flags import AssetKind
from shared.identities import MAX_KEY, Person
from shared.names import clean_text
from shared.rights.records import INSTALLATION, LockKind

THE_INSTALLATION: Final = Place(AssetKind.INSTALLATION, INSTALLATION.key, INSTALLATION)
MAX_LOCKS: Final = 1_000
MAX_OF_OTHERS: Final = 500
"""Of all locks, those that the right on the installation did not set: room is left for those that it does set."""
MAX_OF_ONE: Final = 50
TOO_MANY: Final = "so many locks stand already that no more can be set: end some"
STANDS: Final = "a lock stands on it already: end that one first"
YOURSELF: Final = "you would lock yourself out; somebody else has to do that"
NO_KEY: Final = (
    "key is the key of a device or project, the account key or login name of a person, or the id of an API key"
)
OWNERS: Final = "the owner set this lock, and only they end it"
OPERATORS: Final = "whoever has LOCK on the installation set this lock, and only they end it"


@frozen
class _Target:
    """Whom or what a lock is on, and where the right to it is looked for; the change is of that place's domain."""

    kind: LockKind
    place: Place
    is_own_key: bool = False
    is_key: bool = True


class Locking:
    """Sets and ends locks."""

    def __init__(self, database: Database, ledger: Ledger, people: People) -> None:
        """Change rights by `ledger`."""
        self._database = database
        self._ledger = ledger
        self._people = people

    async def create(self, person: Person, request: CreateLock) -> LockRow:
        """Keep somebody or something out from now on.

        Raises:
            NotFoundError, NotAuthorizedError: The caller may not, or there is no such thing.
            ConflictError: A lock stands there; it is the caller themselves.
            InvalidArgumentError: The end has passed, or is more than a year away.
        """
        said = clean_text(request.reason, what="reason")
        key = await self._key(person, request)
        target = await self._target(person, request.kind, key)
        async with self._ledger.turn(target.place.domain, person, said) as turn:
            await turn.again(target.place)
            is_operators = await _may(turn, person, target)
            if not target.is_key:
                raise NotFoundError(NOT_THERE)
            _check_end(request.ends_at, turn.at)
            _check_number(await locks.lock_list(turn.connection, turn.at), person, is_operators=is_operators)
            wanted = LockRow(0, request.kind, key, request.ends_at, said, is_operators, person.account_key, turn.at)
            row = await locks.lock_insert(turn.connection, wanted)
            if row is None:
                raise ConflictError(STANDS, ends_at=await _end_of_standing(turn, wanted))
            await write_in_txn(turn, row, is_on=True)
        return row

    async def end(self, person: Person, request: EndLock) -> None:
        """Whom or what the lock kept out may come again.

        Raises:
            NotFoundError: There is no such lock, or the caller may not know of it.
            NotAuthorizedError: It was set by the right on the installation, which the caller lacks.
        """
        said = clean_text(request.reason, what="reason")
        row = await self._lock(request.lock_key)
        target = await self._target(person, row.kind, row.key)
        await self._refuse_stranger(person, target)
        async with self._ledger.turn(target.place.domain, person, said) as turn:
            is_operator = await _may(turn, person, target)
            if row.is_operators and not is_operator:
                raise NotAuthorizedError(OPERATORS, flag="LOCK")
            if row.created_by == turn.row.owner_account_key and not (
                is_operator or row.created_by == person.account_key
            ):
                raise NotAuthorizedError(OWNERS)
            gone = await locks.lock_delete(turn.connection, row.lock_key)
            if gone is None:
                raise NotFoundError(NOT_THERE)
            await write_in_txn(turn, gone, is_on=False)

    async def standing(self, person: Person) -> list[LockRow]:
        """The locks in force that the caller set, or may end."""
        async with self._database.transaction() as connection:
            now = await history.moment(connection)
            rows = await locks.lock_list(connection, now)
            if await _is_operator(connection, person, now):
                return rows
            named = [row for row in rows if row.kind in (LockKind.DEVICE, LockKind.PROJECT)]
            wanted = [(AssetKind(row.kind.value), int(row.key)) for row in named]
            known = await domains.place_list(connection, wanted)
            holdings = await holdings_read(connection, person.account_key)
            out = frozenset((row.kind, row.key) for row in rows if row.kind is LockKind.PERSON)
            cases = await cases_of(connection, holdings, known.values(), out, now)
        theirs = {(place.value, str(key)) for (place, key), case in cases.items() if case.decide("GRANT").allowed}
        return [row for row in rows if row.created_by == person.account_key or (row.kind.value, row.key) in theirs]

    async def _key(self, person: Person, request: CreateLock) -> str:
        """The key that is meant; a person may be named by their login name, by whoever may lock people."""
        if request.kind is not LockKind.PERSON:
            return request.key
        await require(self._database, person, THE_INSTALLATION, "LOCK")
        account: int | str = int(request.key) if request.key.isascii() and request.key.isdecimal() else request.key
        found = await self._people.anybody(account)
        if found.account_key == person.account_key:
            raise ConflictError(YOURSELF)
        return str(found.account_key)

    async def _refuse_stranger(self, person: Person, target: _Target) -> None:
        """Let pass who may know of a lock there: to everybody else it is as if there were none."""
        async with self._database.transaction() as connection:
            now = await history.moment(connection)
            if target.is_own_key or await _is_operator(connection, person, now):
                return
            case = (await case_of(connection, person.account_key, target.place, now)).unlocked()
        is_elsewhere = target.kind in (LockKind.PERSON, LockKind.API_KEY)
        if is_elsewhere or not any(decision.allowed for decision in case.explain().values()):
            raise NotFoundError(NOT_THERE)

    async def _lock(self, lock_key: int) -> LockRow:
        async with self._database.transaction() as connection:
            row = await locks.lock_find(connection, lock_key, await history.moment(connection))
        if row is None:
            raise NotFoundError(NOT_THERE)
        return row

    async def _target(self, person: Person, kind: LockKind, key: str) -> _Target:
        """What is meant.

        Raises:
            InvalidArgumentError: `key` is none of that kind.
            NotFoundError: There is no such device or project.
        """
        if kind is LockKind.API_KEY:
            owner = await self._people.owner_of_key(key)
            return _Target(kind, THE_INSTALLATION, is_own_key=owner == person.account_key, is_key=owner is not None)
        if not key.isdecimal() or not key.isascii() or not 0 < int(key) <= MAX_KEY or str(int(key)) != key:
            raise InvalidArgumentError(NO_KEY, argument="key")
        if kind is LockKind.PERSON:
            return _Target(kind, THE_INSTALLATION)
        place = await self._database.run(
            lambda connection: domains.place_find(connection, AssetKind(kind.value), int(key))
        )
        if place is None:
            raise NotFoundError(NOT_THERE)
        return _Target(kind, place)


async def _may(turn: Turn, person: Person, target: _Target) -> bool:
    """Whether the caller may by the right on the installation; False where by another one.

    Raises:
        NotFoundError, NotAuthorizedError: They may not.
    """
    if await _is_operator(turn.connection, person, turn.at):
        return True
    if target.kind is LockKind.API_KEY and not target.is_own_key:
        raise NotFoundError(NOT_THERE)
    if target.kind is LockKind.PERSON:
        raise NotFoundError(NOT_THERE)
    if target.kind is not LockKind.API_KEY:
        (await case_of(turn.connection, person.account_key, target.place, turn.at)).unlocked().require("GRANT")
    return False


async def _is_operator(connection: Connection, person: Person, now: datetime) -> bool:
    return (await case_of(connection, person.account_key, THE_INSTALLATION, now)).decide("LOCK").allowed


async def write_in_txn(turn: Turn, row: LockRow, *, is_on: bool) -> None:
    """Write down that the lock stands, or stands no more."""
    turn.write([rules.lock_line(row.kind, row.key, row.ends_at, is_on=is_on)])
    turn.is_about_locks = True
    action = audit.Action.LOCK_CREATED if is_on else audit.Action.LOCK_ENDED
    about = {"ends_at": None if row.ends_at is None else row.ends_at.isoformat()}
    key: int | str = row.key if row.kind is LockKind.API_KEY else int(row.key)
    name = "account" if row.kind is LockKind.PERSON else row.kind.value
    await turn.record(action, audit.Asset(name, key), after=about if is_on else None, before=None if is_on else about)


def _check_number(standing: list[LockRow], person: Person, *, is_operators: bool) -> None:
    """Let pass while there is room.

    Raises:
        OverLimitError: There is none.
    """
    others = [row for row in standing if not row.is_operators]
    own = [row for row in others if row.created_by == person.account_key]
    is_full = not is_operators and (len(others) >= MAX_OF_OTHERS or len(own) >= MAX_OF_ONE)
    if is_full or len(standing) >= MAX_LOCKS:
        raise OverLimitError(TOO_MANY)


def _check_end(ends_at: datetime | None, now: datetime) -> None:
    rules.check_end(ends_at, now)
    if ends_at is not None and ends_at > now + rules.MAX_LOCK:
        raise InvalidArgumentError("a lock that ends does so within a year", argument="ends_at")


async def _end_of_standing(turn: Turn, wanted: LockRow) -> str | None:
    """When the lock ends by itself that stands where `wanted` would: without an end it is as good."""
    standing = await locks.lock_list_on(turn.connection, [(wanted.kind, wanted.key)], turn.at)
    return next((row.ends_at.isoformat() for row in standing if row.ends_at is not None), None)

"""Flags given and taken: to one person on one asset, or to every member on everything of a kind."""

from datetime import datetime
from typing import Final

from services.privileges import rules
from services.privileges.asking import NOT_THERE, case_of, require, require_taking
from services.privileges.ledger import Ledger, Turn
from services.privileges.people import People
from services.privileges.records.grants import GiveFlags, SetDefaults, TakeFlags, UnsetDefaults
from services.privileges.rows import GrantRow, Place, as_fields, given
from services.privileges.store import domains, grants, locks, people
from shared import audit
from shared.database import Database
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import clean_text
from shared.rights.records import Domain, DomainKind, LockKind

TOO_MANY: Final = (
    f"a person has {rules.MAX_GRANTS} grants in one project at most: give flags on a group, or as defaults"
)

TOO_MANY_VISITS: Final = "this person has so many visits that no more can be given"


class Granting:
    """Gives and takes flags."""

    def __init__(self, database: Database, ledger: Ledger, people: People) -> None:
        """Change rights by `ledger`."""
        self._database = database
        self._ledger = ledger
        self._people = people

    async def give(self, person: Person, request: GiveFlags) -> None:
        """The person named has the flags on the asset until the end named, whatever they had of them before.

        Raises:
            NotFoundError: No such asset or person.
            NotAuthorizedError: The caller lacks GRANT there, one of the flags, or holds it for a shorter time.
            ConflictError, InvalidArgumentError: The person cannot be given this, or the request is none.
        """
        reason = clean_text(request.reason, what="reason")
        flags = rules.check_flags(request.kind, request.flags)
        place = await self._place(request.kind, request.key)
        await require(self._database, person, place, "GRANT")
        receiver = await self._receiver(person, request.account)
        async with self._ledger.turn(place.domain, person, reason) as turn:
            place = await turn.again(place)
            giver = await case_of(turn.connection, person.account_key, place, turn.at)
            giver.require("GRANT")
            rules.check_end(request.ends_at, turn.at)
            rules.check_giving(giver.standing, flags, giver.asset, ends_at=request.ends_at, now=turn.at)
            await self._check_receiver(turn, place, receiver, flags, request, is_owner=giver.standing.is_owner)
            rows = [
                await _put(turn, place, receiver, flag, ends_at=request.ends_at, is_visit=request.is_visit)
                for flag in flags
            ]
            turn.write(given(row) for row in rows)
            for row in rows:
                await turn.record(audit.Action.FLAG_GIVEN, _asset(row), after=as_fields(row))

    async def take(self, person: Person, request: TakeFlags) -> None:
        """The person named has the flags on the asset no more by grants of their own; one's own can always be given up.

        Raises:
            NotFoundError: No such asset or person.
            NotAuthorizedError: The caller lacks GRANT there.
        """
        reason = clean_text(request.reason, what="reason")
        wanted = None if request.flags is None else rules.check_flags(request.kind, request.flags)
        place = await self._place(request.kind, request.key)
        if not await self._people.is_self(person, request.account):
            await require_taking(self._database, person, place)
        account_key = await self._named(person, request.account)
        async with self._ledger.turn(place.domain, person, reason) as turn:
            place = await turn.again(place)
            case = await case_of(turn.connection, person.account_key, place, turn.at)
            held = await grants.grant_list_of(turn.connection, place.kind, place.key, account_key)
            if account_key != person.account_key or not held:
                case.taking().require("GRANT")
            keys = [row.grant_key for row in held if wanted is None or row.flag in wanted]
            await take_in_txn(turn, await grants.grant_delete(turn.connection, keys))

    async def set_defaults(self, person: Person, project_key: int, request: SetDefaults) -> None:
        """Every member has the flags on everything of that kind in the project until the end named.

        Raises:
            NotAuthorizedError, NotFoundError: The caller is not the owner.
            InvalidArgumentError: There is no such flag or kind in projects, or the end has passed.
        """
        reason = clean_text(request.reason, what="reason")
        rules.check_kind_of_default(request.kind)
        flags = rules.check_flags(request.kind, request.flags)
        async with self._ledger.turn(Domain(DomainKind.PROJECT, project_key), person, reason) as turn:
            await require_owner(turn, person)
            rules.check_end(request.ends_at, turn.at)
            for flag in flags:
                await grants.default_put(turn.connection, project_key, request.kind, flag, request.ends_at)
            turn.write(rules.default_line(request.kind, flag, request.ends_at, is_on=True) for flag in flags)
            end = None if request.ends_at is None else request.ends_at.isoformat()
            after = {"kind": request.kind.value, "flags": flags, "ends_at": end}
            await turn.record(audit.Action.FLAG_DEFAULT_SET, audit.Asset("project", project_key), after=after)

    async def unset_defaults(self, person: Person, project_key: int, request: UnsetDefaults) -> None:
        """No member has the flags by being one any more. Errors as `set_defaults`."""
        reason = clean_text(request.reason, what="reason")
        flags = None if request.flags is None else rules.check_flags(request.kind, request.flags)
        async with self._ledger.turn(Domain(DomainKind.PROJECT, project_key), person, reason) as turn:
            refuse_others(turn, person)
            gone = await grants.default_delete(turn.connection, project_key, request.kind, flags)
            turn.write(rules.default_line(row.kind, row.flag, row.ends_at, is_on=False) for row in gone)
            if gone:
                before = {"kind": request.kind.value, "flags": sorted(row.flag for row in gone)}
                await turn.record(audit.Action.FLAG_DEFAULT_UNSET, audit.Asset("project", project_key), before=before)

    async def _check_receiver(
        self, turn: Turn, place: Place, receiver: int, flags: list[str], request: GiveFlags, *, is_owner: bool
    ) -> None:
        case = await case_of(turn.connection, receiver, place, turn.at)
        if request.is_visit and not is_owner:
            raise NotAuthorizedError("only the owner of the project lets somebody in for a visit")
        rules.check_receiver(
            case.standing, flags, place.kind, ends_at=request.ends_at, is_visit=request.is_visit, now=turn.at
        )
        if await grants.grant_count(turn.connection, place.domain, receiver) + len(flags) > rules.MAX_GRANTS:
            raise OverLimitError(TOO_MANY)
        if request.is_visit and await people.visit_count(turn.connection, receiver, turn.at) >= rules.MAX_VISITS:
            raise OverLimitError(TOO_MANY_VISITS)

    async def _receiver(self, person: Person, account: int | str) -> int:
        receiver = (await self._people.meant(person, account)).account_key
        if receiver == person.account_key:
            raise ConflictError(rules.OWN_FLAGS)
        return receiver

    async def _named(self, person: Person, account: int | str) -> int:
        return account if isinstance(account, int) else (await self._people.meant(person, account)).account_key

    async def _place(self, kind: AssetKind, key: int) -> Place:
        place = await self._database.run(lambda connection: domains.place_find(connection, kind, key))
        if place is None:
            raise NotFoundError(NOT_THERE)
        return place


async def require_owner(turn: Turn, person: Person) -> None:
    """Let pass the owner of the turn's project, while no lock stands on it.

    Raises:
        NotAuthorizedError: It is somebody else, or locked.
    """
    refuse_others(turn, person)
    await refuse_locked(turn)


def refuse_others(turn: Turn, person: Person) -> None:
    """Let pass the owner of the turn's project, also while a lock stands on it: for what takes, and gives nothing.

    Raises:
        NotAuthorizedError: It is somebody else.
    """
    if turn.row.owner_account_key != person.account_key:
        raise NotAuthorizedError(rules.OWNER_ONLY)


async def refuse_locked(turn: Turn) -> None:
    """Let pass while no lock stands on the turn's project.

    Raises:
        NotAuthorizedError: One does.
    """
    if await locks.lock_list_on(turn.connection, [(LockKind.PROJECT, str(turn.row.key))], turn.at):
        raise NotAuthorizedError(rules.PROJECT_LOCKED)


async def take_in_txn(turn: Turn, rows: list[GrantRow]) -> None:
    """Write down that these grants, which are deleted, are gone."""
    turn.write(given(row).off() for row in rows)
    for row in rows:
        await turn.record(audit.Action.FLAG_TAKEN, _asset(row), before=as_fields(row))


async def give_all_in_txn(turn: Turn, place: Place, account_key: int, flags: list[str]) -> None:
    """Grants without an end, by the platform itself: to who creates something, and to the first owner."""
    rows = [await _put(turn, place, account_key, flag, ends_at=None, is_visit=False) for flag in flags]
    turn.write(given(row) for row in rows)
    for row in rows:
        await turn.record(audit.Action.FLAG_GIVEN, _asset(row), after=as_fields(row))


async def _put(
    turn: Turn, place: Place, account_key: int, flag: str, *, ends_at: datetime | None, is_visit: bool
) -> GrantRow:
    return await grants.grant_put(
        turn.connection,
        place,
        account_key,
        flag,
        ends_at=ends_at,
        is_visit=is_visit,
        given_by=turn.by_account_key,
        given_at=turn.at,
    )


def _asset(row: GrantRow) -> audit.Asset:
    return audit.Asset(row.kind.value, row.asset_key)

"""What there is to have rights on, as other services tell it: projects and apps, and what is in projects.

Every word may come twice, and late ones come after newer ones: `revision` tells.
"""

from contextlib import suppress
from typing import Final

import structlog

from services.privileges import rules
from services.privileges.granting import give_all_in_txn, take_in_txn
from services.privileges.ledger import Ledger, Turn
from services.privileges.locking import write_in_txn
from services.privileges.people import People
from services.privileges.records.services import ForgetAsset, ForgetDomain, PutAsset, PutDomain
from services.privileges.rows import DomainRow, Place
from services.privileges.store import domains, grants, locks, people
from shared.database import Database
from shared.errors import ConflictError, NotFoundError
from shared.flags import FLAGS, AssetKind
from shared.identities import ServiceIdentity
from shared.names import canonical_name
from shared.rights.records import INSTALLATION, Domain, DomainKind, LockKind, project_domain

ELSEWHERE: Final = "it is being moved to another project; tell it again"
NO_PROJECT: Final = "the project is not known here yet; tell it again"

log = structlog.get_logger()


class Inventory:
    """Keeps it."""

    def __init__(self, database: Database, ledger: Ledger, people: People) -> None:
        """Change rights by `ledger`."""
        self._database = database
        self._ledger = ledger
        self._people = people
        self._has_operator = False

    async def put_domain(self, service: ServiceIdentity, request: PutDomain) -> None:
        """A project or an app is there; its owner counts the first time, and changes by transfers only.

        Whether an app is public is everybody's business, so that all are told of a change.
        """
        domain = Domain(DomainKind(request.kind), request.key)
        row = DomainRow(domain.kind, domain.key, request.owner_account_key, request.name, is_public=False)
        kind = AssetKind(request.kind)
        is_public = request.is_public and domain.kind is DomainKind.APP
        async with self._ledger.turn(domain, service, new=row) as turn:
            await domains.asset_lock_in_txn(turn.connection, request.kind, request.key)
            if await domains.is_gone(turn.connection, request.kind, request.key):
                if turn.is_first:
                    await domains.domain_delete(turn.connection, domain)
                return
            known = await domains.place_find(turn.connection, kind, request.key)
            if known is not None and known.revision > request.revision:
                return
            if turn.row.name != request.name:
                await domains.domain_rename(turn.connection, domain, request.name, canonical_name(request.name))
            if known is None or known.revision < request.revision:
                await domains.place_put(turn.connection, Place(kind, request.key, domain, request.revision))
            if turn.is_first:
                owner = rules.owner_line(request.owner_account_key, is_on=True)
                turn.write([owner, rules.asset_line(kind, request.key, is_on=True)])
            if turn.row.is_public != is_public:
                await domains.domain_set_public(turn.connection, domain, is_public=is_public)
                turn.write([rules.public_line(request.key, is_on=is_public)])

    async def forget_domain(self, service: ServiceIdentity, request: ForgetDomain) -> None:
        """A project or an app is gone, and every right in it."""
        domain = Domain(DomainKind(request.kind), request.key)
        async with self._database.transaction() as connection:
            await domains.asset_lock_in_txn(connection, request.kind, request.key)
            is_known = await domains.domain_find(connection, domain) is not None
            await domains.gone_insert(connection, request.kind, request.key)
        if not is_known:
            return
        with suppress(NotFoundError):  # somebody else forgot it meanwhile
            async with self._ledger.turn(domain, service) as turn:
                await _end_everything(turn)
                await domains.domain_delete(turn.connection, domain)

    async def put_asset(self, service: ServiceIdentity, request: PutAsset) -> None:
        """Something is in a project, or has changed there.

        Raises:
            ConflictError: The project is not known yet.
        """
        domain = project_domain(request.project_key)
        place = Place(request.kind, request.key, domain, request.revision, frozenset(request.groups))
        async with self._database.transaction() as connection:
            if await domains.is_gone(connection, request.kind.value, request.key):
                return
            if await domains.domain_find(connection, domain) is None:
                raise ConflictError(NO_PROJECT)
            known = await domains.place_find(connection, request.kind, request.key)
        if known is not None and known.revision > place.revision:
            return
        if known is not None and known.domain != domain:
            await self._leave(service, known)
        async with self._ledger.turn(domain, service) as turn:
            await _put_in_txn(turn, place, request.creator_account_key)

    async def forget_asset(self, service: ServiceIdentity, request: ForgetAsset) -> None:
        """Something is gone, and every grant on it; what was in a group is in it no more."""
        async with self._database.transaction() as connection:
            await domains.asset_lock_in_txn(connection, request.kind.value, request.key)
            known = await domains.place_find(connection, request.kind, request.key)
            await domains.gone_insert(connection, request.kind.value, request.key)
        if known is not None:
            await self._leave(service, known, is_for_good=True)

    async def ensure_operator(self) -> None:
        """The first owner has every flag on the installation, by grants, until somebody has taken them.

        Raises:
            PublicError: Auth or the database is away.
        """
        if self._has_operator:
            return
        owner = await self._people.first_owner()
        if owner is None:
            return
        place = Place(AssetKind.INSTALLATION, INSTALLATION.key, INSTALLATION)
        async with self._ledger.turn(INSTALLATION, None, "first owner of the installation") as turn:
            if not await people.account_list_ever_given(turn.connection, INSTALLATION):
                await give_all_in_txn(turn, place, owner, list(FLAGS[AssetKind.INSTALLATION]))
        self._has_operator = True

    async def _leave(self, service: ServiceIdentity, place: Place, *, is_for_good: bool = False) -> None:
        async with self._ledger.turn(place.domain, service) as turn:
            now = await domains.place_find(turn.connection, place.kind, place.key)
            if now is None or now.domain != place.domain:
                return  # somebody else did it
            taken = await grants.grant_delete_on(turn.connection, place.kind, place.key)
            await take_in_txn(turn, taken)
            turn.write([rules.asset_line(place.kind, place.key, is_on=False)])
            await domains.place_delete(turn.connection, place.kind, place.key)
            if place.kind is AssetKind.GROUP:
                await _empty(turn, place.key)
            if is_for_good and place.kind is AssetKind.DEVICE:
                await _unlock(turn, LockKind.DEVICE, [place.key])


async def _put_in_txn(turn: Turn, place: Place, creator: int | None) -> None:
    await domains.asset_lock_in_txn(turn.connection, place.kind.value, place.key)
    known = await domains.place_find(turn.connection, place.kind, place.key)
    is_late = known is not None and known.revision >= place.revision
    if is_late or await domains.is_gone(turn.connection, place.kind.value, place.key):
        return
    if known is not None and known.domain != place.domain:
        raise ConflictError(ELSEWHERE)
    await domains.place_put(turn.connection, place)
    if known is None or known.groups != place.groups:
        turn.write([rules.asset_line(place.kind, place.key, place.groups, is_on=True)])
    if known is None and creator is not None:
        await _give_creator(turn, place, creator)


async def _end_everything(turn: Turn) -> None:
    """Every fact of the domain ends: so that what was there then is not taken for what is there now."""
    key, is_project = turn.row.key, turn.row.kind is DomainKind.PROJECT
    places = await domains.place_list_of(turn.connection, turn.domain)
    await take_in_txn(turn, await grants.grant_list_in(turn.connection, turn.domain))
    if is_project:
        members = await people.member_list(turn.connection, key)
        defaults = await grants.default_list(turn.connection, key)
        turn.write(rules.member_line(row.account_key, is_on=False) for row in members)
        turn.write(rules.default_line(row.kind, row.flag, row.ends_at, is_on=False) for row in defaults)
        devices = [place.key for place in places if place.kind is AssetKind.DEVICE]
        await _unlock(turn, LockKind.DEVICE, devices)
        await _unlock(turn, LockKind.PROJECT, [key])
    for place in places:
        await domains.gone_insert(turn.connection, place.kind.value, place.key)
    turn.write(rules.asset_line(place.kind, place.key, is_on=False) for place in places)
    if turn.row.owner_account_key is not None:
        turn.write([rules.owner_line(turn.row.owner_account_key, is_on=False)])


async def _unlock(turn: Turn, kind: LockKind, keys: list[int]) -> None:
    """What is gone is not locked any more: nobody could end that lock."""
    for row in await locks.lock_delete_on(turn.connection, kind, [str(key) for key in keys]):
        await write_in_txn(turn, row, is_on=False)


async def _empty(turn: Turn, group_key: int) -> None:
    keys = await domains.group_leave_all(turn.connection, group_key)
    known = await domains.place_list(turn.connection, [(AssetKind.DEVICE, key) for key in keys])
    turn.write(rules.asset_line(AssetKind.DEVICE, each.key, each.groups, is_on=True) for each in known.values())


async def _give_creator(turn: Turn, place: Place, account_key: int) -> None:
    """Explicit grants to who created it (decision 18); its owner needs none, and a visitor gets none."""
    members = await people.member_list_of(turn.connection, account_key)
    if account_key == turn.row.owner_account_key or turn.row.key not in members:
        return
    flags = rules.OF_A_NEW_GROUP if place.kind is AssetKind.GROUP else tuple(FLAGS[place.kind])
    await give_all_in_txn(turn, place, account_key, list(flags))

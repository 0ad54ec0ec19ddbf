"""What other services ask and tell."""

from typing import Any

from attrs import evolve

from services.privileges import rules
from services.privileges.asking import case_of, snapshot
from services.privileges.inventory import Inventory
from services.privileges.records.services import AccountKey, AskEntry, ForgetAsset, ForgetDomain, PutAsset, PutDomain
from services.privileges.rows import seconds
from services.privileges.store import domains, grants, history, locks
from services.privileges.store.standings import holdings_read, standing_read
from shared.database import Database
from shared.errors import NotAuthorizedError
from shared.flags import AssetKind
from shared.identities import ServiceIdentity
from shared.procedures import NoArguments, for_services
from shared.rights.records import Holdings
from shared.rights.rules import flags_to_enter
from shared.rights.wire import StandingLocks

DECISION_POINTS = ("auth", "realms", "devices", "audit", "fleetdb", "tunnels")
KINDS_OF = {
    "devices": frozenset({AssetKind.DEVICE, AssetKind.GROUP}),
    "realms": frozenset({AssetKind.BOARD, AssetKind.DATA_BACKEND}),
}


class ServiceProcedures:
    """Privileges' procedures for services."""

    def __init__(self, database: Database, inventory: Inventory) -> None:
        """Serve from `database`."""
        self._database = database
        self._inventory = inventory

    @for_services("ironflock.privileges.holdings.find", AccountKey)
    async def holdings_find(self, service: ServiceIdentity, request: AccountKey) -> Holdings:
        """Everything that a person holds, and the position of the stream at which that was so."""
        _only(service, *DECISION_POINTS)
        return await self._database.run(lambda connection: holdings_read(connection, request.account_key))

    @for_services("ironflock.privileges.lock.standing")
    async def lock_standing(self, service: ServiceIdentity, request: NoArguments) -> StandingLocks:  # noqa: ARG002
        """Every lock in force."""
        _only(service, *DECISION_POINTS)
        async with snapshot(self._database) as (connection, now):
            rows = await locks.lock_list(connection, now)
            return StandingLocks(await history.position(connection), tuple(row.lock for row in rows))

    @for_services("ironflock.privileges.domain.owned", AccountKey)
    async def domain_owned(self, service: ServiceIdentity, request: AccountKey) -> list[dict[str, Any]]:
        """What an account owns, for auth: it is asked before an account is erased."""
        _only(service, "auth")
        rows = await self._database.run(lambda connection: domains.domain_list_owned(connection, request.account_key))
        return [{"kind": row.kind.value, "key": row.key} for row in rows]

    @for_services("ironflock.privileges.domain.put", PutDomain)
    async def domain_put(self, service: ServiceIdentity, request: PutDomain) -> None:
        """A project or an app is there."""
        _only(service, "realms")
        await self._inventory.put_domain(service, request)

    @for_services("ironflock.privileges.domain.forget", ForgetDomain)
    async def domain_forget(self, service: ServiceIdentity, request: ForgetDomain) -> None:
        """A project or an app is gone."""
        _only(service, "realms")
        await self._inventory.forget_domain(service, request)

    @for_services("ironflock.privileges.asset.put", PutAsset)
    async def asset_put(self, service: ServiceIdentity, request: PutAsset) -> None:
        """Something is in a project, or has changed there."""
        _only_of_kind(service, request.kind)
        await self._inventory.put_asset(service, request)

    @for_services("ironflock.privileges.asset.forget", ForgetAsset)
    async def asset_forget(self, service: ServiceIdentity, request: ForgetAsset) -> None:
        """Something is gone."""
        _only_of_kind(service, request.kind)
        await self._inventory.forget_asset(service, request)

    @for_services("ironflock.privileges.group.missing", AskEntry)
    async def group_missing(self, service: ServiceIdentity, request: AskEntry) -> list[str]:
        """Which flags a person lacks for putting a device into a group (decision 18); none where they may."""
        _only(service, "devices")
        wanted = [(AssetKind.DEVICE, request.device_key), (AssetKind.GROUP, request.group_key)]
        async with snapshot(self._database) as (connection, now):
            found = await domains.place_list(connection, wanted)
            device, group = (found.get(each) for each in wanted)
            if device is None or group is None or device.domain != group.domain:
                return ["MEMBERS"]
            places = [*wanted, *((AssetKind.GROUP, key) for key in device.groups)]
            standing = await standing_read(connection, request.account_key, device.domain, places)
            towards_device = await case_of(connection, request.account_key, device, now)
            towards_group = await case_of(connection, request.account_key, group, now)
            standing = evolve(standing, is_locked_out=towards_device.standing.is_locked_out)
            conferred = await grants.flags_conferred(connection, request.group_key, now)
        of_devices = {flag: seconds(end) for flag, end in conferred.items() if rules.is_of_devices(flag)}
        return sorted(
            flags_to_enter(standing, towards_device.asset, towards_group.asset, of_devices, now=now.timestamp())
        )


def _only(service: ServiceIdentity, *names: str) -> None:
    if service.name not in names:
        raise NotAuthorizedError("this procedure is not for you")


def _only_of_kind(service: ServiceIdentity, kind: AssetKind) -> None:
    if kind not in KINDS_OF.get(service.name, frozenset()):
        raise NotAuthorizedError("this procedure is not for you")

"""What is wanted of apps on devices, and by whom: each in one transaction with its entry."""

from collections.abc import Callable
from typing import Any, Final

from attrs import evolve, frozen

from services.devices.apps.delivery import AppDelivery
from services.devices.apps.releases import Releases
from services.devices.apps.sessions import AppSessions
from services.devices.apps.tunnel_telling import TunnelTelling
from services.devices.reaching import NO_DEVICE
from services.devices.records.apps import (
    AppOnDevice,
    AppRelease,
    FoundInstall,
    Install,
    Rotation,
    Stage,
    Target,
)
from services.devices.records.devices import Device
from services.devices.rules import apps as app_rules
from services.devices.store import app_states as store
from services.devices.store import apps, tunnel_orders
from services.devices.store.devices import device_lock_in_txn
from services.devices.store.releases import contents_octets
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, OverLimitError
from shared.identities import Person

NO_APP: Final = "this app is not installed on the device at this stage"
MAX_APPS_OF_A_DEVICE: Final = 200
MAX_ENVIRONMENTS_OCTETS: Final = 512 * 1024
MAX_PORTS_OCTETS: Final = 256 * 1024
MAX_CONTENTS_OCTETS: Final = 64 * 1024
"""Of all apps of a device together: an agent asks for them in one message, of 1 MiB at most."""


@frozen
class Spot:
    """An app on a device, as somebody with the right means it; `because`: what does it for them, if they do not."""

    person: Person
    device: Device
    app_key: int
    stage: Stage
    because: str | None = None


@frozen
class Placing:
    """With what an app is put on a device: what realms knows of it, and which of its credentials counts.

    `is_named`: somebody asked for this very release; else it is the project's, for who has none yet.
    """

    found: FoundInstall
    release: AppRelease | None
    app_cred_epoch: int
    is_named: bool


class AppStates:
    """Keeps it."""

    def __init__(
        self,
        database: Database,
        app_sessions: AppSessions,
        delivery: AppDelivery,
        releases: Releases,
        tunnel_telling: TunnelTelling,
    ) -> None:
        """Change `database`; what ends by it is told by `app_sessions`, what is wanted by `delivery`."""
        self._releases = releases
        self._tunnel_telling = tunnel_telling
        self._database = database
        self._app_sessions = app_sessions
        self._delivery = delivery

    async def install(self, spot: Spot, placing: Placing) -> AppOnDevice:
        """The app is on the device; one that was to go is to stay. Repeating it changes nothing.

        Raises:
            ConflictError: There is no release to put there, or the device is to go.
            OverLimitError: The device has too many apps.
        """
        async with self._database.transaction() as connection:
            installed = await install_in_txn(connection, spot, placing)
        self._delivery.wake()
        return installed

    async def uninstall(self, spot: Spot) -> None:
        """The app is to go, and what it has open ends at once. Repeating it changes nothing."""
        async with self._database.transaction() as connection:
            await self.uninstall_in_txn(connection, spot)
        self.wake()

    async def uninstall_in_txn(self, connection: Connection, spot: Spot) -> None:
        """As `uninstall`, with the transaction of `connection`; who commits it calls `wake`."""
        device = await locked(connection, spot.device)
        known = await store.state_lock_in_txn(connection, device.device_key, spot.app_key, spot.stage)
        if known is None or known.target == "UNINSTALLED":
            return
        if known.told_revision == 0 and not known.is_offered:
            await apps.app_delete(connection, device.device_key, spot.app_key, spot.stage)
        else:
            await store.wish_set(connection, _by(spot.person, app_rules.aimed(known, "UNINSTALLED")))
            await store.order_put(connection, device.device_key, spot.app_key, spot.stage, cancels=False)
        if known.ports:
            await _tell_tunnels(connection, spot, known)
        install = Install(device.project_key, spot.app_key, spot.stage)
        await self._app_sessions.end_install(connection, device.serial_number, install)
        await audit.record(connection, _left(spot))

    def wake(self) -> None:
        """Something was written: let it be told now."""
        self._app_sessions.wake()
        self._delivery.wake()
        self._tunnel_telling.wake()

    async def aim(self, spot: Spot, target: Target) -> AppOnDevice:
        """The app is to be so.

        Raises:
            NotAuthorizedError: That fetches a release again which asks for power over the device; they lack `DEVELOP`.
        """
        return await self._change_allowed(spot, lambda app: app_rules.aimed(app, target))

    async def upgrade(self, spot: Spot, release: AppRelease) -> AppOnDevice:
        """The app is to be of that release."""
        return await self._change(spot, lambda app: app_rules.upgraded(app, release))

    async def roll_back(self, spot: Spot, release: AppRelease | None) -> AppOnDevice:
        """The app is to be of the release before, which is `release`.

        Raises:
            ConflictError: There is none, or it is another one by now.
        """
        return await self._change(spot, lambda app: app_rules.rolled_back_to(app, release))

    async def cancel_transition(self, spot: Spot) -> AppOnDevice:
        """What the agent is at with the app is to be given up.

        Raises:
            ConflictError: It is at nothing.
            NotAuthorizedError: What the device has asks for power over it, is not wanted now, and they lack `DEVELOP`.
        """
        return await self._change_allowed(spot, app_rules.cancelled, cancels=True)

    async def confirm(self, person: Person, meant: Device) -> list[AppOnDevice]:
        """What is listed is all that is to be on the device: anything else that it has goes."""
        async with self._database.transaction() as connection:
            device = await locked(connection, meant)
            await store.list_commit(connection, device.device_key, person.account_key)
            listed = await store.state_list(connection, device.device_key)
            after = {"apps": [{"app_key": app.app_key, "stage": app.stage} for app in listed]}
            await audit.record(connection, _draft(person, device, audit.Action.DEVICE_APPS_CONFIRMED, after=after))
        return listed

    async def renew_in_txn(self, connection: Connection, rotation: Rotation, epoch: int) -> None:
        """Another credential of the app counts; its agent is told of it, after this transaction."""
        known = await store.state_lock_in_txn(connection, rotation.device_key, rotation.app_key, rotation.stage)
        if known is not None and known.app_cred_epoch < epoch:
            await store.wish_set(connection, evolve(known, app_cred_epoch=epoch))
            await store.order_put(connection, known.device_key, known.app_key, known.stage, cancels=False)

    async def set_environment(self, spot: Spot, before: AppOnDevice, sealed: bytes, names: list[str]) -> None:
        """The app has this environment, whose variables of these names were set.

        Raises:
            ConflictError: Somebody else has set it meanwhile, or the app is not there.
            InvalidArgumentError: With those of the device's other apps it is too much.
        """
        async with self._database.transaction() as connection:
            known = await self._settled(connection, spot)
            if known.environment != before.environment:
                raise ConflictError("somebody else has changed this environment meanwhile; look, and set it again")
            after = evolve(known, environment=sealed)
            which = {"app_key": spot.app_key, "stage": spot.stage, "names": names}
            await _set(connection, spot, after, audit.Action.DEVICE_APP_ENVIRONMENT_CHANGED, which)
            await refuse_too_much(connection, after.device_key, "values")
        self._delivery.wake()

    async def set_ports(self, spot: Spot, ports: list[dict[str, Any]]) -> AppOnDevice:
        """The app has these ports.

        Raises:
            ConflictError: The app is not there.
            InvalidArgumentError: With those of the device's other apps they are too many.
        """
        async with self._database.transaction() as connection:
            known = await self._settled(connection, spot)
            which = {"app_key": spot.app_key, "stage": spot.stage, "ports": [rule["port"] for rule in ports]}
            after = evolve(known, ports=ports)
            await _set(connection, spot, after, audit.Action.DEVICE_APP_PORTS_CHANGED, which)
            await refuse_too_much(connection, after.device_key, "ports")
            await _tell_tunnels(connection, spot, after)
            result = await _found(connection, spot)
        self.wake()
        return result

    async def _settled(self, connection: Connection, spot: Spot) -> AppOnDevice:
        await locked(connection, spot.device)
        return await _found(connection, spot)

    async def find(self, device: Device, app_key: int, stage: Stage) -> AppOnDevice:
        """The app on the device.

        Raises:
            ConflictError: It is not there.
        """
        found = await self._database.run(
            lambda connection: store.state_find(connection, device.device_key, app_key, stage)
        )
        if found is None:
            raise ConflictError(NO_APP)
        return found

    async def _change_allowed(
        self, spot: Spot, change: Callable[[AppOnDevice], AppOnDevice], *, cancels: bool = False
    ) -> AppOnDevice:
        known = await self.find(spot.device, spot.app_key, spot.stage)
        release = app_rules.put_there(known, change(known))
        await self._releases.require(spot.person, spot.device, release)
        return await self._change(spot, lambda app: app_rules.as_allowed(app, change(app), release), cancels=cancels)

    async def _change(
        self, spot: Spot, change: Callable[[AppOnDevice], AppOnDevice], *, cancels: bool = False
    ) -> AppOnDevice:
        async with self._database.transaction() as connection:
            result = await change_in_txn(connection, spot, change, cancels=cancels)
        self._delivery.wake()
        return result


async def install_in_txn(connection: Connection, spot: Spot, placing: Placing) -> AppOnDevice:
    """As `AppStates.install`, with the transaction of `connection`; who commits it wakes what tells agents."""
    device = await locked(connection, spot.device)
    known = await store.state_lock_in_txn(connection, device.device_key, spot.app_key, spot.stage)
    if known is None or known.target == "UNINSTALLED":
        await _place(connection, spot, placing, is_new=known is None)
    elif placing.is_named and placing.release is not None and placing.release != known.release:
        await _wish(connection, spot, known, app_rules.upgraded(known, placing.release))
    return await _found(connection, spot)


async def change_in_txn(
    connection: Connection, spot: Spot, change: Callable[[AppOnDevice], AppOnDevice], *, cancels: bool = False
) -> AppOnDevice:
    """The app is to be what `change` makes of it, with the transaction of `connection`.

    Raises:
        ConflictError: The app is not there, or `change` refuses.
    """
    await locked(connection, spot.device)
    known = await _found(connection, spot)
    changed = change(known)
    if changed != known or known.state == "FAILED" or cancels:
        await _wish(connection, spot, known, changed, cancels=cancels)
    return await _found(connection, spot)


async def environment_in_txn(connection: Connection, spot: Spot, sealed: bytes | None, names: list[str]) -> None:
    """The app has this environment, with the transaction of `connection`; variables of these names were set.

    Raises:
        ConflictError: The app is not there.
    """
    after = evolve(await _found(connection, spot), environment=sealed)
    which = {"app_key": spot.app_key, "stage": spot.stage, "names": names}
    await _set(connection, spot, after, audit.Action.DEVICE_APP_ENVIRONMENT_CHANGED, which)
    await refuse_too_much(connection, after.device_key, "values")


async def refuse_too_much(connection: Connection, device_key: int, argument: str) -> None:
    """Hold the `values`, or the `ports`, of all apps of a device together to what one message to it can carry.

    Raises:
        InvalidArgumentError: They are more.
    """
    environments, ports = await store.settings_octets(connection, device_key)
    if (argument == "values" and environments > MAX_ENVIRONMENTS_OCTETS) or (
        argument == "ports" and ports > MAX_PORTS_OCTETS
    ):
        raise InvalidArgumentError(
            "what is set for all apps of this device is too much for one device", argument=argument
        )


async def _tell_tunnels(connection: Connection, spot: Spot, app: AppOnDevice) -> None:
    if app.stage == "PROD" and app.app_name is not None:
        await tunnel_orders.order_put(connection, app.device_key, app.app_key, app.app_name, spot.person.account_key)


async def _refuse_too_large(connection: Connection, spot: Spot, release: AppRelease | None) -> None:
    if release is None:
        return
    key, which = spot.device.device_key, (spot.app_key, spot.stage, release.release_key)
    if await contents_octets(connection, key, *which) > MAX_CONTENTS_OCTETS:
        raise OverLimitError("what the releases of the apps of this device ask for is too much for one device")


async def locked(connection: Connection, meant: Device) -> Device:
    """The device whose apps are meant, if it is where it was; nobody else changes it before the transaction ends.

    Raises:
        NotFoundError, ConflictError: It is gone or elsewhere; it is to go.
    """
    device = await device_lock_in_txn(connection, meant.device_key)
    if device is None or device.project_key != meant.project_key:
        raise NotFoundError(NO_DEVICE)
    if device.state == "deleting":
        raise ConflictError("the device is being deleted")
    return device


async def _found(connection: Connection, spot: Spot) -> AppOnDevice:
    found = await store.state_lock_in_txn(connection, spot.device.device_key, spot.app_key, spot.stage)
    if found is None or found.target == "UNINSTALLED":
        raise ConflictError(NO_APP)
    return found


async def _place(connection: Connection, spot: Spot, placing: Placing, *, is_new: bool) -> None:
    if spot.stage == "PROD" and placing.release is None:
        raise ConflictError(app_rules.NO_RELEASE)
    await _refuse_too_large(connection, spot, placing.release)
    key = spot.device.device_key
    if is_new:
        if len(await store.state_list(connection, key)) >= MAX_APPS_OF_A_DEVICE:
            raise OverLimitError(f"a device can have {MAX_APPS_OF_A_DEVICE} apps at most")
        await apps.app_insert(connection, key, Install(spot.device.project_key, spot.app_key, spot.stage))
    else:
        await store.app_renew(connection, key, spot.app_key, spot.stage)
    known = await store.state_lock_in_txn(connection, key, spot.app_key, spot.stage)
    if known is None:
        raise LookupError("what was inserted is not there")
    aimed = evolve(
        _by(
            spot.person, app_rules.aimed(app_rules.wanting(known, placing.release), app_rules.first_target(spot.stage))
        ),
        app_name=placing.found.app_name or str(spot.app_key) if known.app_name is None else known.app_name,
        app_cred_epoch=placing.app_cred_epoch,
    )
    await store.wish_set(connection, aimed)
    await store.order_put(connection, key, spot.app_key, spot.stage, cancels=False)
    await store.list_commit_first(connection, key, spot.person.account_key)
    await audit.record(connection, _installed(spot))


async def _wish(
    connection: Connection, spot: Spot, before: AppOnDevice, after: AppOnDevice, *, cancels: bool = False
) -> None:
    if after.release != before.release:
        await _refuse_too_large(connection, spot, after.release)
    await store.wish_set(connection, _by(spot.person, after))
    await store.order_put(connection, before.device_key, before.app_key, before.stage, cancels=cancels)
    is_release = before.release != after.release and before.target == after.target
    action = audit.Action.DEVICE_APP_RELEASE_CHANGED if is_release else audit.Action.DEVICE_APP_TARGET_CHANGED
    draft = _draft(spot.person, spot.device, action, before=_wanted(before), after=_wanted(after))
    await audit.record(connection, evolve(draft, reason=spot.because))


async def _set(
    connection: Connection, spot: Spot, after: AppOnDevice, action: audit.Action, which: dict[str, Any]
) -> None:
    await store.settings_set(connection, after)
    await store.wish_set(connection, _by(spot.person, after))
    await store.order_put(connection, after.device_key, after.app_key, after.stage, cancels=False)
    draft = _draft(spot.person, spot.device, action, after=which)
    await audit.record(connection, evolve(draft, reason=spot.because))


def _by(person: Person, app: AppOnDevice) -> AppOnDevice:
    return evolve(app, requestor_account_key=person.account_key)


def _wanted(app: AppOnDevice) -> dict[str, Any]:
    version = None if app.release is None else app.release.version
    return {"app_key": app.app_key, "stage": app.stage, "target": app.target, "version": version}


def _installed(spot: Spot) -> audit.Draft:
    which = {"app_key": spot.app_key, "stage": spot.stage}
    return evolve(_draft(spot.person, spot.device, audit.Action.DEVICE_APP_INSTALLED, after=which), reason=spot.because)


def _left(spot: Spot) -> audit.Draft:
    which = {"app_key": spot.app_key, "stage": spot.stage}
    draft = _draft(spot.person, spot.device, audit.Action.DEVICE_APP_UNINSTALLED, before=which)
    return evolve(draft, reason=spot.because)


def _draft(
    person: Person,
    device: Device,
    action: audit.Action,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.STATE,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        before=before,
        after=after,
        session=person.session or None,
    )

"""What people do with apps on devices, and what auth asks of them."""

from typing import Final

from services.devices import rules
from services.devices.app_records import (
    DeviceApp,
    DeviceApps,
    Environment,
    FindInstalled,
    Install,
    Installed,
    NameApp,
    RotatedCredential,
)
from services.devices.assembly import Parts
from services.devices.installs import NOT_INSTALLED
from services.devices.reaching import NO_DEVICE
from services.devices.records import READ, Device, NameDevice
from services.devices.store import apps as store
from services.devices.store.devices import device_lock_in_txn
from shared import audit
from shared.database import Connection
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.identities import Person, ServiceIdentity
from shared.procedures import for_people, for_services

NO_APP: Final = "this app is not installed on the device at this stage"
MAX_APPS_OF_A_DEVICE: Final = 200
OVERLAP_S: Final = 15 * 60.0 + 10.0
"""The old credential opens for 15 minutes from when auth says so, which a call later than here may be (10 s)."""


class DeviceAppProcedures:
    """Devices' procedures about apps."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._installs = parts.installs
        self._app_sessions = parts.app_sessions
        self._credentials = parts.credentials
        self._flock = parts.flock

    @for_people("ironflock.devices.app.install", NameApp, is_narrowing=True)
    async def app_install(self, person: Person, request: NameApp) -> DeviceApp:
        """Put an app that the project has on the device (flag `INSTALL`); repeating it changes nothing."""
        meant = await self._reaching.device(person, "INSTALL", request.device, request.project)
        install = Install(meant.project_key, request.app, request.stage)
        await self._installs.require(install)
        async with self._database.transaction() as connection:
            device = await _locked(connection, meant)
            if await store.app_insert(connection, device.device_key, install):
                await _refuse_many(connection, device)
                draft = _changed(person, audit.Action.DEVICE_APP_INSTALLED, device, request)
                await audit.record(connection, draft)
            installed = await _found(connection, device, request)
        if not await self._installs.settle(install):  # the project may have lost it meanwhile
            raise ConflictError(NOT_INSTALLED)
        return installed

    @for_people("ironflock.devices.app.uninstall", NameApp, is_narrowing=True)
    async def app_uninstall(self, person: Person, request: NameApp) -> None:
        """Take an app from the device (flag `INSTALL`); its sessions end at once, repeating it changes nothing."""
        meant = await self._reaching.device(person, "INSTALL", request.device, request.project)
        async with self._database.transaction() as connection:
            device = await _locked(connection, meant)
            if await store.app_delete(connection, device.device_key, request.app, request.stage):
                install = Install(device.project_key, request.app, request.stage)
                await self._app_sessions.end_install(connection, device.serial_number, install)
                draft = _changed(person, audit.Action.DEVICE_APP_UNINSTALLED, device, request)
                await audit.record(connection, draft)
        self._app_sessions.wake()

    @for_people("ironflock.devices.app.list", NameDevice, is_reading=True, is_narrowing=True)
    async def app_list(self, person: Person, request: NameDevice) -> DeviceApps:
        """The apps on the device (flag `READ`)."""
        device = await self._reaching.device(person, READ, request.device, request.project)
        apps = await self._database.run(lambda connection: store.app_list(connection, device.device_key))
        return DeviceApps(apps)

    @for_people("ironflock.devices.app.rotate_credential", NameApp, is_narrowing=True)
    async def app_rotate_credential(self, person: Person, request: NameApp) -> RotatedCredential:
        """A new credential for an app (flag `INSTALL`); the old one opens for 15 minutes, then its sessions end."""
        meant = await self._reaching.device(person, "INSTALL", request.device, request.project)
        async with self._database.transaction() as connection:
            device = await _locked(connection, meant)
            await _found(connection, device, request)
            # Before auth acts: what is ended in vain comes back, what is not ended would stay.
            which = {"app_key": request.app, "stage": request.stage}
            key = await store.ending_insert(connection, device.serial_number, which, after_s=OVERLAP_S)
        rotated = await self._credentials.rotate_app(
            device.device_key, request.app, request.stage, account_key=person.account_key
        )
        older = {"epoch_below": rotated.epoch}
        await self._database.run(lambda connection: store.ending_narrow(connection, key, older))
        return rotated

    @for_people("ironflock.devices.app.environment", NameApp, is_narrowing=True)
    async def app_environment(self, person: Person, request: NameApp) -> Environment:
        """What the agent gives the app's container (flag `DEVELOP`), its credential included: recorded each time."""
        device = await self._reaching.device(person, "DEVELOP", request.device, request.project)
        await self._database.run(lambda connection: _found(connection, device, request))
        install = await self._installs.require(Install(device.project_key, request.app, request.stage))
        credential = await self._credentials.app_credential(device.device_key, request.app, request.stage)
        async with self._database.transaction() as connection:
            draft = _changed(person, audit.Action.APP_ENVIRONMENT_READ, device, request)
            await audit.record(connection, draft)
        app = rules.ContainerApp(request.app, install.app_name, request.stage)
        return Environment(rules.environment(device, app, credential, self._flock))

    @for_services("ironflock.devices.app.installed", FindInstalled)
    async def app_installed(self, service: ServiceIdentity, request: FindInstalled) -> Installed | None:
        """The device of a serial number and what is on it, for auth alone; None where there is none."""
        if service.name != "auth":
            raise NotAuthorizedError("this procedure is not for you")
        return await self._database.run(lambda connection: store.installed_find(connection, request.serial_number))


async def _locked(connection: Connection, meant: Device) -> Device:
    device = await device_lock_in_txn(connection, meant.device_key)
    if device is None or device.project_key != meant.project_key:
        raise NotFoundError(NO_DEVICE)
    if device.state == "deleting":
        raise ConflictError("the device is being deleted")
    return device


async def _found(connection: Connection, device: Device, request: NameApp) -> DeviceApp:
    found = await store.app_find(connection, device.device_key, request.app, request.stage)
    if found is None:
        raise ConflictError(NO_APP)
    return found


async def _refuse_many(connection: Connection, device: Device) -> None:
    if len(await store.app_list(connection, device.device_key)) > MAX_APPS_OF_A_DEVICE:
        raise OverLimitError(f"a device can have {MAX_APPS_OF_A_DEVICE} apps at most")


def _changed(person: Person, action: audit.Action, device: Device, request: NameApp) -> audit.Draft:
    which = {"app_key": request.app, "stage": request.stage}
    is_gone, is_read = action is audit.Action.DEVICE_APP_UNINSTALLED, action is audit.Action.APP_ENVIRONMENT_READ
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.READING if is_read else audit.Aspect.STATE,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        before=which if is_gone else None,
        after=None if is_gone else which,
        session=person.session or None,
    )

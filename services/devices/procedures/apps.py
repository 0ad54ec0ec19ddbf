"""What people do with apps on devices, and what auth asks of them."""

from services.devices.apps.installs import NOT_INSTALLED
from services.devices.apps.states import NO_APP, Placing, Spot
from services.devices.assembly import Parts
from services.devices.records.apps import (
    AppRelease,
    DeviceApp,
    DeviceApps,
    Environment,
    FindInstalled,
    FoundInstall,
    Install,
    InstallApp,
    Installed,
    NameApp,
    RotatedCredential,
)
from services.devices.records.devices import READ, Device, NameDevice
from services.devices.rules import devices as rules
from services.devices.rules.apps import shown, values
from services.devices.store import apps as store
from services.devices.store.app_states import list_is_committed, state_find, state_list
from shared import audit
from shared.database import Connection
from shared.errors import ConflictError, NotAuthorizedError
from shared.identities import Person, ServiceIdentity
from shared.procedures import for_people, for_services


class DeviceAppProcedures:
    """Devices' procedures about apps."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._installs = parts.apps.installs
        self._releases = parts.apps.releases
        self._app_states = parts.apps.states
        self._credentials = parts.credentials
        self._files = parts.files
        self._rotating = parts.apps.rotating
        self._environments = parts.apps.environments

    @for_people("ironflock.devices.app.install", InstallApp, is_narrowing=True)
    async def app_install(self, person: Person, request: InstallApp) -> DeviceApp:
        """Put an app that the project has on the device (flag `INSTALL`, for power over it `DEVELOP` too).

        Repeating it changes nothing.
        """
        meant = await self._reaching.device(person, "INSTALL", request.device, request.project)
        install = Install(meant.project_key, request.app, request.stage)
        found = await self._installs.require(install)
        epoch = await self._credentials.app_epoch(meant.device_key, request.app, request.stage)
        release = await self._release(request, found)
        await self._releases.require(person, meant, release)
        placing = Placing(found, release, epoch, is_named=request.version is not None)
        spot = Spot(person, meant, request.app, request.stage)
        installed = await self._app_states.install(spot, placing)
        if not await self._installs.settle(install):  # the project may have lost it meanwhile
            raise ConflictError(NOT_INSTALLED)
        return shown(installed)

    async def _release(self, request: InstallApp, found: FoundInstall) -> AppRelease | None:
        if request.version is not None:
            return await self._installs.release(request.app, request.version)
        if found.release_key is None or found.version is None:
            return None
        return AppRelease(found.release_key, found.version)

    @for_people("ironflock.devices.app.uninstall", NameApp, is_narrowing=True)
    async def app_uninstall(self, person: Person, request: NameApp) -> None:
        """Take an app from the device (flag `INSTALL`); its sessions end at once, repeating it changes nothing."""
        meant = await self._reaching.device(person, "INSTALL", request.device, request.project)
        await self._app_states.uninstall(Spot(person, meant, request.app, request.stage))

    @for_people("ironflock.devices.app.list", NameDevice, is_reading=True, is_narrowing=True)
    async def app_list(self, person: Person, request: NameDevice) -> DeviceApps:
        """The apps on the device (flag `READ`), those too that are to go."""
        device = await self._reaching.device(person, READ, request.device, request.project)
        async with self._database.transaction() as connection:
            found = await state_list(connection, device.device_key)
            is_confirmed = await list_is_committed(connection, device.device_key)
        return DeviceApps([shown(app) for app in found], is_confirmed)

    @for_people("ironflock.devices.app.rotate_credential", NameApp, is_narrowing=True)
    async def app_rotate_credential(self, person: Person, request: NameApp) -> RotatedCredential:
        """A new credential for an app (flag `INSTALL`); the old one opens for 15 minutes, then its sessions end."""
        meant = await self._reaching.device(person, "INSTALL", request.device, request.project)
        return await self._rotating.rotate(person, meant, request)

    @for_people("ironflock.devices.app.environment", NameApp, is_narrowing=True)
    async def app_environment(self, person: Person, request: NameApp) -> Environment:
        """What the agent gives the app's container (flag `DEVELOP`), its credential included: recorded each time."""
        device = await self._reaching.device(person, "DEVELOP", request.device, request.project)
        await self._database.run(lambda connection: _require(connection, device, request))
        install = await self._installs.require(Install(device.project_key, request.app, request.stage))
        credential = await self._credentials.app_credential(device.device_key, request.app, request.stage)
        settings = await self._files.settings(device.project_key)
        async with self._database.transaction() as connection:
            await audit.record(connection, _read(person, device, request))
        app = rules.ContainerApp(request.app, install.app_name, request.stage)
        known = await self._app_states.find(device, request.app, request.stage)
        template = (await self._releases.contents(known.release)).environment
        own = values(await self._environments.opened(known), template)
        return Environment(own | rules.environment(device, app, credential, settings))

    @for_services("ironflock.devices.app.installed", FindInstalled)
    async def app_installed(self, service: ServiceIdentity, request: FindInstalled) -> Installed | None:
        """The device of a serial number and what is on it, for auth alone; None where there is none."""
        if service.name != "auth":
            raise NotAuthorizedError("this procedure is not for you")
        return await self._database.run(lambda connection: store.installed_find(connection, request.serial_number))


async def _require(connection: Connection, device: Device, request: NameApp) -> None:
    found = await state_find(connection, device.device_key, request.app, request.stage)
    if found is None or found.target == "UNINSTALLED":
        raise ConflictError(NO_APP)


def _read(person: Person, device: Device, request: NameApp) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.APP_ENVIRONMENT_READ,
        aspect=audit.Aspect.READING,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        after={"app_key": request.app, "stage": request.stage},
        session=person.session or None,
    )

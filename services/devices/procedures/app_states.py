"""What people want of apps on devices: running or not, of which release, and what became of it."""

from services.devices.apps.states import Spot
from services.devices.assembly import Parts
from services.devices.records.apps import (
    AppRelease,
    ConfirmInstalls,
    DeviceApp,
    DeviceApps,
    EndedInstalls,
    Install,
    NameApp,
    UpgradeApp,
)
from services.devices.records.devices import READ, NameDevice
from services.devices.rules.apps import MISSING, NO_RELEASE, missing_variables, rolled_back, shown
from shared.errors import ConflictError
from shared.identities import Person
from shared.procedures import for_people


class AppStateProcedures:
    """Devices' procedures about what is wanted of apps; each answers with the app as it is then wanted and reported."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._reaching = parts.reaching
        self._installs = parts.apps.installs
        self._releases = parts.apps.releases
        self._environments = parts.apps.environments
        self._app_states = parts.apps.states

    @for_people("ironflock.devices.app.status", NameApp, is_reading=True, is_narrowing=True)
    async def app_status(self, person: Person, request: NameApp) -> DeviceApp:
        """An app on the device: what is wanted of it, and what the device says of it (flag `READ`)."""
        device = await self._reaching.device(person, READ, request.device, request.project)
        return shown(await self._app_states.find(device, request.app, request.stage))

    @for_people("ironflock.devices.app.start", NameApp, is_narrowing=True)
    async def app_start(self, person: Person, request: NameApp) -> DeviceApp:
        """The app is to run (flag `OPERATE`); it has all the variables that its release needs.

        One that was removed is fetched again: where its release asks for power over the device, `DEVELOP` too.
        """
        device = await self._reaching.device(person, "OPERATE", request.device, request.project)
        known = await self._app_states.find(device, request.app, request.stage)
        template = (await self._releases.contents(known.release)).environment
        if missing := missing_variables(await self._environments.opened(known), template):
            raise ConflictError(MISSING + ", ".join(missing), reason="variables_missing", variables=missing)
        return shown(await self._app_states.aim(Spot(person, device, request.app, request.stage), "RUNNING"))

    @for_people("ironflock.devices.app.stop", NameApp, is_narrowing=True)
    async def app_stop(self, person: Person, request: NameApp) -> DeviceApp:
        """The app is to be there, and not to run (flag `OPERATE`); one that was removed as with `app.start`."""
        device = await self._reaching.device(person, "OPERATE", request.device, request.project)
        return shown(await self._app_states.aim(Spot(person, device, request.app, request.stage), "PRESENT"))

    @for_people("ironflock.devices.app.remove", NameApp, is_narrowing=True)
    async def app_remove(self, person: Person, request: NameApp) -> DeviceApp:
        """The app's container and image are to go, while it stays installed (flag `INSTALL`)."""
        device = await self._reaching.device(person, "INSTALL", request.device, request.project)
        return shown(await self._app_states.aim(Spot(person, device, request.app, request.stage), "REMOVED"))

    @for_people("ironflock.devices.app.upgrade", UpgradeApp, is_narrowing=True)
    async def app_upgrade(self, person: Person, request: UpgradeApp) -> DeviceApp:
        """The app is to be of another release (flag `INSTALL`, for power over the device `DEVELOP` too).

        It is the one named, or the one that the project has.
        """
        device = await self._reaching.device(person, "INSTALL", request.device, request.project)
        found = await self._installs.require(Install(device.project_key, request.app, request.stage))
        if request.version is not None:
            release = await self._installs.release(request.app, request.version)
        elif found.release_key is not None and found.version is not None:
            release = AppRelease(found.release_key, found.version)
        else:
            raise ConflictError(NO_RELEASE)
        await self._releases.require(person, device, release)
        return shown(await self._app_states.upgrade(Spot(person, device, request.app, request.stage), release))

    @for_people("ironflock.devices.app.rollback", NameApp, is_narrowing=True)
    async def app_rollback(self, person: Person, request: NameApp) -> DeviceApp:
        """The app is to be of the release before (flag `INSTALL`, for power over the device `DEVELOP` too)."""
        device = await self._reaching.device(person, "INSTALL", request.device, request.project)
        before = rolled_back(await self._app_states.find(device, request.app, request.stage)).release
        await self._releases.require(person, device, before)
        return shown(await self._app_states.roll_back(Spot(person, device, request.app, request.stage), before))

    @for_people("ironflock.devices.app.cancel", NameApp, is_narrowing=True)
    async def app_cancel(self, person: Person, request: NameApp) -> DeviceApp:
        """What is under way with the app is to be given up (flag `INSTALL`); it then does not run.

        What the device has is wanted then: where that was not, and asks for power over the device, `DEVELOP` too.
        """
        device = await self._reaching.device(person, "INSTALL", request.device, request.project)
        return shown(await self._app_states.cancel_transition(Spot(person, device, request.app, request.stage)))

    @for_people("ironflock.devices.app.confirm", NameDevice, is_narrowing=True)
    async def app_confirm(self, person: Person, request: NameDevice) -> DeviceApps:
        """What is listed is all that the device is to have (flag `INSTALL`): whatever else is on it goes."""
        device = await self._reaching.device(person, "INSTALL", request.device, request.project)
        return DeviceApps([shown(app) for app in await self._app_states.confirm(person, device)], is_confirmed=True)

    @for_people("ironflock.devices.install.confirm", ConfirmInstalls, is_narrowing=True)
    async def install_confirm(self, person: Person, request: ConfirmInstalls) -> EndedInstalls:
        """Let go from devices what the project (flag `INSTALL_APPS`) does not have, however much it is."""
        project = await self._reaching.project(person, "INSTALL_APPS", request.project)
        return EndedInstalls(await self._installs.confirm(person, project.project_key))

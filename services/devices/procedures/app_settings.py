"""What people set for apps on devices: variables of their environment, and their ports."""

from services.devices.apps.states import Spot
from services.devices.assembly import Parts
from services.devices.records.apps import (
    AppVariables,
    DeviceApp,
    NameApp,
    SetEnvironment,
    SetPorts,
)
from services.devices.records.devices import READ
from services.devices.rules.apps import changed_variables, masked, shown
from shared.identities import Person
from shared.procedures import for_people
from shared.releases import as_told, check_ports


class AppSettingProcedures:
    """Devices' procedures about the settings of apps; they reach the agent with the next wish, at once."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._reaching = parts.reaching
        self._app_states = parts.apps.states
        self._environments = parts.apps.environments
        self._releases = parts.apps.releases

    @for_people("ironflock.devices.app.variables", NameApp, is_reading=True, is_narrowing=True)
    async def app_variables(self, person: Person, request: NameApp) -> AppVariables:
        """The app's variables (flag `READ`), those too that its release reads; secret ones without their values."""
        device = await self._reaching.device(person, READ, request.device, request.project)
        app = await self._app_states.find(device, request.app, request.stage)
        template = (await self._releases.contents(app.release)).environment
        return masked(await self._environments.opened(app), template)

    @for_people("ironflock.devices.app.set_environment", SetEnvironment, is_narrowing=True)
    async def app_set_environment(self, person: Person, request: SetEnvironment) -> AppVariables:
        """Set variables of the app's environment, and take those away that have no value (flag `DEVELOP`)."""
        device = await self._reaching.device(person, "DEVELOP", request.device, request.project)
        spot = Spot(person, device, request.app, request.stage)
        known = await self._app_states.find(device, request.app, request.stage)
        template = (await self._releases.contents(known.release)).environment
        variables = changed_variables(await self._environments.opened(known), request, template)
        sealed = await self._environments.sealed(known, variables)
        await self._app_states.set_environment(spot, known, sealed, sorted(request.values))
        return masked(variables, template)

    @for_people("ironflock.devices.app.set_ports", SetPorts, is_narrowing=True)
    async def app_set_ports(self, person: Person, request: SetPorts) -> DeviceApp:
        """The ports of the app that its agent offers (flag `UPDATE`); at the stage PROD each is a declared tunnel."""
        device = await self._reaching.device(person, "UPDATE", request.device, request.project)
        check_ports(request.ports)
        spot = Spot(person, device, request.app, request.stage)
        return shown(await self._app_states.set_ports(spot, as_told(request.ports)))

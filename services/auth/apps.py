"""What auth asks about apps: devices, what is installed on one; realms, how that stands towards a realm."""

from uuid import UUID

import structlog

from services.auth.cells import TIMEOUT_S, cell_for
from services.auth.records.app_credentials import AppPrincipal, DataRealm, DeviceWithApps, RealmStanding, Standing, Wish
from shared.bus import Bus
from shared.errors import OutcomeUnknownError, UnavailableError
from shared.procedures import answered
from shared.project_cells import ProjectCells

log = structlog.get_logger()


class Apps:
    """Apps as the services know them that own them."""

    def __init__(self, bus: Bus, cells: ProjectCells) -> None:
        """Ask over `bus`; `cells` knows where projects are."""
        self._bus = bus
        self._cells = cells

    async def cell_of(self, project_key: int) -> str:
        """The name of the cell that the project is in.

        Raises:
            UnavailableError, OutcomeUnknownError: Realms is away.
        """
        return (await self._cells.find(project_key)).name

    async def cell_for(self, project_key: int, *, is_proven: bool) -> str:
        """The same for who may have proved nothing yet: empty where they would have to wait, or realms is away."""
        return await cell_for(self._cells, project_key, is_proven=is_proven)

    async def on_device(self, serial_number: UUID) -> DeviceWithApps | None:
        """The device of that serial number and its apps, None where there is none.

        Raises:
            UnavailableError, OutcomeUnknownError: Devices is away.
        """
        answer = await self._bus.call("ironflock.devices.app.installed", serial_number=str(serial_number))
        return None if answer is None else answered(DeviceWithApps, answer)

    async def standing(self, wish: Wish, device: DeviceWithApps) -> Standing | None:
        """How whoever wants to join stands towards the realm: an app by its own grants, an older SDK by its device's.

        None where realms is away: nothing is proved yet, and the answer would tell what is installed.
        """
        realm, principal = wish.realm, wish.principal
        whose = (
            {"app_key": principal.app_key, "stage": principal.stage}
            if isinstance(principal, AppPrincipal)
            else {"app_key": None, "stage": None, "app_keys": sorted({app.app_key for app in device.apps})}
        )
        try:
            answer = await self._bus.call(
                "ironflock.realms.app.standing",
                timeout_s=TIMEOUT_S,
                project_key=realm.project_key,
                realm_app_key=realm.app_key,
                realm_stage=realm.stage,
                **whose,
            )
        except (UnavailableError, OutcomeUnknownError) as error:
            log.warning("standing_unknown", project_key=realm.project_key, error=error.message)
            return None
        return answered(Standing, answer)

    async def is_installed(self, realm: DataRealm) -> bool:
        """Whether the realm's app is in its project at that stage. Errors as `cell_of`."""
        answer = await self._bus.call(
            "ironflock.realms.app.standing",
            project_key=realm.project_key,
            realm_app_key=realm.app_key,
            realm_stage=realm.stage,
        )
        return answered(RealmStanding, answer).is_realm_installed

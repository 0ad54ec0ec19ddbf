"""What agents ask for and say of the apps on their devices."""

from typing import Any, Final

from services.devices.apps.delivery import AppDelivery
from services.devices.apps.environments import Environments
from services.devices.apps.releases import Releases
from services.devices.apps.states import refuse_too_much
from services.devices.records.apps import AppOnDevice, SaidOfApp, Stage
from services.devices.records.devices import Device, FlockSettings
from services.devices.rules import apps as app_rules
from services.devices.store import app_states as store
from services.devices.store import apps
from services.devices.store.devices import device_find, device_lock_in_txn
from shared.database import Connection, Database
from shared.errors import ConflictError, NotFoundError, UnavailableError
from shared.identities import DeviceIdentity

NOBODY_SAID: Final = "nobody has said yet which apps this device is to have; it keeps what it has"
INCOMPLETE: Final = "not all is known yet of the apps of this device; it keeps what it has"
CHANGING: Final = "what is wanted of this device changes faster than it can be told"
LIST_TRIES: Final = 5


class AppReports:
    """Answers agents, and keeps what they say."""

    def __init__(
        self, database: Database, delivery: AppDelivery, environments: Environments, releases: Releases
    ) -> None:
        """Read and change `database`; what is to be told again by that is told by `delivery`."""
        self._database = database
        self._delivery = delivery
        self._environments = environments
        self._releases = releases

    async def requested(self, caller: DeviceIdentity) -> list[dict[str, Any]]:
        """All that is to be on the device, for its agent, which deletes what is not in it.

        What was wanted while it was put together is in it: an order that came before it must not be undone by it.

        Raises:
            ConflictError: Nobody has said what is to be there, or not all is known of it.
            NotFoundError: There is no such device any more.
            UnavailableError: It changes all the time.
        """
        for _ in range(LIST_TRIES):
            async with self._database.transaction() as connection:
                device, listed = await _wanted_of(connection, caller)
            answer = [await self._listed(app, device) for app in listed]
            async with self._database.transaction() as connection:
                if _revisions(await _wanted_of(connection, caller)) == _revisions((device, listed)):
                    await store.list_told(connection, device.device_key, self._delivery.process)
                    return answer
        raise UnavailableError(CHANGING)

    async def _listed(self, app: AppOnDevice, device: Device) -> dict[str, Any]:
        variables, contents = await self._environments.opened(app), await self._releases.of(app)
        return app_rules.listed(app, device, variables, contents)

    async def repositories(self, caller: DeviceIdentity, settings: FlockSettings) -> list[str]:
        """Where the images of what is to be on the device are.

        Raises:
            NotFoundError: There is no such device any more.
        """
        async with self._database.transaction() as connection:
            device = await device_find(connection, caller.device_key)
            if device is None or device.state == "deleting":
                raise NotFoundError("this device is not registered any more")
            listed = await store.state_list(connection, device.device_key)
        return app_rules.repositories(listed, device, settings)

    async def said(self, device_key: int, app_key: int, stage: Stage, said: SaidOfApp) -> None:
        """What an agent says of an app; of one that is not to be there nothing is kept."""
        async with self._database.transaction() as connection:
            known = await store.state_lock_in_txn(connection, device_key, app_key, stage)
            if known is None:
                if said.state not in app_rules.GONE:
                    await store.list_doubt(connection, device_key)
                return
            app = app_rules.told(known, said)
            if app_rules.is_gone(app):
                await apps.app_delete(connection, device_key, app_key, stage)
                return
            await store.said_set(connection, app)
            if app_rules.is_to_be_told_again(known, app, said):
                await store.wish_repeat(connection, app)
        self._delivery.wake()

    async def said_ports(self, device_key: int, app_key: int, stage: Stage, ports: list[dict[str, Any]]) -> None:
        """The ports of an app, as its agent has them.

        Raises:
            InvalidArgumentError: They cannot be kept, or are too many with those of the device's other apps.
        """
        kept = app_rules.ports_of(ports)
        async with self._database.transaction() as connection:
            await store.ports_set(connection, device_key, app_key, stage, kept)
            await refuse_too_much(connection, device_key, "ports")


async def _wanted_of(connection: Connection, caller: DeviceIdentity) -> tuple[Device, list[AppOnDevice]]:
    device = await device_lock_in_txn(connection, caller.device_key)
    if device is None or device.state == "deleting":
        raise NotFoundError("this device is not registered any more")
    if not await store.list_is_committed(connection, device.device_key):
        raise ConflictError(NOBODY_SAID)
    listed = await store.state_list(connection, device.device_key)
    if not all(app_rules.is_complete(app) for app in listed):
        raise ConflictError(INCOMPLETE)
    return device, listed


def _revisions(wanted: tuple[Device, list[AppOnDevice]]) -> tuple[int, dict[tuple[int, str], int]]:
    device, listed = wanted
    return device.project_key, {(app.app_key, app.stage): app.revision for app in listed}

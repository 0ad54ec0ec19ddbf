"""What other services ask about devices: whom they are for, who may see them, how they stand."""

from services.devices.assembly import Parts
from services.devices.records.devices import (
    AskStanding,
    Device,
    DeviceStanding,
    ReachDevice,
    ReachedDevice,
    VisibleDevices,
)
from services.devices.store import devices as store
from shared.errors import NotAuthorizedError
from shared.identities import Person, ServiceIdentity
from shared.procedures import for_services
from shared.scopes import scopes_of


class RegistryProcedures:
    """Devices' procedures for tunnels; each asks who calls, whatever the router let through."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._presence = parts.presence

    @for_services("ironflock.devices.device.reach", ReachDevice)
    async def device_reach(self, service: ServiceIdentity, request: ReachDevice) -> ReachedDevice:
        """The device that a person means, on which they have the flag.

        Raises:
            NotFoundError, NotAuthorizedError, ConflictError: As people are refused.
        """
        _only_tunnels(service)
        person = Person(request.account_key, 0, request.credential, scopes_of(request.scopes))
        return _reached(await self._reaching.device(person, request.flag, request.device, request.project))

    @for_services("ironflock.devices.device.visible", VisibleDevices)
    async def device_visible(self, service: ServiceIdentity, request: VisibleDevices) -> list[ReachedDevice]:
        """Those of the devices that the person may see, in projects that they may enter."""
        _only_tunnels(service)
        person = Person(request.account_key, 0, None, scopes_of(request.scopes))
        reach = await self._reaching.devices_in(person, frozenset(request.projects))
        found = await self._database.run(
            lambda connection: store.device_list_within(connection, reach, request.devices)
        )
        return [_reached(device) for device in found]

    @for_services("ironflock.devices.device.standing", AskStanding)
    async def device_standing(self, service: ServiceIdentity, request: AskStanding) -> list[DeviceStanding]:
        """How the devices stand; one that is not among them is no device any more."""
        _only_tunnels(service)
        found = await self._database.run(lambda connection: store.device_list_by_keys(connection, request.devices))
        return [self._standing(device) for device in found]

    def _standing(self, device: Device) -> DeviceStanding:
        return DeviceStanding(
            device_key=device.device_key,
            project_key=device.project_key,
            name=device.name,
            flash_id=device.flash_id,
            session=device.session,
            is_locked=self._presence.is_locked(device),
            is_leaving=device.state == "deleting",
        )


def _reached(device: Device) -> ReachedDevice:
    return ReachedDevice(device.device_key, device.project_key, device.name)


def _only_tunnels(service: ServiceIdentity) -> None:
    if service.name != "tunnels":
        raise NotAuthorizedError("this procedure is for tunnels")

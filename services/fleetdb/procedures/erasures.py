"""What devices asks for when a device goes out of service."""

from services.fleetdb.erasing import Erasing
from services.fleetdb.records.erasures import EraseDevice, ErasedRows
from shared.errors import NotAuthorizedError
from shared.identities import ServiceIdentity
from shared.procedures import for_services


class ErasureProcedures:
    """Fleetdb's procedures for devices."""

    def __init__(self, erasing: Erasing) -> None:
        """Serve with this."""
        self._erasing = erasing

    @for_services("ironflock.fleetdb.device.erase", EraseDevice)
    async def device_erase(self, service: ServiceIdentity, request: EraseDevice) -> ErasedRows:
        """A piece of the rows of a device goes, in every backend of its project; devices has recorded why."""
        if service.name != "devices":
            raise NotAuthorizedError("this procedure is not for you")
        return await self._erasing.erase(request)

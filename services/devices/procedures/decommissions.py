"""What people do to put devices out of service for good."""

from services.devices.assembly import Parts
from services.devices.records.decommissions import Certified, CertifiedPage, DecommissionDevice, ListDecommissions
from services.devices.records.devices import READ
from services.devices.rules import decommissions as rules
from services.devices.store import decommissions as store
from shared.identities import Person
from shared.paging import page, position_after
from shared.procedures import for_people


class DecommissionProcedures:
    """Devices' procedures about devices that go out of service."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._lifecycle = parts.lifecycle

    @for_people("ironflock.devices.device.decommission", DecommissionDevice, is_narrowing=True)
    async def device_decommission(self, person: Person, request: DecommissionDevice) -> Certified:
        """Put the device out of service for good (flag `DELETE`), and certify that.

        Its secret ends, its sessions and tunnels are cut, it is forgotten; an agent that comes with the secret is told
        that it has ended, and exits. The certificate says what was ended and what was not; the log has its SHA-256.
        With `data` `delete` the rows that it wrote in this project are deleted; the certificate comes when all are.
        """
        meant = await self._reaching.device(person, "DELETE", request.device, request.project)
        return rules.certified(await self._lifecycle.decommission(person, meant, request.data))

    @for_people("ironflock.devices.decommission.list", ListDecommissions, is_reading=True, is_narrowing=True)
    async def decommission_list(self, person: Person, request: ListDecommissions) -> CertifiedPage:
        """Devices of a project (flag `READ`) that are out of service: certificates, or what is still to go; paged."""
        after = position_after(request.cursor)
        project = await self._reaching.project(person, READ, request.project)
        rows = await self._database.run(
            lambda connection: store.decommission_list(
                connection, project.project_key, after=after, limit=request.limit + 1, device_key=request.device
            )
        )
        devices, cursor = page([rules.certified(row) for row in rows], request.limit, lambda each: each.device_key)
        return CertifiedPage(devices=devices, next=cursor)

"""How a device goes from one project of somebody's to another of theirs."""

from services.devices.assembly import Parts
from services.devices.records.devices import MoveDevice, PublicDevice
from services.devices.rules import devices as rules
from shared.identities import Person
from shared.names import clean_name
from shared.procedures import for_people


class MovingProcedures:
    """Devices' procedure for people who move devices."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._projects = parts.projects
        self._reaching = parts.reaching
        self._moving = parts.moving

    @for_people("ironflock.devices.device.move", MoveDevice, is_narrowing=True)
    async def device_move(self, person: Person, request: MoveDevice) -> PublicDevice:
        """Put the device into another project (`GRANT` and `DELETE` on it, `CREATE_DEVICES` there).

        Its secret stays, since its agent cannot learn another one: flash it to end what anybody has kept of it. What
        was given on it, its groups, apps and tunnels stay behind.
        """
        name = None if request.name is None else clean_name(request.name, what="name")
        meant = await self._reaching.device(person, "GRANT", request.device, request.project)
        await self._reaching.device(person, "DELETE", meant.device_key, None)
        target = await self._reaching.project(person, "CREATE_DEVICES", request.to)
        owner_name = await self._projects.owner_name(target)
        return rules.public(await self._moving.move(person, meant, target, owner_name, name))

"""What people have devices do: commands, power, updates, images; and what devices say of themselves."""

from typing import Final

from services.devices.assembly import Parts
from services.devices.records.devices import NameDevice
from services.devices.records.operations import DeviceAnswer, PruneImages, RunCommand
from services.devices.rules import operations as can
from shared.identities import Person
from shared.procedures import for_people

MAX_RECORDED: Final = 500


class OperationProcedures:
    """Devices' procedures about the machine."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._operating = parts.operations.operating

    @for_people("ironflock.devices.device.exec", RunCommand, is_narrowing=True)
    async def device_exec(self, person: Person, request: RunCommand) -> DeviceAnswer:
        """Run a program as root and wait for it (flag `DEVELOP`); answers with what it printed."""
        said = {"command": request.command, "arguments": " ".join(request.arguments)[:MAX_RECORDED]}
        return await self._operating.change(person, can.EXEC, request, can.command(request), **said)

    @for_people("ironflock.devices.device.reboot", NameDevice, is_narrowing=True)
    async def device_reboot(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Reboot the device two seconds from now (flag `MAINTAIN`)."""
        return await self._operating.change(person, can.REBOOT, request)

    @for_people("ironflock.devices.device.shutdown", NameDevice, is_narrowing=True)
    async def device_shutdown(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Switch the device off two seconds from now (flag `MAINTAIN`)."""
        return await self._operating.change(person, can.SHUTDOWN, request)

    @for_people("ironflock.devices.device.restart_agent", NameDevice, is_narrowing=True)
    async def device_restart_agent(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Restart the agent two seconds from now (flag `MAINTAIN`); apps keep running."""
        return await self._operating.change(person, can.RESTART_AGENT, request)

    @for_people("ironflock.devices.device.update_agent", NameDevice, is_narrowing=True)
    async def device_update_agent(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Have the agent update itself (flag `MAINTAIN`); answers with both releases."""
        return await self._operating.change(person, can.UPDATE_AGENT, request)

    @for_people("ironflock.devices.device.download_os_update", NameDevice, is_narrowing=True)
    async def device_download_os_update(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Fetch the update of the operating system (flag `MAINTAIN`)."""
        return await self._operating.change(person, can.DOWNLOAD_OS_UPDATE, request)

    @for_people("ironflock.devices.device.install_os_update", NameDevice, is_narrowing=True)
    async def device_install_os_update(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Install the fetched update of the operating system (flag `MAINTAIN`)."""
        return await self._operating.change(person, can.INSTALL_OS_UPDATE, request)

    @for_people("ironflock.devices.device.prune_images", PruneImages, is_narrowing=True)
    async def device_prune_images(self, person: Person, request: PruneImages) -> DeviceAnswer:
        """Remove images that nothing uses (flag `MAINTAIN`)."""
        argument = can.pruning(request)
        return await self._operating.change(person, can.PRUNE_IMAGES, request, argument, **argument)

    @for_people("ironflock.devices.device.agent_metadata", NameDevice, is_reading=True, is_narrowing=True)
    async def device_agent_metadata(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The agent and its machine, as it says itself (flag `READ`)."""
        return await self._operating.look(person, can.AGENT_METADATA, request)

    @for_people("ironflock.devices.device.os_release", NameDevice, is_reading=True, is_narrowing=True)
    async def device_os_release(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The operating system's release, and the newest (flag `READ`)."""
        return await self._operating.look(person, can.OS_RELEASE, request)

    @for_people("ironflock.devices.device.storage", NameDevice, is_reading=True, is_narrowing=True)
    async def device_storage(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Memory, disks and their use, in octets (flag `READ`)."""
        return await self._operating.look(person, can.STORAGE, request)

    @for_people("ironflock.devices.device.handshake", NameDevice, is_reading=True, is_narrowing=True)
    async def device_handshake(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The device's clock and serial number (flag `READ`)."""
        return await self._operating.look(person, can.HANDSHAKE, request)

    @for_people("ironflock.devices.device.tunnel_state", NameDevice, is_reading=True, is_narrowing=True)
    async def device_tunnel_state(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """How the device's tunnels are (flag `READ`)."""
        return await self._operating.look(person, can.TUNNEL_STATE, request)

    @for_people("ironflock.devices.device.containers", NameDevice, is_reading=True, is_narrowing=True)
    async def device_containers(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The containers on the device (flag `READ`)."""
        return await self._operating.look(person, can.CONTAINERS, request)

    @for_people("ironflock.devices.device.images", NameDevice, is_reading=True, is_narrowing=True)
    async def device_images(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The images on the device (flag `READ`)."""
        return await self._operating.look(person, can.IMAGES, request)

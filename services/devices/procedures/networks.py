"""What people ask and change about the networks of devices."""

from services.devices.assembly import Parts
from services.devices.records.devices import NameDevice
from services.devices.records.operations import AddWifi, DeviceAnswer, RemoveWifi, SelectWifi, SetAddress
from services.devices.rules import operations as can
from shared.identities import Person
from shared.procedures import for_people


class NetworkProcedures:
    """Devices' procedures about networks."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._operating = parts.operations.operating

    @for_people("ironflock.devices.device.addresses", NameDevice, is_reading=True, is_narrowing=True)
    async def device_addresses(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The device's IPv4 addresses (flag `READ`)."""
        return await self._operating.look(person, can.ADDRESSES, request)

    @for_people("ironflock.devices.device.networks", NameDevice, is_reading=True, is_narrowing=True)
    async def device_networks(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The networks that the device is in, with their masks (flag `READ`)."""
        return await self._operating.look(person, can.NETWORK_ADDRESSES, request)

    @for_people("ironflock.devices.device.interfaces", NameDevice, is_reading=True, is_narrowing=True)
    async def device_interfaces(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The device's wired interfaces (flag `READ`)."""
        return await self._operating.look(person, can.INTERFACES, request)

    @for_people("ironflock.devices.device.wifi_networks", NameDevice, is_reading=True, is_narrowing=True)
    async def device_wifi_networks(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """The wireless networks that the device sees or knows (flag `READ`)."""
        return await self._operating.look(person, can.WIFI_NETWORKS, request)

    @for_people("ironflock.devices.device.scan_wifi", NameDevice, is_narrowing=True)
    async def device_scan_wifi(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Look for wireless networks anew (flag `NETWORK`)."""
        return await self._operating.change(person, can.SCAN_WIFI, request)

    @for_people("ironflock.devices.device.restart_wifi", NameDevice, is_narrowing=True)
    async def device_restart_wifi(self, person: Person, request: NameDevice) -> DeviceAnswer:
        """Switch the wireless adapter off and on (flag `NETWORK`)."""
        return await self._operating.change(person, can.RESTART_WIFI, request)

    @for_people("ironflock.devices.device.set_address", SetAddress, is_narrowing=True)
    async def device_set_address(self, person: Person, request: SetAddress) -> DeviceAnswer:
        """Give a wired interface an address, or have it ask for one (flag `NETWORK`)."""
        argument = can.ipv4(request)
        return await self._operating.change(person, can.SET_ADDRESS, request, argument, **argument)

    @for_people("ironflock.devices.device.add_wifi", AddWifi, is_narrowing=True)
    async def device_add_wifi(self, person: Person, request: AddWifi) -> DeviceAnswer:
        """Let the device know a wireless network (flag `NETWORK`); its password is recorded nowhere."""
        return await self._operating.change(person, can.ADD_WIFI, request, can.wifi(request), ssid=request.ssid)

    @for_people("ironflock.devices.device.remove_wifi", RemoveWifi, is_narrowing=True)
    async def device_remove_wifi(self, person: Person, request: RemoveWifi) -> DeviceAnswer:
        """Have the device forget a wireless network (flag `NETWORK`)."""
        argument = {"ssid": request.ssid}
        return await self._operating.change(person, can.REMOVE_WIFI, request, argument, **argument)

    @for_people("ironflock.devices.device.select_wifi", SelectWifi, is_narrowing=True)
    async def device_select_wifi(self, person: Person, request: SelectWifi) -> DeviceAnswer:
        """Have the device join a wireless network that it knows (flag `NETWORK`)."""
        argument = {"ssid": request.ssid, "mac": request.mac}
        return await self._operating.change(person, can.SELECT_WIFI, request, argument, **argument)

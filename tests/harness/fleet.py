"""Many stand-in devices in the background, and whether the registry says the same of them as they themselves."""

from typing import Any

from tests.harness.clients import Account
from tests.harness.commands import Background
from tests.integration.router_node.wire import AbortedError, ClosedError, WampError

AWAY = (OSError, TimeoutError, AbortedError, ClosedError, WampError)


class RunningFleet:
    """A simulation of all devices of one project."""

    def __init__(self, simulation: Background, owner: Account, project: str, size: int) -> None:
        """Look at `simulation`, which plays `size` devices of `project`."""
        self.simulation = simulation
        self.size = size
        self.project = project
        self._owner = owner

    def is_right(self) -> bool:
        """Whether every device says that it is online, and the registry says so of just these."""
        online = {key for key, state in self.simulation.states().items() if state == "online"}
        return len(online) == self.size and self.connected() == online

    def astray(self) -> str:
        """Of each device that is not right: the last that it said of itself, and the registry of it."""
        said = {line["device_key"]: line for line in list(self.simulation.lines) if "device_key" in line}
        known = {each["device_key"]: each["status"] for each in self.listed() or ()}
        wrong = {
            key for key in said | known if said.get(key, {}).get("event") != "online" or known.get(key) != "CONNECTED"
        }
        return f"{len(said)} of {self.size} speak, astray: {[(said.get(key), known.get(key)) for key in sorted(wrong)]}"

    def have_left(self, since: int) -> bool:
        """Whether every device has lost its session after the first `since` lines of the simulation."""
        left = {line["device_key"] for line in self.simulation.lines[since:] if line["event"] == "offline"}
        return len(left) == self.size

    def connected(self) -> set[int] | None:
        """The devices that the registry shows as connected; None while it cannot be asked."""
        devices = self.listed()
        return None if devices is None else {each["device_key"] for each in devices if each["status"] == "CONNECTED"}

    def listed(self) -> list[dict[str, Any]] | None:
        """The registry's devices; None while it cannot be asked."""
        try:
            page = self._owner.call("ironflock.devices.device.list", project=self.project, limit=1000)
        except AWAY:
            return None
        devices: list[dict[str, Any]] = page["devices"]
        return devices

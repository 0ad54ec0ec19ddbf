"""What a watch hears, as a table that lives or as lines."""

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from twisted.internet.defer import CancelledError

from deploy.flockctl.errors import AwayError, OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.output import write_json
from deploy.flockctl.rendering import device_table
from deploy.flockctl.text import local_time, printable

Devices = dict[int, Mapping[str, Any]]


def taken_in(devices: Devices, message: Mapping[str, Any]) -> Devices:
    """`devices` after what a watch said: all of them, one that is new or changed, or one that is gone."""
    if "devices" in message:
        return {device["device_key"]: device for device in message["devices"]}
    if "deleted" in message:
        return {key: device for key, device in devices.items() if key != message["deleted"]}
    return {**devices, message["device"]["device_key"]: message["device"]}


class DeviceBoard:
    """Shows what a watch says: JSON lines, a live table on a terminal, or a line a change elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        """Show on standard output."""
        self._as_json = as_json
        self._devices: Devices = {}
        is_live = not as_json and sys.stdout.isatty()
        self._live = Live(device_table([]), auto_refresh=False, console=Console()) if is_live else None

    def show(self, message: Mapping[str, Any]) -> None:
        """Take in one answer of the watch."""
        before, self._devices = self._devices, taken_in(self._devices, message)
        if self._as_json:
            write_json(message)
        elif self._live is not None:
            self._live.update(device_table(self._devices.values()), refresh=True)
        else:
            for line in lines(before, self._devices):
                Console().print(Text(line), soft_wrap=True)

    def __enter__(self) -> Self:
        """Take the terminal, where there is one."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give it back."""
        if self._live is not None:
            self._live.stop()


def lines(before: Devices, after: Devices) -> list[str]:
    """What changed from `before` to `after`, one line a device."""
    changed = [device for key, device in after.items() if before.get(key) != device]
    gone = [device for key, device in before.items() if key not in after]
    said = [f"{local_time(each['status_since'])}  {_name(each)}  {printable(each['status'])}" for each in changed]
    return [*said, *(f"{_name(each)}  deleted" for each in gone)]


def _name(device: Mapping[str, Any]) -> str:
    return f"{printable(device['project_name'])}/{printable(device['name'])}"


async def follow(
    operator: Operator, procedure: str, show: Callable[[dict[str, Any]], None], arguments: Mapping[str, Any]
) -> None:
    """Call `procedure` and `show` what it says, until Ctrl-C; where the platform goes away, again when it is back."""

    async def attempt() -> None:
        connection = await operator.connection()
        has_heard = False

        def hear(message: dict[str, Any]) -> None:
            nonlocal has_heard
            has_heard = True
            show(message)

        try:
            await connection.stream(procedure, hear, **arguments)
        except (AwayError, OutcomeUnknownError) as error:
            if not has_heard:
                raise AwayError(error.message) from error
        operator.output.notice("the connection to the platform was lost; watching again")

    try:
        while True:
            await operator.patiently(attempt)
    except CancelledError:
        return

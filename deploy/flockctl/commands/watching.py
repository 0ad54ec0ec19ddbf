"""What a watch hears, as a table that lives or as lines."""

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from deploy.flockctl.errors import AwayError, CommandError, OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.output import write_json
from deploy.flockctl.rendering import device_table
from deploy.flockctl.text import local_moment, local_time, printable

Devices = dict[int, Mapping[str, Any]]
_TOLD_AT_FIRST: Final = {"status": "{}", "state": "{}"}
_TOLD: Final = {
    **_TOLD_AT_FIRST,
    "agent_version": "agent {}",
    "architecture": "architecture {}",
    "os": "system {}",
    "description": "described anew",
}


def taken_in(devices: Devices, message: Mapping[str, Any]) -> Devices:
    """`devices` after what a watch said: all of them, one that is new or changed, or one that is gone."""
    if "devices" in message:
        return {device["device_key"]: device for device in message["devices"]}
    if "deleted" in message:
        return {key: device for key, device in devices.items() if key != message["deleted"]}
    return {**devices, message["device"]["device_key"]: message["device"]}


class DeviceBoard:
    """Shows what a watch says: JSON lines, a live table on a terminal, or a line a change elsewhere."""

    def __init__(self, *, as_json: bool, seconds: Callable[[], float]) -> None:
        """Show on standard output; `seconds` is the clock (Unix seconds)."""
        self._as_json = as_json
        self._seconds = seconds
        self._devices: Devices = {}
        self._arriving: list[Any] = []  # of a snapshot that comes in several answers
        is_live = not as_json and sys.stdout.isatty()
        self._live = Live(device_table([]), auto_refresh=False, console=Console()) if is_live else None

    def show(self, message: Mapping[str, Any]) -> None:
        """Take in one answer of the watch."""
        if self._as_json:
            write_json(message)
            return
        self._arriving += message.get("devices", ())
        if message.get("more"):
            return
        if "devices" in message:
            message, self._arriving = {"devices": self._arriving}, []
        before, self._devices = self._devices, taken_in(self._devices, message)
        if self._live is not None:
            self._live.update(device_table(self._devices.values()), refresh=True)
        else:
            for line in lines(before, self._devices, local_moment(self._seconds())):
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


def lines(before: Devices, after: Devices, now: str) -> list[str]:
    """What changed from `before` to `after`, one line a device, with the time of the change.

    A status has its own time; of everything else the platform says no time, so it is `now`, when we heard of it.
    """
    said = []
    for key, device in after.items():
        old = before.get(key, {})
        news = _news(old, device)
        if news:
            has_time = _differs(old, device, "status") and device["status_since"]
            said.append(
                f"{local_time(device['status_since']) if has_time else now}  {_name(device)}  {', '.join(news)}"
            )
    return [*said, *(f"{now}  {_name(device)}  deleted" for key, device in before.items() if key not in after)]


def _news(old: Mapping[str, Any], device: Mapping[str, Any]) -> list[str]:
    """What is other than it was, in words; of a device not seen before (`old` is empty) its status and state."""
    renamed = [f"was {_name(old)}"] if old and _name(old) != _name(device) else []
    told = _TOLD if old else _TOLD_AT_FIRST
    changed = (words.format(printable(device[key])) for key, words in told.items() if _differs(old, device, key))
    return [*renamed, *changed]


def _differs(old: Mapping[str, Any], device: Mapping[str, Any], key: str) -> bool:
    return bool(old.get(key) != device[key])


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
            # Without an answer nothing can have been done: following changes nothing.
            await connection.stream(procedure, hear, **arguments)
        except (AwayError, OutcomeUnknownError) as error:
            if not has_heard:
                raise AwayError(error.message) from error
            operator.output.notice(f"{error.message}; watching again")
            return
        operator.output.notice("the platform ended the watch; watching again")

    try:
        while True:
            await operator.patiently(attempt)
    except CancelledError:
        return


def is_over(failure: Failure) -> None:
    """A stream beside a command has ended: who may have something done need not be one who may see how far it is."""
    failure.trap(CommandError, CancelledError)

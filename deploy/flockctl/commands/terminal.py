"""`flockctl device terminal`: a shell on a device, in the terminal in front of you."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import typer
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from deploy.flockctl.bus import Connection
from deploy.flockctl.commands.device_apps import Device, which_app, which_device
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.keyboard import Keyboard
from deploy.flockctl.operator import Operator
from deploy.flockctl.rights_options import WithinProject

DEVICES: Final = "ironflock.devices.device"
ESCAPE: Final = "\x1d"
"""Ctrl-]: ends the terminal from here, whatever runs in it."""
AT_ONCE: Final = 4_096
ENDS: Final = {
    "closed": "it was closed",
    "idle": "nobody typed for half an hour",
    "too_long": "it was open for eight hours",
    "device_left": "the device is away, or the container is gone",
}


async def device_terminal(
    operator: Operator,
    device: Device,
    *,
    app: Annotated[str | None, typer.Option(help="In the container of this app, by its name or key.")] = None,
    stage: Annotated[Literal["dev", "prod"], typer.Option(help="Which of the app's stages.")] = "prod",
    container: Annotated[str | None, typer.Option(help="In the container of this name.")] = None,
    project: WithinProject = None,
) -> None:
    """Open a shell on a device, as root, or in a container there. It ends with `exit`, or Ctrl-]; that is recorded.

    Exit status 0 where the shell ended by itself; the wire knows no exit status of a shell.

    Example: flockctl device terminal press-1 --app weather
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError("usage", "a terminal needs a terminal; for one command use exec", ExitStatus.USAGE)
    which = await _where(operator, device, app, stage, project)
    if container is not None:
        which["container"] = container
    connection = await operator.patiently(operator.connection)
    desk = Desk(connection)
    operator.output.notice(f"a shell on {device!a}; Ctrl-] ends it")
    with Keyboard(operator.reactor, sys.stdin.fileno(), typed=desk.typed, resized=desk.resized) as keyboard:
        columns, rows = keyboard.size()
        which |= {"columns": columns, "rows": rows}
        ended = await connection.stream(f"{DEVICES}.terminal", desk.hear, **which)
    because = str(ended["because"])
    if because != "exit":
        raise CommandError("terminal_ended", f"the terminal is over: {ENDS.get(because, because)}")
    operator.output.result({"ended": because}, "")


async def _where(
    operator: Operator, device: str, app: str | None, stage: Literal["dev", "prod"], project: str | None
) -> dict[str, Any]:
    if app is None:
        return which_device(device, project)
    return await which_app(operator, device, app, stage, project)


class Desk:
    """What a person types, on its way, in order; and what comes back."""

    def __init__(self, connection: Connection) -> None:
        """Speak over `connection`."""
        self._connection = connection
        self._terminal = ""
        self._keys = ""
        self._size: tuple[int, int] | None = None
        self._is_over = False
        self._is_sending = False

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take in one answer."""
        if "terminal" in message:
            self._terminal = str(message["terminal"])
            self._send()
        else:
            sys.stdout.write(str(message.get("output", "")))
            sys.stdout.flush()

    def typed(self, keys: str) -> None:
        """Send these keys; without any nobody can type any more."""
        before, escape, _ = keys.partition(ESCAPE)
        self._keys += before
        self._is_over = self._is_over or bool(escape) or not keys
        self._send()

    def resized(self, columns: int, rows: int) -> None:
        """The window has another size."""
        self._size = (columns, rows)
        self._send()

    def _send(self) -> None:
        if self._terminal and not self._is_sending:
            self._is_sending = True
            _sending = Deferred.fromCoroutine(self._send_all()).addErrback(_is_told_by_the_stream)

    async def _send_all(self) -> None:
        which = {"terminal": self._terminal}
        try:
            while self._keys or self._size or self._is_over:
                if self._size is not None:
                    (columns, rows), self._size = self._size, None
                    await self._connection.call(f"{DEVICES}.terminal_resize", columns=columns, rows=rows, **which)
                if self._keys:
                    keys, self._keys = self._keys[:AT_ONCE], self._keys[AT_ONCE:]
                    await self._connection.call(f"{DEVICES}.terminal_write", keys=keys, **which)
                elif self._is_over:
                    self._is_over = False
                    await self._connection.call(f"{DEVICES}.terminal_close", **which)
        finally:
            self._is_sending = False


def _is_told_by_the_stream(failure: Failure) -> None:
    """What ends the terminal ends its stream too, which says why."""
    failure.trap(CommandError, CancelledError)

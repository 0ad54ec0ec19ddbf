"""`flockctl device progress` and `--watch`: how far the updates of a device are, while they go on."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred

from deploy.flockctl.commands.device_apps import Device, which_device
from deploy.flockctl.commands.watching import follow, is_over
from deploy.flockctl.errors import OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.output import write_json
from deploy.flockctl.rights_options import WithinProject
from deploy.flockctl.text import without_steering

FOLLOW: Final = "ironflock.devices.device.follow_progress"
SILENCE_S: Final = 120.0
Said = TypeVar("Said")
NAMES: Final = {
    "agent_update": "the agent",
    "os_download": "the system, fetched",
    "os_install": "the system, installed",
}


async def device_progress(operator: Operator, device: Device, *, project: WithinProject = None) -> None:
    """Follow how far the updates of a device's agent and system are, from now on, until Ctrl-C.

    Example: flockctl device progress press-1
    """
    await follow(operator, FOLLOW, _shower(operator), which_device(device, project))


async def watched(operator: Operator, which: Mapping[str, Any], act: Callable[[], Awaitable[Any]], *, of: str) -> Any:
    """What `act` answers, with how far the device is shown meanwhile; `of` is what pieces of that are of.

    Where it takes longer than a call may, it is shown until the device says that it is through.

    Raises:
        OutcomeUnknownError: It took longer, and the device did not say so: nothing can be heard of it any more, or
            nothing was heard for `SILENCE_S`. What `act` raises.
    """
    hearing = _Hearing(operator, of)
    connection = await operator.patiently(operator.connection)
    stream = Deferred.fromCoroutine(connection.stream(FOLLOW, hearing.hear, **which))
    following = stream.addErrback(is_over).addCallback(lambda _: hearing.end())
    try:
        await hearing.begun  # so that nothing is missed
        return await act()
    except OutcomeUnknownError:
        if not await hearing.is_through():
            raise
        return None
    finally:
        following.cancel()


class _Hearing:
    """What is heard of one operation, while all that the device says is shown."""

    def __init__(self, operator: Operator, of: str) -> None:
        self.begun = Deferred[None]()
        self._through = Deferred[bool]()
        self._reactor = operator.reactor
        self._show = _shower(operator)
        self._of = of
        self._silence: Any = None

    def hear(self, piece: Mapping[str, Any]) -> None:
        """A piece, or the word that it is followed."""
        self._show(piece)
        _once(self.begun, word=None)
        if piece.get("of") != self._of:
            return
        if self._silence is not None and self._silence.active():
            self._silence.reset(SILENCE_S)
        if is_through(piece):
            _once(self._through, word=True)

    def end(self) -> None:
        """Nothing more is heard."""
        _once(self.begun, word=None)
        _once(self._through, word=False)

    async def is_through(self) -> bool:
        """Whether the device says that it is, once it does, or nothing more is heard."""
        self._silence = self._reactor.callLater(SILENCE_S, self.end)
        try:
            return await self._through
        finally:
            if self._silence.active():
                self._silence.cancel()


def is_through(piece: Mapping[str, Any]) -> bool:
    """Whether nothing more comes after it."""
    if piece["percent"] is not None:
        return bool(piece["percent"] >= 100)  # noqa: PLR2004 - all of it
    return bool(piece["octets"] is not None and piece["octets"] >= (piece["of_octets"] or 0))


def progress_text(piece: Mapping[str, Any]) -> str:
    """One line of it."""
    name = NAMES.get(piece["of"], str(piece["of"]))
    if piece["percent"] is not None:
        return without_steering(f"{name}: {piece['percent']} % {piece['step'] or ''}".rstrip())
    return f"{name}: {piece['octets']} of {piece['of_octets']} octets"


def _shower(operator: Operator) -> Callable[[Mapping[str, Any]], None]:
    def show(piece: Mapping[str, Any]) -> None:
        if operator.output.as_json:
            write_json(piece)
        elif "of" in piece:
            sys.stdout.write(f"{progress_text(piece)}\n")
        sys.stdout.flush()

    return show


def _once(said: Deferred[Said], *, word: Said) -> None:
    if not said.called:
        said.callback(word)

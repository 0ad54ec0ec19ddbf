"""A visit to what a device offers: octets of this machine over a WebSocket to the platform, and back.

Each side is read as fast as the other takes it. The platform says in the close why a visit ended.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from deploy.flockctl.bus import endpoint
from deploy.flockctl.errors import AwayError, CommandError, ExitStatus
from shared.websocket import send_at_once

OPEN_TIMEOUT_S: Final = 20
CLOSE_S: Final = 60
"""For the platform to take what was said before the end: as fast as the device does."""
PING_S: Final = 20
PONG_S: Final = 60
"""An answer stands behind what this machine has not taken yet."""
PIECE_OCTETS: Final = 65_536
MAX_MESSAGE_OCTETS: Final = 4 << 20
NORMAL: Final = 1000
REFUSED: Final = {
    401: ("not_authenticated", "the ticket was refused: it is used once and soon"),
    403: ("not_authorized", "you may not go through tunnels of this device"),
    404: ("not_found", "there is no such tunnel, or you may not see it"),
    409: ("conflict", "the device does not offer this now; `flockctl tunnel list` shows what it does"),
    429: (
        "over_limit",
        "too many visits are open, or no room is left to record this one; try again later",
    ),
}
SAID: Final = {
    "device_left": "the device ended it",
    "right_ended": "you may not go on: a right, or what it rests on, was taken",
    "credential_ended": "what you are signed in with has ended",
    "hard_end": "its time is over",
    "idle": "nothing went for too long",
    "closed": "somebody closed it",
    "withdrawn": "there is no such tunnel any more",
    "device_ended": "the device was flashed anew, moved, locked or deleted",
    "unheard": "the platform cannot tell any more whether you may go on",
    "not_recorded": "it is to be recorded, and that is not possible now",
    "service_stopped": "the platform stops, or starts again",
}
_STATUS: Final = re.compile(r"\[([0-9]{3})\b")


class VisitSocket(WebSocketClientProtocol):
    """One visit; `opened` tells how its beginning went, `ended` why it is over."""

    def __init__(self) -> None:
        """Not connected."""
        super().__init__()
        self.opened: Deferred[None] = Deferred()
        self.ended: Deferred[str] = Deferred()
        self._local: Any = None
        self._hears: Callable[[bytes], None] = lambda _: None

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        send_at_once(self)

    def carry(self, local: Any) -> None:
        """From now on what comes goes to `local`, a transport, which is read by `LocalEnd`."""
        self._local = local
        self._hears = local.write
        visit: Any = self.transport
        visit.registerProducer(local, True)  # noqa: FBT003 - Twisted's order
        local.registerProducer(visit, True)  # noqa: FBT003 - as above

    def send(self, octets: bytes) -> None:
        """Pass on what came from this machine."""
        untyped: Any = self
        for first in range(0, len(octets), PIECE_OCTETS):
            untyped.sendMessage(octets[first : first + PIECE_OCTETS], isBinary=True)

    def hear(self, told: Callable[[bytes], None]) -> None:
        """From now on each message that comes is given to `told`."""
        self._hears = told

    def send_whole(self, octets: bytes) -> None:
        """Pass on one datagram as one message."""
        untyped: Any = self
        untyped.sendMessage(octets, isBinary=True)

    @override
    def onOpen(self) -> None:
        self.opened.callback(None)

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self._hears(payload)

    @override
    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.opened.called:
            self.opened.errback(Failure(_refusal(reason or "")))
        if self._local is not None:
            self._local.unregisterProducer()
            self._local.loseConnection()
        if not self.ended.called:
            self.ended.callback("" if code == NORMAL and not reason else reason or "the connection was lost")


class LocalEnd(Protocol):
    """This machine's side: a connection, or standard input and output."""

    def __init__(self, visit: VisitSocket) -> None:
        """Of a visit that is open."""
        self._visit = visit

    @override
    def connectionMade(self) -> None:
        self._visit.carry(self.transport)

    @override
    def dataReceived(self, data: bytes) -> None:
        self._visit.send(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._visit.sendClose(NORMAL)


async def visit(reactor: Any, url: str, ca: Path | None, ticket: str) -> VisitSocket:
    """An open visit at `url` (`wss://.../visit/...`).

    Raises:
        AwayError: The platform cannot be reached. CommandError: It was refused.
    """
    factory: Any = WebSocketClientFactory(url, headers={"Authorization": f"Bearer {ticket}"})
    factory.protocol = VisitSocket
    factory.noisy = False
    factory.setProtocolOptions(
        openHandshakeTimeout=OPEN_TIMEOUT_S,
        closeHandshakeTimeout=CLOSE_S,
        autoPingInterval=PING_S,
        autoPingTimeout=PONG_S,
        maxMessagePayloadSize=MAX_MESSAGE_OCTETS,
        failByDrop=True,
        utf8validateIncoming=False,
    )
    try:
        opened: VisitSocket = await endpoint(reactor, url, ca).connect(factory)
        await opened.opened
    except ConnectError as error:
        raise AwayError(f"{url} cannot be reached") from error
    return opened


def ending(reason: str) -> CommandError | None:
    """What the end of a visit comes to, None where the visitor left or the device was done."""
    if reason in ("", "visitor_left", "device_left"):
        return None
    return CommandError("visit_ended", f"the visit has ended: {SAID.get(reason, reason)}", cause=reason)


def _refusal(reason: str) -> CommandError:
    status = _STATUS.search(reason)
    if status is None or int(status[1]) not in REFUSED:
        return AwayError("a part of the platform, or the device, does not answer")
    code, text = REFUSED[int(status[1])]
    return CommandError(code, text, ExitStatus.REFUSED)

"""A UDP port of this machine that leads to one of a device: each local address that sends is a visit of its own."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from typing_extensions import override

from deploy.flockctl.errors import CommandError
from deploy.flockctl.visits import NORMAL, VisitSocket, ending

MAX_DATAGRAM: Final = 1_500
"""What the platform carries at the most."""
MAX_SENDERS: Final = 16
MAX_WAITING: Final = 64
SILENCE_S: Final = 60.0
"""After so long without a datagram either way the visit of a local address ends; the next one begins another."""
TOO_LONG: Final = f"a datagram of more than {MAX_DATAGRAM} octets was dropped"
TOO_MANY: Final = f"{MAX_SENDERS} local addresses send at the same time already; another was not heard"
Address = tuple[str, int]


class LocalDatagrams(DatagramProtocol):
    """The port."""

    noisy = False

    def __init__(self, go: Callable[[], Awaitable[VisitSocket]], notice: Callable[[str], None], reactor: Any) -> None:
        """`go` opens a visit; `notice` tells what went wrong."""
        self.go = go
        self.reactor = reactor
        self._notice = notice
        self._noticed: set[str] = set()
        self._senders: dict[Address, _Sender] = {}

    @override
    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        if len(datagram) > MAX_DATAGRAM:
            self.say_once(TOO_LONG)
            return
        sender = self._senders.get(addr)
        if sender is None:
            if len(self._senders) >= MAX_SENDERS:
                self.say_once(TOO_MANY)
                return
            sender = self._senders[addr] = _Sender(self, addr)
        sender.send(datagram)

    def say(self, text: str) -> None:
        """What went wrong with a visit."""
        self._notice(text)

    def say_once(self, text: str) -> None:
        """What would be said of each datagram."""
        if text not in self._noticed:
            self._noticed.add(text)
            self._notice(text)

    def forget(self, addr: Address) -> None:
        """Its visit is over."""
        self._senders.pop(addr, None)


class _Sender:
    """One local address."""

    def __init__(self, port: LocalDatagrams, addr: Address) -> None:
        self._port = port
        self._addr = addr
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._visit: VisitSocket | None = None
        self._silence: Any = None
        _came = Deferred.fromCoroutine(self._come()).addErrback(self._refused)

    def send(self, datagram: bytes) -> None:
        if self._visit is None:
            self._waiting.append(datagram)
        else:
            self._heard()
            self._visit.send_whole(datagram)

    async def _come(self) -> None:
        visit = await self._port.go()
        visit.hear(self._deliver)
        self._visit = visit
        self._silence = self._port.reactor.callLater(SILENCE_S, visit.sendClose, NORMAL)
        while self._waiting:
            visit.send_whole(self._waiting.popleft())
        ended = ending(await visit.ended)
        if self._silence.active():
            self._silence.cancel()
        self._port.forget(self._addr)
        if ended is not None:
            self._port.say(ended.message)

    def _deliver(self, datagram: bytes) -> None:
        self._heard()
        transport: Any = self._port.transport
        if transport is not None:
            transport.write(datagram, self._addr)

    def _heard(self) -> None:
        if self._silence.active():
            self._silence.reset(SILENCE_S)

    def _refused(self, failure: Failure) -> None:
        self._port.forget(self._addr)
        error = failure.value
        self._port.say(error.message if isinstance(error, CommandError) else "something went wrong")

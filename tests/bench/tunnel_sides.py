"""What carries visitors to a device, in a process of its own: our edge, or a bare TLS relay of the same library.

`python -m tests.bench.tunnel_sides edge|relay CERTIFICATE KEY` prints the port that devices dial and that of visitors.
The relay joins each visitor with one TLS connection that the device dialled before, octet by octet.
"""

import hashlib
import sys
from collections import deque
from pathlib import Path
from typing import Any, Final, cast

from shared.service import LOOP  # it installs the asyncio reactor, and insists on being the first

# isort: split
from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from services.tunnels.edge import Edge
from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Offer, Refusal, TunnelDevice, TunnelProtocol
from shared.tls import ServerOptions, server_options
from tests.bench.tunnel_devices import LOCAL, PROOF, PROXY
from tests.harness.raw_port import RawPort

OFFER: Final = Offer(1, 1, "bench", 1, TunnelProtocol.TCP, PROXY, 16_000)
DEVICE: Final = TunnelDevice(1, 1, "serial", "flash", LOCAL)
reactor = cast("Any", installed)


class _OneDevice:
    """Knows one device, and lets it offer one port."""

    async def find(self, proof_digest: bytes) -> TunnelDevice | None:
        return DEVICE if proof_digest == hashlib.sha256(PROOF.encode()).digest() else None

    async def allows(self, device_key: int, asked: NewProxy) -> Offer | Refusal:
        return OFFER


def edge(tls: ServerOptions) -> tuple[Any, Any]:
    """Our edge."""
    known = _OneDevice()
    found = Edge(known, known, lambda _: None, reactor)
    visitors = RawPort(lambda source: found.open_stream(found.offers.find(PROXY) or OFFER, source), reactor)
    return found.listen(tls, 0, LOCAL), reactor.listenTCP(0, visitors, interface=LOCAL, backlog=512)


def relay(tls: ServerOptions) -> tuple[Any, Any]:
    """The reference."""
    devices = _Halves()
    visitors = _Halves(devices)
    secured = TLSMemoryBIOFactory(tls, False, devices)
    return (
        reactor.listenTCP(0, secured, interface=LOCAL, backlog=512),
        reactor.listenTCP(0, visitors, interface=LOCAL, backlog=512),
    )


class _Halves(Factory):
    """The connections of one side; `alone` are those that wait for one of the other."""

    noisy = False

    def __init__(self, others: "_Halves | None" = None) -> None:
        self.alone: deque[_Half] = deque()
        self.speaks_first = others is not None
        self.others = self if others is None else others
        self.others.others = self

    def buildProtocol(self, addr: Any) -> "_Half":
        return _Half(self)


class _Half(Protocol):
    """One connection, joined with another."""

    def __init__(self, halves: _Halves) -> None:
        self._halves = halves
        self._other: _Half | None = None

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        if self._halves.others.alone:
            self._join(self._halves.others.alone.popleft())
        else:
            self._halves.alone.append(self)
            if self._halves.speaks_first:
                transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        if self._other is not None:
            self._other.transport.write(data)  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self in self._halves.alone:
            self._halves.alone.remove(self)
        other, self._other = self._other, None
        if other is not None:
            transport: Any = other.transport
            transport.unregisterProducer()
            transport.loseConnection()

    def _join(self, other: "_Half") -> None:
        self._other, other._other = other, self
        ours, theirs = cast("Any", self.transport), cast("Any", other.transport)
        ours.registerProducer(theirs, True)
        theirs.registerProducer(ours, True)
        if other._halves.speaks_first:
            theirs.resumeProducing()


def main() -> None:
    """Serve until it is killed."""
    which, certificate, key = sys.argv[1:]
    make = {"edge": edge, "relay": relay}[which]

    def begin() -> None:
        ports = make(server_options(Path(certificate), Path(key)))
        sys.stdout.write(" ".join(str(port.getHost().port) for port in ports) + "\n")
        sys.stdout.flush()

    LOOP.call_soon(begin)
    reactor.run()


if __name__ == "__main__":
    main()

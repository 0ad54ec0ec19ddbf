"""The tunnels edge on the reactor's thread, with devices and declared ports of the test's own."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import DatagramProtocol
from typing_extensions import override

from services.tunnels.datagrams import Channel, Member
from services.tunnels.edge import Edge
from services.tunnels.records.happenings import Happening
from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Offer, Refusal, Source, TunnelDevice, TunnelProtocol
from services.tunnels.rules.names import parse_proxy_name
from services.tunnels.streams import MuxStream
from shared.proxied import NOBODY, Proxies
from shared.tls import server_options
from tests.harness.raw_port import RawPort
from tests.harness.waiting import wait_until
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates

Result = TypeVar("Result")
LOCAL: Final = "127.0.0.1"
DOMAIN: Final = "edge.test"
DEVICE = TunnelDevice(42, 7, "serial-42", "flash-1", LOCAL)
PORTS: Final = range(16_000, 17_000)
"""Remote ports that a device may ask for; nobody listens there by itself."""


def run(work: Coroutine[Any, Any, Result], timeout_s: float = 30.0) -> Result:
    """The result of `work`, which runs as a task of asyncio on the reactor's thread."""

    async def carried() -> Result:
        return await Deferred.fromFuture(asyncio.ensure_future(work))

    return reactor_thread.wait(carried(), timeout_s)


@define
class World:
    """An edge; `devices` by their proof. What happened is in `happened`."""

    edge: Edge
    port: int
    devices: dict[str, TunnelDevice]
    refused: dict[str, str]
    happened: list[Happening]
    ending: ExitStack

    def add(self, device_key: int, proof: str) -> TunnelDevice:
        """One more device."""
        device = self.devices[proof] = evolve(DEVICE, device_key=device_key, serial_number=f"serial-{device_key}")
        return device

    def raw_port(self, proxy_name: str) -> int:
        """A port on which visitors reach what is offered as `proxy_name` then."""
        return self.listening(RawPort(lambda source: self.open(proxy_name, source), reactor_thread.reactor))

    def udp_port(self, proxy_name: str) -> int:
        """The same for datagrams."""

        async def listen() -> IListeningPort:
            protocol = _UdpPort(lambda: self.open(proxy_name, Source("", 0)))
            found: IListeningPort = reactor_thread.reactor.listenUDP(0, protocol, interface=LOCAL)
            self.ending.callback(reactor_thread.wait, _called(protocol.leave))
            return found

        return self._listening(listen())

    def listening(self, factory: Any) -> int:
        """The port on which `factory` listens."""

        async def listen() -> IListeningPort:
            found: IListeningPort = reactor_thread.reactor.listenTCP(0, factory, interface=LOCAL)
            return found

        return self._listening(listen())

    async def open(self, proxy_name: str, source: Source) -> MuxStream:
        """A stream to what is offered as `proxy_name` now."""
        offer = offered(proxy_name)
        return await self.edge.open_stream(self.edge.offers.find(proxy_name) or offer, source)

    def offers(self) -> int:
        """How many proxies are registered."""
        return run(_called(lambda: len(self.edge.offers)))

    def kinds(self) -> list[str]:
        """The names of what happened."""
        return [type(each).__name__ for each in self.happened]

    def _listening(self, listen: Coroutine[Any, Any, IListeningPort]) -> int:
        port = run(listen)
        self.ending.callback(reactor_thread.wait, _stopped(port))
        return int(port.getHost().port)  # type: ignore[attr-defined]


class _UdpPort(DatagramProtocol):
    """Each address and port that sends is a visitor."""

    noisy = False

    def __init__(self, open_stream: Callable[[], Awaitable[MuxStream]]) -> None:
        self._open_stream = open_stream
        self._channel: Channel | None = None
        self._places: dict[Source, Source] = {}
        self._tasks: set[asyncio.Future[None]] = set()

    @override
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self._pass(datagram, Source(*addr)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def leave(self) -> None:
        """All visitors are gone."""
        for place in list(self._places.values()):
            if self._channel is not None:
                self._channel.leave(place)

    async def _pass(self, datagram: bytes, source: Source) -> None:
        channel = self._channel = self._channel or Channel(self._open_stream, self._over)
        if source not in self._places:
            self._places[source] = channel.enter(source, Member(lambda answer: self._deliver(answer, source), _nothing))
        await channel.ready()
        channel.send(datagram, self._places[source])

    def _deliver(self, datagram: bytes, source: Source) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.write(datagram, (source.address, source.port))

    def _over(self) -> None:
        self._channel = None
        self._places.clear()


def _nothing() -> None:
    """A visitor who does not care."""


class _Devices:
    def __init__(self, devices: dict[str, TunnelDevice]) -> None:
        self._devices = devices

    async def find(self, proof_digest: bytes) -> TunnelDevice | None:
        found = {hashlib.sha256(proof.encode()).digest(): device for proof, device in self._devices.items()}
        return found.get(proof_digest)


class _Declared:
    def __init__(self, refused: dict[str, str]) -> None:
        self._refused = refused

    async def allows(self, device_key: int, asked: NewProxy) -> Offer | Refusal:
        if asked.proxy_name in self._refused:
            return Refusal(self._refused[asked.proxy_name])
        return offered(asked.proxy_name, asked.remote_port)


def offered(proxy_name: str, remote_port: int = 0) -> Offer:
    """What a proxy is registered as; without `remote_port`, the one that `remote_port_of` gives."""
    name = parse_proxy_name(proxy_name)
    assert name is not None
    has_host = name.protocol in (TunnelProtocol.HTTP, TunnelProtocol.HTTPS)
    host = f"{proxy_name.rpartition('-')[0]}.{DOMAIN}" if has_host else None
    port = None if has_host else remote_port or remote_port_of(name.port)
    return Offer(name.device_key, DEVICE.project_key, name.app, name.port, name.protocol, proxy_name, port, host)


def remote_port_of(port: int) -> int:
    """The remote port of a declared port."""
    return PORTS[port % len(PORTS)]


@contextmanager
def edge_world(certificates: Certificates, proxies: Proxies = NOBODY) -> Iterator[World]:
    """An edge that listens, behind `proxies`, with one device whose proof is `proof-42`."""
    reactor_thread.start()
    devices, refused, happened = {"proof-42": DEVICE}, dict[str, str](), list[Happening]()
    with ExitStack() as ending:

        async def begin() -> tuple[Edge, IListeningPort]:
            edge = Edge(_Devices(devices), _Declared(refused), happened.append, reactor_thread.reactor)
            tls = server_options(certificates.certificate, certificates.key)
            return edge, edge.listen(tls, 0, LOCAL, proxies)

        edge, port = run(begin())
        # Nothing of this edge is logged while the next test runs.
        ending.callback(wait_until, lambda: not edge._pending, 5, "whoever had not logged in is gone")
        ending.callback(run, _called(edge.close))
        ending.callback(reactor_thread.wait, _stopped(port))
        yield World(edge, int(port.getHost().port), devices, refused, happened, ending)  # type: ignore[attr-defined]


async def _stopped(port: Any) -> None:
    stopped: Any = port.stopListening()
    await stopped


async def _called(function: Callable[[], Result]) -> Result:
    return function()

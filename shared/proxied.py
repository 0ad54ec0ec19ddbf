"""Listeners behind proxies that pass octets on: whom the proxy names is the peer, for bounds, records and logs.

Only who is named in the setting may say so, and must: a proxy's connection that does not begin with the header is
ended, and whoever comes from anywhere else is who he is, whatever he sends.
"""

import asyncio
import ipaddress
from typing import Any, Final, cast

import structlog
from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from typing_extensions import override

from shared.proxy_header import Header, Peer, ProxyHeaderError, read_header
from shared.settings import Settings, SettingsError

HEADER_S: Final = 3.0
"""A proxy sends it with the first octets, before it waits for anything."""
MAX_UNNAMED: Final = 1_024
"""Connections of proxies that have not named anybody yet, of one listener."""

log = structlog.get_logger()
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@frozen
class Proxies:
    """The networks whose connections begin with a PROXY header; none by default."""

    networks: tuple[Network, ...] = ()

    def have(self, address: str) -> bool:
        """Whether who comes from `address` is one of them."""
        if not self.networks:
            return False
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        plain = found if mapped is None else mapped
        return any(plain in network for network in self.networks)


NOBODY: Final = Proxies()


def read_proxies(settings: Settings) -> Proxies:
    """`PROXIES`: networks of proxies before the public listeners, separated by commas; none where it is not set.

    Raises:
        SettingsError: One is no network, or is everybody's.
    """
    words = [word.strip() for word in settings.text("PROXIES", "-").split(",")]
    try:
        networks = tuple(_network(word) for word in words if word not in ("", "-"))
    except ValueError as error:
        raise SettingsError(f"PROXIES must be networks like 10.42.7.0/24, separated by commas: {error}") from error
    if any(network.prefixlen == 0 for network in networks):
        raise SettingsError("PROXIES must not be everybody: whoever connects could claim any address")
    return Proxies(networks)


def _network(word: str) -> Network:
    """Of IPv4 that is written as IPv6 the network of IPv4: who comes is compared as that."""
    found = ipaddress.ip_network(word)
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    return found if mapped is None else ipaddress.IPv4Network((mapped, max(0, found.prefixlen - 96)))


def behind(proxies: Proxies, factory: Any, reactor: Any) -> Any:
    """`factory`, which is told the address that a proxy names; itself, where there are no proxies."""
    return _Behind(proxies, factory, reactor) if proxies.networks else factory


async def named_peer(reader: asyncio.StreamReader) -> Peer | None:
    """Whom a proxy names at the beginning of a stream; not an octet more is read.

    Raises:
        ProxyHeaderError, TimeoutError, asyncio.IncompleteReadError: It names nobody.
    """
    octets = b""
    async with asyncio.timeout(HEADER_S):
        while (header := read_header(octets)) is None:
            octets += await reader.readexactly(1)
    return header.source


class _Behind(WrappingFactory):
    """The outermost factory of a port with proxies before it."""

    noisy = False

    def __init__(self, proxies: Proxies, wrapped: ServerFactory, reactor: IReactorTime) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self._proxies = proxies
        self.reactor = reactor
        self.unnamed = 0

    @override
    def buildProtocol(self, addr: IAddress | None) -> Any:
        if not self._proxies.have(str(getattr(addr, "host", ""))):
            return self.wrappedFactory.buildProtocol(addr)
        return None if self.unnamed >= MAX_UNNAMED else _Unnamed(self)


class _Unnamed(Protocol):
    """A proxy's connection until its header is whole; then the transport is another protocol's."""

    def __init__(self, factory: _Behind) -> None:
        self._factory = factory
        self._octets = b""
        self._deadline: Any = None

    @override
    def connectionMade(self) -> None:
        self._factory.unnamed += 1
        self._deadline = self._factory.reactor.callLater(HEADER_S, self._refuse, "no PROXY header in time")

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._deadline is None:
            return
        self._octets += data
        try:
            header = read_header(self._octets)
        except ProxyHeaderError as error:
            self._refuse(str(error))
            return
        if header is not None:
            self._hand_over(header)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._decided()

    def _hand_over(self, header: Header) -> None:
        self._decided()
        transport: Any = self.transport
        address = transport.getPeer() if header.source is None else _address(header.source)
        protocol: IProtocol | None = self._factory.wrappedFactory.buildProtocol(address)
        if protocol is None:
            transport.abortConnection()
            return
        # The transport itself, not one around it: who bounds what waits in it looks into it.
        transport.getPeer = lambda: address
        transport.protocol = protocol
        protocol.makeConnection(transport)
        rest = self._octets[header.octets :]
        if rest:
            protocol.dataReceived(rest)

    def _refuse(self, why: str) -> None:
        self._decided()
        transport: Any = self.transport
        log.warning("proxy_refused", proxy=str(transport.getPeer().host), reason=why)
        transport.abortConnection()

    def _decided(self) -> None:
        """Of no effect the second time."""
        if self._deadline is None:
            return
        if self._deadline.active():
            self._deadline.cancel()
        self._deadline = None
        self._factory.unnamed -= 1


def _address(peer: Peer) -> IAddress:
    """As Twisted has it."""
    made = IPv6Address if ":" in peer.host else IPv4Address
    return cast("IAddress", made("TCP", peer.host, peer.port))

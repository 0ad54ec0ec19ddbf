"""Who is named by a proxy, and who is not believed, in memory and on a clock."""

import asyncio
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from typing_extensions import override

from shared.proxied import HEADER_S, MAX_UNNAMED, NOBODY, Proxies, behind, named_peer, read_proxies
from shared.proxy_header import Peer, ProxyHeaderError
from shared.settings import Settings, SettingsError

PROXIES = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": "10.42.7.0/24, fd00:7::/64"}))
SAID = b"PROXY TCP4 198.51.100.9 10.42.7.2 51000 443\r\n"


class Echo(Protocol):
    """Keeps what it hears and who said it."""

    def __init__(self, address: IAddress | None) -> None:
        """Of `address`."""
        self.address: Any = address
        self.heard = b""

    @override
    def dataReceived(self, data: bytes) -> None:
        self.heard += data


class Echoes(Factory):
    """Makes them."""

    def __init__(self) -> None:
        """None yet."""
        self.made: list[Echo] = []
        self.is_full = False

    @override
    def buildProtocol(self, addr: IAddress | None) -> Any:
        if self.is_full:
            return None
        self.made.append(Echo(addr))
        return self.made[-1]


class Case:
    """A factory behind proxies."""

    def __init__(self, proxies: Proxies = PROXIES) -> None:
        """Nobody has come."""
        self.clock, self.inner = Clock(), Echoes()
        self.factory = behind(proxies, self.inner, self.clock)

    def connect(self, host: str) -> tuple[Any, StringTransport]:
        """Somebody comes from `host`."""
        address: Any = (IPv6Address if ":" in host else IPv4Address)("TCP", host, 4_000)
        protocol, transport = self.factory.buildProtocol(address), StringTransport(peerAddress=address)
        if protocol is not None:
            transport.protocol = protocol  # type: ignore[attr-defined]
            protocol.makeConnection(transport)
        return protocol, transport


def said(transport: Any, octets: bytes) -> None:
    transport.protocol.dataReceived(octets)


@pytest.mark.parametrize("host", ["10.42.7.2", "::ffff:10.42.7.2", "fd00:7::2"])
@pytest.mark.parametrize("pieces", [1, 3, len(SAID) + 4])
def test_whom_a_proxy_names_is_the_peer(host: str, pieces: int) -> None:
    case = Case()
    _, transport = case.connect(host)
    octets = SAID + b"more"
    step = -(-len(octets) // pieces)
    for at in range(0, len(octets), step):
        said(transport, octets[at : at + step])

    [inner] = case.inner.made
    assert (inner.address.host, inner.address.port) == ("198.51.100.9", 51_000)
    assert transport.getPeer() == inner.address
    assert inner.heard == b"more"
    assert id(inner.transport) == id(transport), "nothing stands between"
    assert case.clock.getDelayedCalls() == []


@pytest.mark.parametrize("host", ["10.42.8.2", "198.51.100.7", "fd00:8::2", "::ffff:10.42.8.2"])
def test_who_is_no_proxy_is_who_he_is_whatever_he_says(host: str) -> None:
    case = Case()
    _, transport = case.connect(host)
    said(transport, SAID)

    [inner] = case.inner.made
    assert inner.address.host == host
    assert inner.heard == SAID


def test_a_proxy_that_speaks_for_itself_is_the_peer() -> None:
    case = Case()
    _, transport = case.connect("10.42.7.2")
    said(transport, b"PROXY UNKNOWN\r\n")

    assert case.inner.made[0].address.host == "10.42.7.2"


@pytest.mark.parametrize("octets", [b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 x y 1 2\r\n"])
def test_a_proxy_that_names_nobody_is_ended(octets: bytes) -> None:
    case = Case()
    _, transport = case.connect("10.42.7.2")
    said(transport, octets)
    said(transport, SAID)

    assert transport.disconnected
    assert case.inner.made == []
    assert case.clock.getDelayedCalls() == []


def test_a_proxy_that_takes_its_time_is_ended() -> None:
    case = Case()
    _, transport = case.connect("10.42.7.2")
    said(transport, SAID[:10])
    case.clock.advance(HEADER_S)

    assert transport.disconnected
    assert case.inner.made == []


def test_what_is_not_named_yet_is_bounded_and_its_place_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.proxied.MAX_UNNAMED", 2)
    case = Case()
    first, _ = case.connect("10.42.7.2")
    _, second = case.connect("10.42.7.2")
    assert case.connect("10.42.7.2")[0] is None
    assert case.connect("198.51.100.7")[0] is not None

    first.connectionLost()
    said(second, SAID)

    assert [case.connect("10.42.7.2")[0] is None for _ in range(3)] == [False, False, True]
    assert MAX_UNNAMED > 2


def test_a_listener_that_is_full_closes_after_the_name() -> None:
    case = Case()
    case.inner.is_full = True
    _, transport = case.connect("10.42.7.2")
    said(transport, SAID)

    assert transport.disconnected


def test_without_proxies_nothing_stands_before_a_listener() -> None:
    assert isinstance(Case(NOBODY).factory, Echoes)
    assert not NOBODY.have("10.42.7.2")
    assert not PROXIES.have("no address")
    mapped = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": "::ffff:10.42.7.0/120"}))
    assert mapped.have("10.42.7.9")
    assert not mapped.have("10.42.8.9")


@pytest.mark.parametrize("text", ["10.42.7.0/33", "proxy.example", "10.42.7.1/24", "0.0.0.0/0", "::/0"])
def test_a_setting_that_names_no_network_or_everybody_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="PROXIES"):
        read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": text}))


async def _named(octets: bytes) -> tuple[Peer | None, bytes]:
    reader = asyncio.StreamReader()
    reader.feed_data(octets)
    reader.feed_eof()
    return await named_peer(reader), await reader.read()


def test_a_stream_is_read_as_far_as_the_name_alone() -> None:
    assert asyncio.run(_named(SAID + b"more")) == (Peer("198.51.100.9", 51_000), b"more")
    with pytest.raises(asyncio.IncompleteReadError):
        asyncio.run(_named(SAID[:-1]))
    with pytest.raises(ProxyHeaderError):
        asyncio.run(_named(b"\x00\x00\x00\x08"))

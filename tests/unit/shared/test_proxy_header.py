"""The PROXY header, against Twisted's own reading of it and against what nobody should send."""

import ipaddress
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from shared.proxy_header import LONGEST_1, LONGEST_2, SIGNATURE_2, Header, Peer, ProxyHeaderError, read_header

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
PORTS = st.integers(0, 65_535)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def plain(text: str) -> str:
    """As one would write it."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address if mapped is None else mapped)


def line(source: Address, port: int) -> bytes:
    return f"PROXY TCP{source.version} {source} {source} {port} 443\r\n".encode()


def binary(source: Address, port: int, more: bytes = b"", *, command: int = 0x21) -> bytes:
    told = source.packed * 2 + struct.pack("!HH", port, 443) + more
    family = 0x11 if source.version == 4 else 0x21
    return SIGNATURE_2 + struct.pack("!BBH", command, family, len(told)) + told


@given(source=ADDRESSES, port=PORTS, rest=st.binary(max_size=20))
def test_a_line_says_what_twisted_reads_in_it(source: Address, port: int, rest: bytes) -> None:
    said = line(source, port)
    theirs: Any = V1Parser.parse(said.removesuffix(b"\r\n")).source

    assert read_header(said + rest) == Header(len(said), Peer(plain(theirs.host), theirs.port))


@given(source=ADDRESSES, port=PORTS, more=st.binary(max_size=60), rest=st.binary(max_size=20))
def test_a_binary_header_says_what_twisted_reads_in_it(source: Address, port: int, more: bytes, rest: bytes) -> None:
    said = binary(source, port, more)
    theirs: Any = V2Parser.parse(said).source

    assert read_header(said + rest) == Header(len(said), Peer(plain(theirs.host), theirs.port))


def test_ipv4_in_ipv6_is_the_ipv4_that_it_is() -> None:
    said = line(ipaddress.IPv6Address("::ffff:198.51.100.9"), 4_000)

    assert read_header(said) == Header(len(said), Peer("198.51.100.9", 4_000))


@given(source=ADDRESSES, port=PORTS, is_binary=st.booleans(), data=st.data())
def test_nothing_is_said_before_it_is_whole(source: Address, port: int, is_binary: bool, data: st.DataObject) -> None:
    said = binary(source, port) if is_binary else line(source, port)
    at = data.draw(st.integers(0, len(said) - 1))

    assert read_header(said[:at]) is None


@given(st.binary(max_size=400))
def test_whatever_comes_is_a_header_or_is_refused(octets: bytes) -> None:
    for begun in (octets, b"PROXY " + octets, SIGNATURE_2 + octets):
        try:
            found = read_header(begun)
        except ProxyHeaderError:
            continue
        assert found is None or found.octets <= len(begun)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        b"PROXY TCP4 \xff 1.2.3.4 1 2\r\n",
        b"PROXY " + b"x" * LONGEST_1,
        SIGNATURE_2 + b"\x11\x11\x00\x00",
        SIGNATURE_2 + b"\x22\x11\x00\x00",
        SIGNATURE_2 + struct.pack("!BBH", 0x21, 0x11, LONGEST_2),
        SIGNATURE_2 + b"\x21\x11\x00\x04abcd",
        SIGNATURE_2 + b"\x21\x21\x00\x0c" + bytes(12),
    ],
    ids=str,
)
def test_what_is_no_header_is_refused(said: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read_header(said)


@pytest.mark.parametrize(
    "said",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::1 1 2\r\n",
        binary(ipaddress.IPv4Address("192.0.2.1"), 1, command=0x20),
        SIGNATURE_2 + b"\x21\x00\x00\x00",
        SIGNATURE_2 + b"\x21\x31" + struct.pack("!H", 216) + bytes(216),
    ],
    ids=["unknown", "unknown with addresses", "local", "no family", "unix"],
)
def test_a_proxy_that_speaks_for_itself_names_nobody(said: bytes) -> None:
    assert read_header(said) == Header(len(said), None)

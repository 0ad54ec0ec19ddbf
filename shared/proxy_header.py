"""What a proxy that passes octets on says first of a connection: the header of the PROXY protocol, versions 1 and 2.

Source: The PROXY protocol, 2020/03/05, sections 2.1 and 2.2 (haproxy, doc/proxy-protocol.txt).
"""

import ipaddress
import struct
from collections.abc import Callable
from typing import Final

from attrs import frozen

SIGNATURE_1: Final = b"PROXY "
SIGNATURE_2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_1: Final = 107
"""Section 2.1: of the line, with its end."""
FIXED_2: Final = 16
LONGEST_2: Final = 2_048
"""Section 2.2 allows 64 KiB; addresses take 36 octets, what proxies say besides (TLS, names) some hundred."""
END_1: Final = b"\r\n"
LOCAL: Final = 0x20
PROXIED: Final = 0x21
TCP_4: Final = 0x11
TCP_6: Final = 0x21


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
OF_FAMILY: Final[dict[str, Callable[[str], Address]]] = {
    "TCP4": ipaddress.IPv4Address,
    "TCP6": ipaddress.IPv6Address,
}


class ProxyHeaderError(Exception):
    """The octets are no such header; the text says why."""


@frozen
class Peer:
    """An address and a port."""

    host: str
    port: int


@frozen
class Header:
    """A whole header: its length in octets, and who is behind the proxy; None: the proxy speaks for itself."""

    octets: int
    source: Peer | None


def read_header(octets: bytes) -> Header | None:
    """The header at the beginning of `octets`; None while it is not whole.

    Raises:
        ProxyHeaderError: There is none, it is malformed, or it is longer than it may be.
    """
    for signature, read in ((SIGNATURE_1, _read_1), (SIGNATURE_2, _read_2)):
        if octets.startswith(signature):
            return read(octets)
        if signature.startswith(octets):
            return None
    raise ProxyHeaderError("no PROXY header")


def _read_1(octets: bytes) -> Header | None:
    end = octets.find(END_1, 0, LONGEST_1)
    if end < 0:
        if len(octets) >= LONGEST_1:
            raise ProxyHeaderError(f"a line of more than {LONGEST_1} octets")
        return None
    words = octets[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Header(end + len(END_1), None)
    try:
        family, source, _, port, _ = (word.decode("ascii") for word in words[1:])
        address = OF_FAMILY[family](source)
    except (ValueError, KeyError) as error:
        raise ProxyHeaderError("a malformed line") from error
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 1 << 16):  # noqa: PLR2004 - a port
        raise ProxyHeaderError("a malformed port")
    return Header(end + len(END_1), Peer(_text(address), int(port)))


def _read_2(octets: bytes) -> Header | None:
    if len(octets) < FIXED_2:
        return None
    command, family, length = struct.unpack_from("!BBH", octets, len(SIGNATURE_2))
    whole = FIXED_2 + length
    if whole > LONGEST_2:
        raise ProxyHeaderError(f"a header of {whole} octets")
    if command not in (LOCAL, PROXIED):
        raise ProxyHeaderError("another version or command")
    if len(octets) < whole:
        return None
    return Header(whole, _source_2(family, octets[FIXED_2:whole]) if command == PROXIED else None)


def _source_2(family: int, told: bytes) -> Peer | None:
    """Of the families that are no TCP, section 2.2: the receiver ignores what is told."""
    if family not in (TCP_4, TCP_6):
        return None
    shape, of = ("!4s4sHH", ipaddress.IPv4Address) if family == TCP_4 else ("!16s16sHH", ipaddress.IPv6Address)
    try:
        source, _, port, _ = struct.unpack_from(shape, told)
    except struct.error as error:
        raise ProxyHeaderError("addresses are cut off") from error
    return Peer(_text(of(source)), port)


def _text(address: Address) -> str:
    """As it is written; what IPv6 only carries (RFC 4291, 2.5.5.2) as the IPv4 that it is."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address if mapped is None else mapped)

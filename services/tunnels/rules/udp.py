"""Datagrams on a work stream: one UDPPacket each, the visitor's address in it both ways.

Source: fatedier/frp v0.70.0 pkg/proto/udp, server/proxy/udp.go.
"""

import ipaddress
from typing import Final

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.records.messages import Ping, UdpAddress, UDPPacket
from services.tunnels.records.offers import Source
from services.tunnels.rules.messages import MessageReader, encode

MAX_DATAGRAM: Final = 1_500
"""frp's udpPacketSize; what is longer is not carried."""


def packet(datagram: bytes, visitor: Source) -> bytes:
    """The octets for the work stream.

    Raises:
        ValueError: The datagram is too long, or the address is none.
    """
    if len(datagram) > MAX_DATAGRAM:
        raise ValueError(f"{len(datagram)} octets; {MAX_DATAGRAM} are carried")
    address = UdpAddress(str(ipaddress.ip_address(visitor.address)), visitor.port)
    return encode(UDPPacket(datagram, remote=address))


class PacketReader:
    """Takes the octets of a work stream and gives datagrams."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._reader = MessageReader()

    def feed(self, octets: bytes) -> list[tuple[bytes, Source]]:
        """Datagrams for visitors; heartbeats, and what is too long, are taken and forgotten.

        Raises:
            RemoteProtocolError: These are no datagrams.
        """
        found = []
        for message in self._reader.feed(octets):
            match message:
                case UDPPacket(remote=UdpAddress()) if len(message.content) > MAX_DATAGRAM:
                    continue
                case UDPPacket(remote=UdpAddress() as remote):
                    found.append((message.content, Source(remote.ip, remote.port)))
                case Ping():
                    continue
                case _:
                    raise RemoteProtocolError(f"a {type(message).__name__} among datagrams")
        return found

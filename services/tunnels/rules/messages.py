"""frp's messages on the wire, version 1: a type octet, a length of eight octets, JSON.

Source: fatedier/frp v0.70.0 pkg/msg (types), golib v0.7.0 msg/json (framing, 10240 octets at the most).
"""

import struct
from base64 import b64encode
from typing import Any, Final, TypeVar

import attrs
import msgspec

from services.tunnels.errors import RemoteProtocolError, WireV2Error
from services.tunnels.records.messages import (
    CloseProxy,
    Login,
    LoginResp,
    Message,
    NatHole,
    NewProxy,
    NewProxyResp,
    NewVisitorConn,
    NewVisitorConnResp,
    NewWorkConn,
    Ping,
    Pong,
    ReqWorkConn,
    StartWorkConn,
    UdpAddress,
    UDPPacket,
)

MAX_OCTETS: Final = 10_240
HEAD: Final = struct.Struct("!cq")
WIRE_V2: Final = b"FRP\x00\x02\r\n"
"""What each stream of wire v2 begins with."""
TYPES: Final[dict[bytes, type[Message]]] = {
    b"o": Login,
    b"1": LoginResp,
    b"p": NewProxy,
    b"2": NewProxyResp,
    b"c": CloseProxy,
    b"r": ReqWorkConn,
    b"w": NewWorkConn,
    b"s": StartWorkConn,
    b"v": NewVisitorConn,
    b"3": NewVisitorConnResp,
    b"h": Ping,
    b"4": Pong,
    b"u": UDPPacket,
}
NAT_HOLE: Final = frozenset({b"i", b"n", b"m", b"5", b"6"})
OCTETS: Final[dict[type[Message], bytes]] = {kind: octet for octet, kind in TYPES.items()}
CLIENT_SPEC: Final = "client_spec"
"""Of a Login; frpc sends it although it is empty."""

_Decoded = TypeVar("_Decoded")


class _UdpFields(msgspec.Struct, rename={"ip": "IP", "port": "Port", "zone": "Zone"}):
    ip: str
    port: int = 0
    zone: str = ""


class _UdpPacketFields(msgspec.Struct, rename={"content": "c", "local": "l", "remote": "r"}):
    content: bytes = b""
    local: _UdpFields | None = None
    remote: _UdpFields | None = None


def encode(message: Message) -> bytes:
    """The octets of `message`; what is empty is left out."""
    body = msgspec.json.encode(_fields(message))
    return HEAD.pack(OCTETS[type(message)], len(body)) + body


def _fields(message: Message) -> dict[str, Any]:
    match message:
        case UDPPacket():
            found = {"c": b64encode(message.content).decode(), "l": _udp(message.local), "r": _udp(message.remote)}
            return {name: value for name, value in found.items() if value}
        case Login():
            kept = _not_empty(message)
            pool_count = {"pool_count": kept.pop("pool_count")} if "pool_count" in kept else {}
            return {**kept, CLIENT_SPEC: {}, **pool_count}
        case _:
            return _not_empty(message)


def _not_empty(message: Message) -> dict[str, Any]:
    return {name: value for name, value in attrs.asdict(message).items() if value}


def _udp(address: UdpAddress | None) -> dict[str, Any] | None:
    return None if address is None else {"IP": address.ip, "Port": address.port, "Zone": address.zone}


class MessageReader:
    """Takes octets as they come and gives whole messages."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._octets = bytearray()

    @property
    def rest(self) -> bytes:
        """What came behind the last whole message."""
        return bytes(self._octets)

    def feed(self, octets: bytes) -> list[Message]:
        """All messages that are whole now.

        Raises:
            WireV2Error: The peer speaks version 2.
            RemoteProtocolError: This is no message of frp.
        """
        self._octets += octets
        found = []
        while (message := self.next()) is not None:
            found.append(message)
        return found

    def feed_one(self, octets: bytes) -> Message | None:
        """The first message, if it is whole now; see `rest`. Raises as `feed`."""
        self._octets += octets
        return self.next()

    def next(self) -> Message | None:
        """One more message of what came already. Raises as `feed`."""
        if self._octets:
            _check_type(bytes(self._octets[: len(WIRE_V2)]))
        if len(self._octets) < HEAD.size:
            return None
        kind, length = HEAD.unpack_from(self._octets)
        if not 0 <= length <= MAX_OCTETS:
            raise RemoteProtocolError(f"a message of {length} octets")
        end = HEAD.size + length
        if len(self._octets) < end:
            return None
        body = bytes(self._octets[HEAD.size : end])
        del self._octets[:end]
        return _message(kind, body)


def _check_type(begin: bytes) -> None:
    if begin[:1] in TYPES or begin[:1] in NAT_HOLE:
        return
    if WIRE_V2.startswith(begin):
        raise WireV2Error("the agent speaks wire v2; set transport.wireProtocol to v1")
    raise RemoteProtocolError(f"no message of frp begins with {begin[:1].hex()}")


def _message(kind: bytes, body: bytes) -> Message:
    if kind in NAT_HOLE:
        return NatHole()
    if kind == b"u":
        fields = _decoded(body, _UdpPacketFields)
        return UDPPacket(fields.content, _address(fields.local), _address(fields.remote))
    return _decoded(body, TYPES[kind])


def _decoded(body: bytes, kind: type[_Decoded]) -> _Decoded:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Not its text, which may repeat what came.
        raise RemoteProtocolError(f"a malformed {kind.__name__.strip('_')}") from error


def _address(fields: _UdpFields | None) -> UdpAddress | None:
    return None if fields is None else UdpAddress(fields.ip, fields.port, fields.zone)

"""The bare client in the two binary forms of WAMP."""

import asyncio
import base64
import os
import ssl
from typing import Any, ClassVar, Self

import cbor2
import msgpack  # type: ignore[import-untyped]
from typing_extensions import override

from tests.integration.router_node.wire import BINARY, CLOSE, PING, PONG, ClosedError, Peer


class BinaryPeer(Peer):
    """A peer that speaks `subprotocol`."""

    subprotocol: ClassVar[str]

    @classmethod
    async def open(cls, port: int, path: str, tls: ssl.SSLContext) -> Self:
        """An open WebSocket without a session."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {cls.subprotocol}\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert b" 101 " in head
        return cls(reader, writer)

    @override
    def send(self, *message: Any) -> None:
        self.send_frame(BINARY, self.dumps(list(message)))

    @override
    async def receive(self) -> list[Any]:
        while True:
            opcode, payload = await self._frame()
            if opcode == PING:
                self.send_frame(PONG, payload)
            elif opcode == CLOSE:
                raise ClosedError(payload)
            elif opcode == BINARY:
                message: list[Any] = self.loads(payload)
                return message

    def dumps(self, message: list[Any]) -> bytes:
        """The octets of a message."""
        raise NotImplementedError

    def loads(self, octets: bytes) -> Any:
        """The message that the octets are."""
        raise NotImplementedError


class CborPeer(BinaryPeer):
    """CBOR (RFC 8949)."""

    subprotocol = "wamp.2.cbor"

    @override
    def dumps(self, message: list[Any]) -> bytes:
        return bytes(cbor2.dumps(message))

    @override
    def loads(self, octets: bytes) -> Any:
        return cbor2.loads(octets)


class MsgpackPeer(BinaryPeer):
    """MessagePack."""

    subprotocol = "wamp.2.msgpack"

    @override
    def dumps(self, message: list[Any]) -> bytes:
        return bytes(msgpack.packb(message))

    @override
    def loads(self, octets: bytes) -> Any:
        return msgpack.unpackb(octets)

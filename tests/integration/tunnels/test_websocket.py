"""Agents that come through a web front: websocket frames with yamux in them."""

import ssl
import struct
from typing import Self

import pytest

from services.tunnels.records.messages import Login, LoginResp
from services.tunnels.records.yamux import Data, Role
from services.tunnels.rules.messages import MessageReader, encode
from services.tunnels.rules.yamux import Session
from tests.harness.tunnel_edge import World
from tests.integration.tunnels.agents import is_closed, visit

MASK = bytes.fromhex("a1b2c3d4")
WINDOW = 262_144 + 0x00FFFEFD  # its octets are no UTF-8


class Socket:
    """A websocket as frpc 0.70.0 opens it. Used in a `with` block."""

    def __enter__(self) -> Self:
        """Open it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.connection.close()

    def __init__(self, world: World, path: str = "/~!frp", host: str = "127.0.0.1") -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.connection = context.wrap_socket(visit(world.port))
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nOrigin: http://{host}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.connection.sendall(head.encode())
        self.answer = b""
        while b"\r\n\r\n" not in self.answer:
            self.answer += self.connection.recv(1)

    def send(self, opcode: int, octets: bytes) -> None:
        masked = bytes(octet ^ MASK[at % 4] for at, octet in enumerate(octets))
        length = bytes([0x80 | len(octets)]) if len(octets) < 126 else b"\xfe" + struct.pack("!H", len(octets))
        self.connection.sendall(bytes([0x80 | opcode]) + length + MASK + masked)

    def receive(self) -> tuple[int, bytes]:
        first, length = self._exactly(2)
        if length == 126:
            length = struct.unpack("!H", self._exactly(2))[0]
        return first, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            piece = self.connection.recv(count - len(found))
            assert piece
            found += piece
        return found


@pytest.mark.parametrize("opcode", [1, 2], ids=["text, as 0.69.1 and older", "binary"])
def test_an_agent_logs_in(world: World, opcode: int) -> None:
    with Socket(world) as websocket:
        session = Session(Role.CLIENT)
        stream = session.open(WINDOW)
        session.write(stream, encode(Login(metas={"tunnel_proof": "proof-42"})))
        octets = session.octets_to_send()

        websocket.send(opcode, octets[:12])
        websocket.send(opcode, octets[12:24])
        websocket.send(opcode, octets[24:])

        found = b""
        while len(found) < 60:
            first, message = websocket.receive()
            assert first == 0x82
            found += b"".join(event.octets for event in session.receive(message) if isinstance(event, Data))
        answer = MessageReader().feed_one(found)
        assert isinstance(answer, LoginResp)
        assert answer.error == ""
        assert world.kinds() == ["SessionBegan"]


def test_the_handshake_is_answered_as_frpc_expects_it(world: World) -> None:
    with Socket(world) as websocket:
        answer = websocket.answer.lower()

    assert answer.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-accept: hsmrc0smlyukagmm5oppg2hagwk=" in answer
    assert b"sec-websocket-protocol" not in answer


@pytest.mark.parametrize("path", ["/", "/ws", "/~!frp/", "/~!frpx"])
def test_there_is_nothing_at_other_paths(world: World, path: str) -> None:
    with Socket(world, path) as websocket:
        assert websocket.answer.startswith(b"HTTP/1.1 404 ")
        assert is_closed(websocket.connection)


def test_a_message_that_is_too_large_ends_it(world: World) -> None:
    with Socket(world) as websocket:
        websocket.connection.sendall(b"\x82\xff" + struct.pack("!Q", 2_000_000) + MASK)

        assert is_closed(websocket.connection)

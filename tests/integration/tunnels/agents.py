"""Agents of our own at an edge, and what tests do with connections."""

import asyncio
import socket
from typing import Any

from services.tunnels.records.messages import LoginResp, NewProxy, StartWorkConn
from services.tunnels.records.offers import Source
from services.tunnels.rules.udp import PacketReader, packet
from services.tunnels.streams import MuxStream
from tests.harness.frp_client import FrpClient, Work, echo
from tests.harness.tunnel_edge import LOCAL, World, run
from tests.integration.flockctl import reactor_thread
from tests.unit.tunnels.joined import Remembering

SSH = NewProxy("42-ssh-22-tcp", "tcp", remote_port=16_022)
DNS = NewProxy("42-dns-53-udp", "udp", remote_port=16_053)
WEB = NewProxy("42-web-80-http", "http", subdomain="42-web-80")


async def agent(
    world: World, proof: str = "proof-42", first: bytes = b"", port: int = 0, work: Work = echo
) -> tuple[FrpClient, LoginResp]:
    """One that asked to log in, and the answer."""
    client = FrpClient(reactor_thread.reactor, work)
    await client.connect(port or world.port, first)
    return client, await client.log_in(proof)


def logged_in(world: World, proof: str = "proof-42", first: bytes = b"", work: Work = echo) -> FrpClient:
    """One that was let in."""
    client, answer = run(agent(world, proof, first, work=work))
    assert answer.error == ""
    return client


def call(function: Any, *arguments: Any) -> Any:
    """Call `function` on the reactor's thread."""

    async def called() -> Any:
        return function(*arguments)

    return run(called())


async def ended(client: FrpClient) -> str:
    """Why its session ended."""
    return await asyncio.wait_for(client.ended, 15)


def visit(port: int) -> socket.socket:
    """A visitor's connection."""
    return socket.create_connection((LOCAL, port), timeout=10)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends it, in time."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        return True
    return True


class Answering(Remembering):
    """A device's side that answers each datagram, and before it sends one to `bystander`, who never came."""

    def __init__(self, bystander: int = 9) -> None:
        super().__init__()
        self._bystander = bystander
        self.streams: list[MuxStream] = []
        self._reader = PacketReader()

    def begin(self, stream: MuxStream, _start: StartWorkConn, first: bytes) -> None:
        self.streams.append(stream)
        self._reader = PacketReader()
        stream.attach(self, first)

    def dataReceived(self, data: bytes) -> None:
        for datagram, visitor in self._reader.feed(data):
            self.streams[-1].write(packet(b"for nobody", Source(LOCAL, self._bystander)))
            self.streams[-1].write(packet(b"echo:" + datagram, visitor))


def asking(port: int) -> socket.socket:
    """A UDP socket that sends to that port."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.settimeout(10)
    found.connect((LOCAL, port))
    return found

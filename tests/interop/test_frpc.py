"""The real frpc 0.70.0 at our edge, configured as the published agent configures it."""

import hashlib
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from services.tunnels.records.happenings import SessionBegan, SessionEnded
from tests.harness import frpc
from tests.harness.frpc import Frpc, built_frpc
from tests.harness.go_programs import NoProgramError
from tests.harness.local_services import LocalService, UdpEcho, echo, never_read, send_without_end
from tests.harness.relay import Relay
from tests.harness.tunnel_edge import LOCAL, World, edge_world, remote_port_of
from tests.harness.waiting import wait_until
from tests.integration.flockctl.certificates import Certificates, make_certificates

ECHO = "42-echo-9001-tcp"
WEB = "42-web-9002-http"
UDP = "42-udp-9003-udp"
MIB = 1_048_576
STALLED_MEMORY = 64 * MIB
TRAFFIC_S = 15
"""From frpc's redial until there is traffic (decision 29)."""


@pytest.fixture(scope="session")
def program() -> Path:
    try:
        return built_frpc()
    except NoProgramError as error:
        pytest.skip(f"{error}; our own client stands in for it in tests/integration/tunnels")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("frpc"))


@pytest.fixture
def world(certificates: Certificates) -> Iterator[World]:
    with edge_world(certificates) as found:
        yield found


@pytest.fixture
def running(world: World, program: Path, tmp_path: Path) -> Iterator["Running"]:
    with ExitStack() as ending:
        yield Running(world, program, tmp_path, ending)


class Running:
    """Starts services and agents, which end with the test."""

    def __init__(self, world: World, program: Path, folder: Path, ending: ExitStack) -> None:
        self.world = world
        self.ending = ending
        self._program = program
        self._folder = folder
        self._started = 0

    def service(self, serve: Any = echo) -> int:
        """The port of a service behind the device."""
        return self.ending.enter_context(LocalService(serve)).port

    def agent(self, proxies: list[dict[str, Any]], proof: str = "proof-42", port: int = 0, **transport: Any) -> Frpc:
        """An agent that dials the edge, or `port`."""
        self._started += 1
        folder = self._folder / f"agent-{self._started}"
        agent = Frpc(self._program, folder, port or self.world.port, proof, proxies)
        agent.transport |= transport
        return self.ending.enter_context(agent)

    def echo_agent(self, **more: Any) -> Frpc:
        """One that offers an echo, once that is registered."""
        agent = self.agent([tcp(ECHO, self.service())], **more)
        self.wait_for(1)
        return agent

    def wait_for(self, count: int, seconds: float = 15) -> None:
        """Wait until that many proxies are registered."""
        wait_until(lambda: self.world.offers() == count, seconds, f"{count} proxies are registered")


def tcp(name: str, local: int) -> dict[str, Any]:
    return frpc.tcp(name, local, remote_port_of(int(name.split("-")[-2])))


def echoed(port: int, octets: bytes) -> bytes:
    """The digest of what comes back of `octets`."""
    with socket.create_connection((LOCAL, port), timeout=60) as visitor:
        sender = Thread(target=visitor.sendall, args=[octets])
        sender.start()
        digest, missing = hashlib.sha256(), len(octets)
        while missing:
            piece = visitor.recv(65_536)
            assert piece
            digest.update(piece)
            missing -= len(piece)
        sender.join()
        return digest.digest()


def memory() -> int:
    """Octets of this process, in which the edge runs."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "transport",
    [{}, {"tls": {"enable": True, "disableCustomTLSFirstByte": False}}, {"protocol": "wss"}],
    ids=["as the agent", "0x17 first", "wss"],
)
def test_octets_come_back_through_the_real_frpc(running: Running, transport: dict[str, Any]) -> None:
    running.echo_agent(**transport)
    octets = os.urandom(MIB)

    assert echoed(running.world.raw_port(ECHO), octets) == hashlib.sha256(octets).digest()


def test_frpc_reports_its_proxies_as_running(running: Running) -> None:
    agent = running.agent([tcp(ECHO, running.service()), frpc.http(WEB, running.service())])
    running.wait_for(2)

    wait_until(lambda: agent.log().count("start proxy success") == 2, 10, "frpc knows")


def test_datagrams_come_back(running: Running) -> None:
    local = running.ending.enter_context(UdpEcho()).port
    running.agent([frpc.udp(UDP, local, remote_port_of(9003))])
    running.wait_for(1)
    port = running.world.udp_port(UDP)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as visitor:
        visitor.settimeout(10)
        visitor.connect((LOCAL, port))
        for text in (b"one", b"two"):
            visitor.send(text)
            assert visitor.recv(100) == b"echo:" + text


def test_http_passes_as_it_is(running: Running) -> None:
    def answer(connection: socket.socket) -> None:
        with connection:
            asked = connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" if asked else b"")

    running.agent([frpc.http(WEB, running.service(answer))])
    running.wait_for(1)

    with socket.create_connection((LOCAL, running.world.raw_port(WEB)), timeout=10) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: 42-web-9002.edge.test\r\n\r\n")
        assert visitor.recv(4096, socket.MSG_WAITALL).endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("size", [MIB, pytest.param(16 * MIB, marks=pytest.mark.soak)], ids=["1 MiB", "16 MiB"])
def test_eight_echoes_at_once_come_back_equal(running: Running, size: int) -> None:
    running.echo_agent()
    port = running.world.raw_port(ECHO)
    sent = [os.urandom(size) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda octets: echoed(port, octets), sent))

    assert found == [hashlib.sha256(octets).digest() for octets in sent]


@pytest.mark.parametrize(
    ("size", "most"),
    [(16 * MIB, 16 * MIB), pytest.param(256 * MIB, STALLED_MEMORY, marks=pytest.mark.soak)],
    ids=["16 MiB", "256 MiB"],
)
def test_four_visitors_that_do_not_read_cost_little(running: Running, size: int, most: int) -> None:
    sent = [0] * 4

    def send(connection: socket.socket) -> None:
        number = int(connection.recv(1))
        for _ in range(size // 65_536):
            connection.sendall(octets)
            sent[number] += len(octets)

    octets = bytes(65_536)
    running.agent([tcp(ECHO, running.service(send))])
    running.wait_for(1)
    port, before = running.world.raw_port(ECHO), memory()
    visitors = [socket.create_connection((LOCAL, port), timeout=30) for _ in range(4)]
    for number, visitor in enumerate(visitors):
        visitor.sendall(b"%d" % number)
    _wait_for_standstill(sent)

    grown = memory() - before

    for visitor in visitors:
        visitor.close()
    assert size < 64 * MIB or all(each < size for each in sent)
    assert grown < most


def test_a_device_that_does_not_read_stops_its_visitor(running: Running) -> None:
    running.agent([tcp(ECHO, running.service(never_read))])
    running.wait_for(1)
    before, sent = memory(), [0]

    with socket.create_connection((LOCAL, running.world.raw_port(ECHO)), timeout=60) as visitor:

        def send() -> None:
            try:
                while sent[0] < 512 * MIB:
                    visitor.sendall(bytes(65_536))
                    sent[0] += 65_536
            except OSError:
                return

        sender = Thread(target=send, daemon=True)
        sender.start()
        _wait_for_standstill(sent)
        assert sent[0] < 64 * MIB
        assert memory() - before < 16 * MIB
        visitor.shutdown(socket.SHUT_RDWR)
        sender.join(10)


def test_a_neighbour_of_a_stalled_visitor_loses_nothing(running: Running) -> None:
    running.agent([tcp(ECHO, running.service()), tcp("42-pour-9004-tcp", running.service(send_without_end))])
    running.wait_for(2)
    octets = os.urandom(MIB)

    with socket.create_connection((LOCAL, running.world.raw_port("42-pour-9004-tcp")), timeout=30) as stalled:
        assert stalled.recv(1)
        assert echoed(running.world.raw_port(ECHO), octets) == hashlib.sha256(octets).digest()


@pytest.mark.parametrize(
    ("transport", "patience"),
    [({"tcpMuxKeepaliveInterval": 1}, 15), pytest.param({}, 75, marks=pytest.mark.soak)],
    ids=["an agent that notices soon", "as the agent"],
)
def test_links_lost_without_a_word_and_an_frpc_that_stands_still_are_found_and_names_taken_again(
    running: Running, transport: dict[str, Any], patience: float
) -> None:
    running.world.add(43, "proof-43")
    relay = running.ending.enter_context(Relay(running.world.port))
    running.echo_agent(port=relay.port, **transport)
    standing = running.agent([tcp("43-echo-9005-tcp", running.service())], "proof-43")
    running.wait_for(2)

    relay.cut()
    standing.stop()
    running.wait_for(0, 10)
    reasons = {each.reason for each in running.world.happened if isinstance(each, SessionEnded)}
    relay.mend()
    standing.go_on()
    running.wait_for(2, patience)

    assert reasons == {"the peer answers no ping"}
    for port in map(running.world.raw_port, (ECHO, "43-echo-9005-tcp")):
        # An agent whose first new link was still one of the lost ones comes twice; who is there between is cut.
        wait_until(partial(comes_back, port), TRAFFIC_S, "octets come back")


@pytest.mark.soak
def test_a_hundred_link_losses_of_twenty_agents_leak_no_name(running: Running) -> None:
    relay = running.ending.enter_context(Relay(running.world.port))
    names, service = [f"{device}-echo-9001-tcp" for device in range(100, 120)], running.service()
    for at, name in enumerate(names):
        running.world.add(100 + at, f"proof-{100 + at}")
        running.agent([frpc.tcp(name, service, 16_000 + at)], f"proof-{100 + at}", port=relay.port)
    running.wait_for(20, 60)
    ports = {100 + at: running.world.raw_port(name) for at, name in enumerate(names)}
    freed, back = list[float](), list[float]()

    for _ in range(5):
        before, cut_at = came(running.world), time.monotonic()
        relay.cut()
        running.wait_for(0, 10)
        freed.append(time.monotonic() - cut_at)
        relay.mend()
        with ThreadPoolExecutor(20) as pool:
            waits = [
                pool.submit(traffic_after, running.world, each, port, before[each]) for each, port in ports.items()
            ]
            back += [each.result() for each in waits]

    print(f"names free within {max(freed):.1f} s; traffic {max(back):.1f} s after a redial at the latest")  # noqa: T201
    assert max(back) < TRAFFIC_S
    assert sum(came(running.world).values()) >= 20 * 6


def came(world: World) -> Counter[int]:
    """How often each device has come."""
    return Counter(each.device.device_key for each in list(world.happened) if isinstance(each, SessionBegan))


def traffic_after(world: World, device: int, port: int, before: int) -> float:
    """How long after its redial, in seconds, octets of a device come back again."""
    wait_until(lambda: came(world)[device] > before, 90, f"device {device} is here again")
    dialled = time.monotonic()
    wait_until(lambda: comes_back(port), 60, f"octets of device {device} come back")
    return time.monotonic() - dialled


def comes_back(port: int) -> bool:
    """Whether a few octets do, now."""
    try:
        with socket.create_connection((LOCAL, port), timeout=12) as visitor:
            visitor.sendall(b"here again")
            return visitor.recv(10, socket.MSG_WAITALL) == b"here again"
    except OSError:
        return False


def test_a_device_that_asks_for_anothers_names_is_refused_and_frpc_shows_why(running: Running) -> None:
    running.world.add(43, "proof-43")
    running.echo_agent()

    other = running.agent([tcp(ECHO, running.service()), frpc.http(WEB, running.service())], "proof-43")
    wait_until(lambda: running.world.kinds().count("ProxyRefused") == 2, 15, "both are refused")

    wait_until(lambda: "this name belongs to another device" in other.log(), 10, "frpc shows it")
    refused = [each for each in running.world.happened if type(each).__name__ == "ProxyRefused"]
    assert {each.device.device_key for each in refused} == {43}  # type: ignore[union-attr]
    assert running.world.offers() == 1


def test_a_second_frpc_of_the_same_device_takes_over(running: Running) -> None:
    running.echo_agent()

    running.echo_agent()
    wait_until(lambda: running.world.kinds().count("SessionBegan") >= 2, 10, "it took over")

    assert running.world.offers() <= 1


def test_wire_v2_is_refused(running: Running, capfd: pytest.CaptureFixture[str]) -> None:
    running.agent([tcp(ECHO, running.service())], wireProtocol="v2")
    written = ""

    def is_said() -> bool:
        nonlocal written
        written += capfd.readouterr().out
        return "wire v2" in written

    wait_until(is_said, 15, "the edge says so")
    assert running.world.kinds() == []


def test_frpc_shows_why_a_port_is_refused(running: Running) -> None:
    running.world.refused[ECHO] = "port 9001 of echo is not declared"
    agent = running.agent([tcp(ECHO, running.service())])

    wait_until(lambda: "is not declared" in agent.log(), 15, "it is refused")

    assert running.world.offers() == 0


def _wait_for_standstill(sent: list[int]) -> None:
    seen = [list(sent)]

    def stands() -> bool:
        seen.append(list(sent))
        return len(seen) > 20 and all(sent) and seen[-1] == seen[-20]

    wait_until(stands, 60, "nobody can send on")

"""The real frps 0.70.0 with the configuration of `deploy/frps`, and the real frpc behind it."""

import hashlib
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from services.tunnels.nodes import NO_UDP
from services.tunnels.records.plugin import Fleet
from services.tunnels.records.tunnels import ExposePort, PortRange
from tests.harness import frpc
from tests.harness.frpc import Frpc, built_frpc, built_frps
from tests.harness.frps import LOCAL, Frps, local_fleet
from tests.harness.go_programs import NoProgramError
from tests.harness.local_services import LocalService, echo
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.agents import call, is_closed
from tests.integration.tunnels.rooms import CRANE, PRESS, agent
from tests.integration.tunnels.web import HOST, key_of, line, visits
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
SSH = f"{PRESS}-ssh-22-tcp"


@pytest.fixture(scope="session")
def programs() -> tuple[Path, Path]:
    try:
        return built_frps(), built_frpc()
    except NoProgramError as error:
        pytest.skip(f"{error}; test_plugin_front.py asks what it would ask")


@pytest.fixture(name="fleet")
def fixture_fleet() -> Fleet:
    return local_fleet()


@pytest.fixture(name="running")
def fixture_running(
    postgres: Postgres, certificates: Certificates, fleet: Fleet, programs: tuple[Path, Path], tmp_path: Path
) -> Iterator["Running"]:
    [port] = free_ports(1)
    allotted = PortRange(port, port)
    with ExitStack() as ending:
        site = ending.enter_context(whole(postgres, certificates, fleet, allotted))
        files = {"ca": certificates.ca, "certificate": certificates.certificate, "key": certificates.key}
        frps = Frps(
            programs[0], tmp_path, fleet.nodes[0], allotted, **files, plugin=site.plugin_port, domain="tunnels.example"
        )
        ending.enter_context(frps)
        yield Running(site, frps, programs[1], tmp_path, ending)


class Running:
    """Everything together; what is started ends with the test."""

    def __init__(self, site: Whole, frps: Frps, program: Path, folder: Path, ending: ExitStack) -> None:
        self.site = site
        self.frps = frps
        self.node = frps.node
        self.ending = ending
        self._program = program
        self._folder = folder
        self._started = 0

    def service(self, serve: Any = echo) -> int:
        """The port of a service behind the device."""
        return self.ending.enter_context(LocalService(serve)).port

    def agent(self, proxies: list[dict[str, Any]], key: int = PRESS, **transport: Any) -> Frpc:
        """An agent that dials the node."""
        self._started += 1
        folder = self._folder / f"agent-{self._started}"
        found = Frpc(self._program, folder, self.node.bind_port, f"proof-{key}", proxies)
        found.transport |= transport
        return self.ending.enter_context(found)

    def ssh(self, **transport: Any) -> tuple[Frpc, int]:
        """An agent whose ssh tunnel is offered, and its remote port."""
        self.site.declare("press-1", "ssh", 22, "tcp")
        port = self.site.do(self.site.rooms.agents.expose_port(agent(), ExposePort())).remote_port
        found = self.agent([frpc.tcp(SSH, self.service(), port)], **transport)
        self.wait_for("offered")
        wait_until(lambda: "start proxy success" in found.log(), 10, "frpc knows")
        return found, port

    def wait_for(self, state: str) -> None:
        """Wait until the tunnel stands so."""
        wait_until(lambda: self.site.do(self.site.rooms.listed())[0].state == state, 15, f"the tunnel is {state}")

    def echoes(self) -> None:
        """A visit, whose octets come back."""
        octets = os.urandom(200_000)
        with self.site.come(key_of(self.site)) as visitor:
            visitor.send(octets)
            found = b""
            while len(found) < len(octets):
                found += visitor.recv(10)  # type: ignore[operator]
            assert hashlib.sha256(found).digest() == hashlib.sha256(octets).digest()


def test_a_visit_goes_through_frps_and_nobody_else_comes_in(running: Running) -> None:
    _, port = running.ssh()

    running.echoes()
    with socket.create_connection((LOCAL, port), timeout=10, source_address=("127.0.0.2", 0)) as direct:
        assert is_closed(direct)

    wait_until(lambda: visits(running.site)[0][1] is not None, 5, "the visit is over")
    assert visits(running.site) == [(5, "visitor_left", 200_000, 200_000)]
    assert "visitors come through the platform alone" in running.frps.log()


def test_a_web_tunnel_goes_through_frps(running: Running) -> None:
    heads: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        with connection:
            heads.append(connection.recv(65_536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    running.site.declare("press-1", "web", 80, "http")
    running.agent([frpc.http(f"{PRESS}-web-80-http", running.service(answer))])
    running.wait_for("offered")
    wait_until(lambda: "http proxy listen" in running.frps.log(), 10, "frps knows")

    with line(running.site) as browser:
        reply = browser.ask(f"GET /a HTTP/1.1\nAuthorization: Bearer {key_of(running.site)}")

    assert (reply.status, reply.body) == (200, b"hello")
    assert f"Host: {HOST}".encode() in heads[0]
    assert b"X-Ironflock-User: 5" in heads[0]
    assert b"Bearer" not in heads[0]


def test_a_secure_web_tunnel_goes_through_frps(running: Running, certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65_536)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    label = f"secure-{PRESS}-web-80"
    running.site.declare("press-1", "web", 80, "https")
    running.agent([{**frpc.http(f"{label}-http", running.service(answer)), "name": f"{label}-https", "type": "https"}])
    running.wait_for("offered")
    wait_until(lambda: "https proxy listen" in running.frps.log(), 10, "frps knows")

    with line(running.site, f"secure-{HOST}") as browser:
        head = f"GET / HTTP/1.1\nAuthorization: Bearer {key_of(running.site)}"
        reply = browser.ask(head, host=f"secure-{HOST}")

    assert (reply.status, reply.body) == (200, b"hello")


def test_who_may_not_offer_something_is_told_why_by_frpc(running: Running) -> None:
    running.site.declare("press-1", "dns", 53, "udp")
    port = running.site.do(running.site.rooms.agents.expose_port(agent(), ExposePort(protocol="udp"))).remote_port
    own = running.agent([frpc.udp(f"{PRESS}-dns-53-udp", 9, port)])
    other = running.agent([frpc.tcp(SSH, 9, port)], CRANE)
    nobody = running.agent([], 99)

    wait_until(lambda: NO_UDP in own.log(), 15, "udp is refused")
    wait_until(lambda: "this name belongs to another device" in other.log(), 15, "another's name is refused")
    wait_until(lambda: "the tunnel proof is no device's" in nobody.log(), 15, "who is nobody is refused")


def test_a_device_that_is_revoked_is_ended_at_once_and_its_port_is_free(running: Running) -> None:
    own, port = running.ssh()
    del running.site.rooms.others.devices[PRESS]

    assert running.site.ways.nodes is not None
    assert call(running.site.ways.nodes.end_session, PRESS, "revoked")

    wait_until(lambda: "the tunnel proof is no device's" in own.log(), 15, "frpc is told so when it comes again")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOCAL, port), timeout=5)
    assert rows(running) == []


def test_a_heartbeat_of_a_revoked_device_is_refused(running: Running) -> None:
    own, _ = running.ssh(heartbeatInterval=1, heartbeatTimeout=60)

    del running.site.rooms.others.devices[PRESS]

    wait_until(lambda: "the tunnel proof is no device's" in own.log(), 15, "its session has ended")
    assert not call(running.site.rooms.news.connected)


def test_sessions_that_a_dead_process_left_are_ended_and_begin_anew(running: Running) -> None:
    running.ssh()
    assert running.site.ways.nodes is not None
    [before] = rows(running)

    call(running.site.ways.nodes.forget_all)
    running.site.do(running.site.ways.nodes.keep_true())

    running.wait_for("offered")
    [after] = rows(running)
    assert after != before
    wait_until(lambda: running.frps.log().count("tcp proxy listen port") == 2, 10, "frps knows")
    running.echoes()


def test_a_device_that_logs_in_anew_takes_its_names_over(running: Running) -> None:
    _, port = running.ssh()

    running.agent([frpc.tcp(SSH, running.service(), port)])
    wait_until(lambda: running.frps.log().count("tcp proxy listen port") >= 2, 15, "the second has the port")

    assert len(call(running.site.rooms.news.connected)) == 1


def rows(running: Running) -> list[tuple[Any, ...]]:
    return running.site.rooms.postgres.rows("SELECT run_id FROM tunnels.node_session")

"""What frps nodes ask and are answered, each op refused and allowed; here without an frps."""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from services.tunnels.nodes import ANEW, NO_NAMES, NO_UDP, NOT_FRONT, NOT_OFFERED, REVOKED
from services.tunnels.records.plugin import Fleet
from services.tunnels.records.tunnels import ExposePort
from tests.harness.frps import local_fleet
from tests.harness.waiting import wait_until
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.agents import call
from tests.integration.tunnels.rooms import CRANE, PRESS, STANDING, agent
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
SSH = "42-ssh-22-tcp"


@pytest.fixture(name="fleet")
def fixture_fleet() -> Fleet:
    return local_fleet()


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates, fleet: Fleet) -> Iterator[Whole]:
    with whole(postgres, certificates, fleet) as made:
        yield made


class Node:
    """An frps, as far as its plugin goes."""

    def __init__(self, site: Whole, fleet: Fleet) -> None:
        self._site = site
        [self._node] = fleet.nodes

    def send(self, op: str, octets: bytes, secret: str | None = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        tls = ssl.create_default_context(cafile=str(self._site.certificates.ca))
        connection = http.client.HTTPSConnection("localhost", self._site.plugin_port, context=tls, timeout=15)
        shown = base64.b64encode(f"{self._node.name}:{secret or self._node.secret}".encode()).decode()
        connection.request("POST", f"/frps?op={op}&version=0.1.0", octets, {"Authorization": f"Basic {shown}"})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def ask(self, op: str, content: dict[str, Any]) -> dict[str, Any]:
        """The answer."""
        status, said = self.send(op, json.dumps({"version": "0.1.0", "op": op, "content": content}).encode())
        assert status == 200
        found: dict[str, Any] = json.loads(said)
        return found

    def log_in(self, proof: str = f"proof-{PRESS}", address: str = "127.0.0.1:5", **more: Any) -> dict[str, Any]:
        """The answer to an agent's login."""
        return self.ask("Login", {"metas": {"tunnel_proof": proof}, "client_address": address, "pool_count": 1, **more})

    def run_id(self, proof: str = f"proof-{PRESS}") -> str:
        """The run_id of an agent that was let in."""
        return str(self.log_in(proof)["content"]["run_id"])

    def of(self, op: str, whose: str, **content: Any) -> str | None:
        """Why not, None where it may be; about the session with the run_id `whose`."""
        user = {"user": "", "metas": {"tunnel_proof": f"proof-{PRESS}"}, "run_id": whose}
        reason: str | None = self.ask(op, {"user": user, **content}).get("reject_reason")
        return reason

    def offer(self, run_id: str, port: int, name: str = SSH, kind: str = "tcp") -> str | None:
        """Why a proxy is not taken, None where it is."""
        return self.of("NewProxy", run_id, proxy_name=name, proxy_type=kind, remote_port=port)


@pytest.fixture(name="node")
def fixture_node(site: Whole, fleet: Fleet) -> Node:
    return Node(site, fleet)


def declared(site: Whole) -> int:
    """The remote port of the ssh tunnel of device 42, which is declared."""
    site.declare("press-1", "ssh", 22, "tcp")
    found: int = site.do(site.rooms.agents.expose_port(agent(), ExposePort())).remote_port
    return found


def state(site: Whole) -> str:
    [tunnel] = site.do(site.rooms.listed())
    return tunnel.state


def test_who_shows_no_nodes_secret_is_not_answered(node: Node) -> None:
    assert node.send("Login", b"{}", "x" * 43)[0] == 401
    assert node.send("Login", b"{}")[0] == 400


def test_an_agent_is_let_in_with_a_run_id_that_nobody_knows(node: Node, site: Whole) -> None:
    first = node.log_in(run_id="056a99c07a9a5534", version="0.70.0")

    assert first["reject"] is False
    assert first["unchange"] is False
    assert len(first["content"]["run_id"]) == 32
    assert first["content"]["version"] == "0.70.0"
    assert call(site.rooms.news.connected)[PRESS].device_key == PRESS
    rows = site.rooms.postgres.rows("SELECT node, run_id, device_key FROM tunnels.node_session")
    assert rows == [("frps-1", first["content"]["run_id"], PRESS)]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"proof": "proof-99"}, "the tunnel proof is no device's"),
        ({"proof": ""}, "the tunnel proof is no device's"),
        ({"address": "192.0.2.9:5"}, "the device is connected to the platform from another address"),
        ({"user": "x"}, NO_NAMES),
        ({"client_id": "x"}, NO_NAMES),
    ],
)
def test_an_agent_that_may_not_come_is_told_why(node: Node, site: Whole, said: dict[str, str], reason: str) -> None:
    assert node.log_in(**said)["reject_reason"] == reason
    assert not call(site.rooms.news.connected)


def test_while_nobody_can_say_an_agent_may_try_again(node: Node, site: Whole) -> None:
    site.rooms.others.away.add("ironflock.auth.device_credential.find_by_proof")

    assert "try again" in node.log_in()["reject_reason"]


def test_a_declared_port_is_offered_until_it_is_closed(node: Node, site: Whole) -> None:
    port, run_id = declared(site), node.run_id()
    assert state(site) == "declared"

    assert node.offer(run_id, port) is None
    assert state(site) == "offered"
    assert node.of("CloseProxy", run_id, proxy_name=SSH) is None
    assert state(site) == "declared"


def test_what_a_device_may_not_offer_is_refused_by_the_rules_of_the_edge(node: Node, site: Whole) -> None:
    port, run_id = declared(site), node.run_id()
    site.declare("press-1", "dns", 53, "udp")
    other = node.run_id(f"proof-{CRANE}")

    assert node.offer(run_id, port, "42-web-80-tcp") is not None
    assert "allotted" in (node.offer(run_id, port + 1) or "")
    assert node.offer(other, port) == "this name belongs to another device"
    udp = site.do(site.rooms.agents.expose_port(agent(), ExposePort(protocol="udp"))).remote_port
    assert node.offer(run_id, udp, "42-dns-53-udp", "udp") == NO_UDP
    assert "compression" in (node.of("NewProxy", run_id, proxy_name=SSH, proxy_type="tcp", use_compression=True) or "")
    wait_until(lambda: "tunnel.impersonated" in {each[0] for each in site.rooms.entries()}, 5, "it is recorded")


def test_visitors_come_through_our_front_alone(node: Node, site: Whole) -> None:
    port, run_id = declared(site), node.run_id()
    node.offer(run_id, port)

    assert node.of("NewUserConn", run_id, proxy_name=SSH, remote_addr="127.0.0.1:9") is None
    assert node.of("NewUserConn", run_id, proxy_name=SSH, remote_addr="192.0.2.1:9") == NOT_FRONT
    assert node.of("NewUserConn", run_id, proxy_name="other", remote_addr="127.0.0.1:9") == NOT_OFFERED
    assert node.of("NewUserConn", "unknown", proxy_name=SSH, remote_addr="127.0.0.1:9") == NOT_OFFERED


def test_work_connections_are_those_of_a_session_that_is_known(node: Node) -> None:
    run_id, other = node.run_id(), node.run_id(f"proof-{CRANE}")

    assert node.of("NewWorkConn", run_id, run_id=run_id) is None
    assert node.of("NewWorkConn", run_id, run_id=other) == ANEW
    assert node.of("NewWorkConn", "unknown", run_id="unknown") == ANEW


def test_a_heartbeat_of_a_revoked_device_ends_its_session(node: Node, site: Whole) -> None:
    port, run_id = declared(site), node.run_id()
    node.offer(run_id, port)
    assert node.of("Ping", run_id) is None
    site.rooms.others.away.add("ironflock.auth.device_credential.find_by_proof")
    assert node.of("Ping", run_id) is None
    site.rooms.others.away.clear()

    site.rooms.others.standings[PRESS] = {**STANDING, "is_locked": True}

    assert node.of("Ping", run_id) == REVOKED
    assert node.of("Ping", run_id) == ANEW
    assert state(site) == "declared"


def test_the_latest_login_of_a_device_counts_wherever_it_is(node: Node, site: Whole) -> None:
    port, first = declared(site), node.run_id()
    node.offer(first, port)

    second = node.run_id()
    assert node.offer(first, port) == ANEW
    assert node.offer(second, port) is None

    client = site.device()
    assert node.offer(second, port) == ANEW
    assert site.offer(client, SSH, port) == ""

    third = node.run_id()
    assert state(site) == "declared"
    assert node.offer(third, port) is None

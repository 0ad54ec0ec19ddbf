"""Visits as they are: frpc at the edge, people at the other listener, each recorded before its first octet."""

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.connection import Connection

from services.tunnels import visitors
from services.tunnels.records.messages import StartWorkConn
from services.tunnels.records.tunnels import ExposePort, NameTunnel, PublishTunnel
from services.tunnels.records.visits import IssueTicket, OpenedCredential
from services.tunnels.streams import MuxStream
from shared.identities import Person
from tests.harness.frp_client import WINDOW
from tests.harness.waiting import wait_until
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.rooms import ANNA, CRANE, PLANT, PRESS, agent
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
RECORD = "audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)"


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates) -> Iterator[Whole]:
    with whole(postgres, certificates) as made:
        yield made


def key_of(site: Whole, person: Person = ANNA) -> str:
    """An API key of the person's."""
    text = f"key-of-{person.account_key}"
    opened = OpenedCredential(person.account_key, person.credential or "", ["all"], time.time() + 600)  # noqa: TID251
    site.rooms.others.tickets[text] = opened
    return text


def visits(site: Whole) -> list[tuple[Any, ...]]:
    return site.rooms.postgres.rows("SELECT account_key, cause, octets_to, octets_from FROM tunnels.visit ORDER BY 1")


def echoed(visitor: Connection, octets: bytes) -> bytes:
    """What comes back of `octets`."""
    visitor.send(octets)
    found = b""
    while len(found) < len(octets):
        found += visitor.recv(10)  # type: ignore[operator]
    return found


def status(site: Whole, shown: str | None, path: str = "/visit/press-1/ssh/22") -> tuple[int, str]:
    """The answer to somebody who is refused."""
    tls = ssl.create_default_context(cafile=str(site.certificates.ca))
    connection = http.client.HTTPSConnection("localhost", site.visitors_port, context=tls, timeout=10)
    headers = {} if shown is None else {"Authorization": f"Bearer {shown}"}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said["code"]


def test_octets_go_both_ways_and_are_counted(site: Whole) -> None:
    site.ssh()
    octets = bytes(range(256)) * 1_024
    with site.come(key_of(site)) as visitor:
        assert echoed(visitor, octets) == octets
        assert visits(site) == [(5, None, None, None)]

    wait_until(lambda: visits(site)[0][1] is not None, 5, "it is over")
    assert visits(site) == [(5, "visitor_left", len(octets), len(octets))]
    assert [action for action, *_ in site.rooms.entries()][-2:] == ["tunnel_visit.begun", "tunnel_visit.ended"]


def test_a_ticket_opens_one_visit(site: Whole) -> None:
    tunnel, _ = site.ssh()
    ticket = site.do(site.rooms.visits.ticket_issue(ANNA, IssueTicket(tunnel.tunnel_key))).ticket

    with site.come(ticket) as visitor:
        assert echoed(visitor, b"SSH-2.0-x\r\n") == b"SSH-2.0-x\r\n"
        assert status(site, ticket) == (401, "sign_in_refused")


def test_when_the_device_ends_it_the_visitor_reads_the_rest_and_why(site: Whole) -> None:
    _, client = site.ssh()
    with site.come(key_of(site)) as visitor:
        assert echoed(visitor, b"x") == b"x"
        site.do(called(lambda: client.link.end("gone")))
        with pytest.raises(ConnectionClosed) as closed:
            visitor.recv(10)

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "device_left")
    wait_until(lambda: visits(site)[0][1] == "device_left", 5, "it is over")


async def called(function: Callable[[], Any]) -> Any:
    return function()


def test_who_loses_the_flag_is_cut_within_a_second_and_the_neighbour_loses_nothing(site: Whole) -> None:
    site.ssh()
    person = site.rooms.member("READ", "REMOTE_ACCESS")
    with site.come(key_of(site, person)) as cut, site.come(key_of(site)) as neighbour:
        assert echoed(cut, b"x") + echoed(neighbour, b"y") == b"xy"
        began = time.monotonic()
        site.do(called(lambda: site.rooms.rights.lose(7, next(iter(site.rooms.rights.known(7))))))
        with pytest.raises(ConnectionClosed) as closed:
            cut.recv(5)
        took_s = time.monotonic() - began
        assert echoed(neighbour, b"z" * 100_000) == b"z" * 100_000

    assert took_s < 1.0
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, "right_ended")


def test_refusals_say_what_and_begin_nothing(site: Whole) -> None:
    site.ssh()
    site.declare(PRESS, "web", 80, "http")
    nearly = site.rooms.member("READ", account=8)

    assert status(site, None) == (401, "sign_in_refused")
    assert status(site, "wrong") == (401, "sign_in_refused")
    assert status(site, key_of(site, nearly)) == (403, "not_authorized")
    assert status(site, key_of(site), "/visit/drill/ssh/22") == (404, "not_found")
    assert status(site, key_of(site), "/visit/press-1/web/80") == (404, "not_found")
    assert status(site, key_of(site), "/visit/press-1/ssh") == (400, "invalid_argument")
    site.rooms.others.away.add("ironflock.devices.device.reach")
    assert status(site, key_of(site)) == (503, "unavailable")
    assert visits(site) == []


def test_whoever_guesses_is_not_looked_at_for_a_while(site: Whole) -> None:
    found = {status(site, "wrong") for _ in range(61)}

    assert found == {(401, "sign_in_refused"), (429, "over_limit")}


def test_while_the_log_takes_nothing_nobody_comes(site: Whole) -> None:
    site.ssh()
    site.rooms.postgres.run(f"REVOKE EXECUTE ON FUNCTION {RECORD} FROM svc_tunnels")
    try:
        with pytest.raises(InvalidStatus) as refused:
            site.come(key_of(site))
    finally:
        site.rooms.postgres.run(f"GRANT EXECUTE ON FUNCTION {RECORD} TO svc_tunnels")

    assert refused.value.response.status_code == 503
    assert visits(site) == []


def test_a_device_offers_what_is_declared_on_a_port_that_it_was_allotted_alone(site: Whole) -> None:
    _, client = site.ssh()
    [theirs] = site.rooms.postgres.rows("SELECT port FROM tunnels.remote_port")
    crane = site.device(CRANE)

    assert "not declared" in site.offer(crane, f"{CRANE}-ssh-22-tcp", theirs[0])
    site.declare(CRANE, "ssh", 22, "tcp")
    assert "allotted" in site.offer(crane, f"{CRANE}-ssh-22-tcp", theirs[0] + 1)
    assert "another device" in site.offer(crane, f"{CRANE}-ssh-22-tcp", theirs[0])
    assert "another device" in site.offer(crane, f"{PRESS}-ssh-22-tcp", theirs[0])

    shown = {each.device_key: (each.state, each.error) for each in site.do(site.rooms.listed())}
    assert shown == {PRESS: ("offered", None), CRANE: ("error", "this remote port is another device's")}
    wait_until(lambda: "tunnel.impersonated" in [each[0] for each in site.rooms.entries()], 5, "it is recorded")
    [foreign] = [each for each in site.rooms.entries() if each[0] == "tunnel.impersonated"]
    assert (foreign[1], foreign[2]["kind"], foreign[2]["key"]) == ("refused", "device", CRANE)
    assert client.link.is_over is False


def test_an_agent_that_comes_from_elsewhere_than_its_session_is_refused_and_recorded(site: Whole) -> None:
    site.rooms.others.agents_at = "192.0.2.7"

    with pytest.raises(AssertionError, match="another address"):
        site.device()

    wait_until(lambda: "tunnel.impersonated" in [each[0] for each in site.rooms.entries()], 5, "it is recorded")


def test_a_project_lets_them_come_from_elsewhere_and_nobody_does_while_that_cannot_be_told(site: Whole) -> None:
    site.rooms.others.agents_at = "192.0.2.7"
    site.rooms.others.loose.add(PLANT)
    assert not site.device().link.is_over

    site.rooms.others.away.add("ironflock.realms.project.tunnel_rules")
    with pytest.raises(AssertionError, match="cannot tell"):
        site.device()


def test_a_public_port_is_open_while_it_is_public_and_each_visit_is_recorded(site: Whole) -> None:
    tunnel, _ = site.ssh()
    port = site.do(site.rooms.listed())[0].remote_port
    assert port is not None
    assert not is_open(port)

    site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
    wait_until(lambda: is_open(port), 5, "it is open")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as visitor:
        visitor.sendall(b"hello")
        assert visitor.recv(5) == b"hello"
        site.do(site.rooms.people.tunnel_unpublish(ANNA, NameTunnel(tunnel.tunnel_key)))
        assert not left(visitor)
    wait_until(lambda: not is_open(port), 5, "it is closed")

    wait_until(lambda: (None, "not_public", 5, 5) in visits(site), 5, "it is recorded")
    begun = [each for each in site.rooms.entries() if each[0] == "tunnel_visit.begun"]
    assert all(each[2]["kind"] == "service" and each[3] and each[3]["is_public"] for each in begun)
    assert site.rooms.postgres.rows("SELECT DISTINCT address FROM tunnels.visit") == [("127.0.0.1",)]
    assert tunnel.project_key == PLANT


def test_a_port_that_something_else_has_is_not_shown_as_public(site: Whole) -> None:
    tunnel, _ = site.ssh()
    port = site.do(site.rooms.listed())[0].remote_port
    assert port is not None
    with socket.create_server(("127.0.0.1", port)):
        public = site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
        assert (public.state, public.url) == ("error", None)
        assert "something else" in str(public.error)
        assert public.remote_port == port
    wait_until(lambda: site.do(site.rooms.listed())[0].state == "public", 30, "it is open once it can be")
    site.do(site.rooms.people.tunnel_unpublish(ANNA, NameTunnel(tunnel.tunnel_key)))
    [private] = site.do(site.rooms.listed())
    assert (private.state, private.error) == ("offered", None)


def test_an_earlier_end_of_being_public_is_one_for_who_is_there(site: Whole) -> None:
    tunnel, _ = site.ssh()
    port = site.do(site.rooms.listed())[0].remote_port
    assert port is not None
    site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
    wait_until(lambda: is_open(port), 5, "it is open")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as visitor:
        visitor.sendall(b"hello")
        assert visitor.recv(5) == b"hello"
        until = site.rooms.now() + timedelta(hours=1)
        site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key, until)))
        assert not left(visitor)

    assert is_open(port)


def test_a_visitor_who_reads_slowly_still_reads_what_a_device_said_last(
    site: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "CLOSE_S", 1)
    octets = bytes(range(256)) * 4_000

    def say_and_go(stream: MuxStream, _start: StartWorkConn, _first: bytes) -> None:
        stream.attach(Protocol())
        stream.write(octets)
        stream.loseConnection()

    site.declare(PRESS, "ssh", 22, "tcp")
    port = site.do(site.rooms.agents.expose_port(agent(PRESS), ExposePort())).remote_port
    assert not site.offer(site.device(PRESS, say_and_go), f"{PRESS}-ssh-22-tcp", port)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)  # most of it waits on our side
    plain.connect(("127.0.0.1", site.visitors_port))
    with site.come(key_of(site), sock=plain, max_queue=1) as visitor:
        wait_until(lambda: visits(site)[0][1] == "device_left", 30, "the visit is over")
        Event().wait(1.6)  # this visitor is slower than others have to close
        found = bytearray()
        with contextlib.suppress(ConnectionClosed):
            while True:
                found += visitor.recv(30, decode=False)

    assert hashlib.sha256(found).digest() == hashlib.sha256(octets).digest()
    assert visitor.close_reason == "device_left"


def test_what_a_visitor_said_last_still_reaches_the_device(site: Whole) -> None:
    streams, heard = list[tuple[MuxStream, bytes]](), Heard()

    def not_yet(stream: MuxStream, _start: StartWorkConn, first: bytes) -> None:
        streams.append((stream, first))

    site.declare(PRESS, "ssh", 22, "tcp")
    port = site.do(site.rooms.agents.expose_port(agent(PRESS), ExposePort())).remote_port
    assert not site.offer(site.device(PRESS, not_yet), f"{PRESS}-ssh-22-tcp", port)
    octets = bytes(range(256)) * ((WINDOW + 150_000) // 256)  # more than the device takes: some of it waits at the edge
    with site.come(key_of(site)) as visitor:
        for at in range(0, len(octets), 65_536):
            visitor.send(octets[at : at + 65_536])
    wait_until(lambda: visits(site) == [(5, "visitor_left", len(octets), 0)], 30, "the visit is over")

    [(stream, first)] = streams
    site.do(called(lambda: stream.attach(heard, first)))
    wait_until(lambda: heard.is_lost, 30, "the device has the end")
    assert hashlib.sha256(heard.octets).digest() == hashlib.sha256(octets).digest()


class Heard(Protocol):
    """What a device was told."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self.is_lost = False

    def dataReceived(self, data: bytes) -> None:
        self.octets += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_lost = True


def test_what_a_device_said_last_still_reaches_the_visitor_of_a_public_port(site: Whole) -> None:
    octets = bytes(range(256)) * 4_000

    def say_and_go(stream: MuxStream, _start: StartWorkConn, _first: bytes) -> None:
        stream.attach(Protocol())
        stream.write(octets)
        stream.loseConnection()

    tunnel = site.declare(PRESS, "ssh", 22, "tcp")
    port = site.do(site.rooms.agents.expose_port(agent(PRESS), ExposePort())).remote_port
    assert not site.offer(site.device(PRESS, say_and_go), f"{PRESS}-ssh-22-tcp", port)
    site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
    wait_until(lambda: is_open(port), 5, "it is open")

    with socket.socket() as visitor:
        visitor.settimeout(10)
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)  # most of it waits on our side
        visitor.connect(("127.0.0.1", port))
        found = b""
        while more := visitor.recv(65_536):
            found += more

    wait_until(lambda: (None, "device_left", 0, len(octets)) in visits(site), 10, "the visit is over")
    assert hashlib.sha256(found).digest() == hashlib.sha256(octets).digest()


def left(visitor: socket.socket) -> bytes:
    """What still comes before the end."""
    try:
        return visitor.recv(1)
    except ConnectionResetError:
        return b""


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True

"""Datagrams for people: by a visit of theirs, and by a public port for whoever sends something."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.tunnels import public_datagrams
from services.tunnels.records.messages import NewProxy
from services.tunnels.records.tunnels import ExposePort, NameTunnel, PublicTunnel, PublishTunnel
from services.tunnels.rules.answers import FIRST_OCTETS, HEADER_OCTETS, PER_OCTET
from services.tunnels.rules.udp import MAX_DATAGRAM, packet
from tests.harness.frp_client import FrpClient
from tests.harness.waiting import wait_until
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.agents import Answering, asking
from tests.integration.tunnels.rooms import ANNA, PRESS, agent
from tests.integration.tunnels.web import key_of, visits
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
PATH = "/visit/press-1/dns/53/udp"
RECORD = "audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)"


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates) -> Iterator[Whole]:
    with whole(postgres, certificates) as made:
        yield made


def dns(site: Whole, answering: Answering, key: int = PRESS) -> tuple[PublicTunnel, FrpClient, int]:
    """A udp tunnel of the device's that is offered, and its remote port."""
    tunnel = site.declare(key, "dns", 53, "udp")
    port = site.do(site.rooms.agents.expose_port(agent(key), ExposePort(0, "udp"))).remote_port
    client = site.device(key, answering.begin)
    answer = site.do(client.offer(NewProxy(f"{key}-dns-53-udp", "udp", remote_port=port)))
    assert not answer.error, answer.error
    return tunnel, client, port


def published(site: Whole, tunnel: PublicTunnel) -> None:
    public = site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))
    assert public.state == "public"
    assert ("udp", tunnel.tunnel_key) in opened(site)


def opened(site: Whole) -> set[tuple[str, int]]:
    """The protocol and the tunnel of each public port that is open."""
    ports = site.ways.raw_ports._open.items()
    return {(protocol, port.tunnel.tunnel_key) for (protocol, _), (_, port) in ports}


def test_each_message_of_a_visit_is_a_datagram_and_visitors_share_the_one_stream(site: Whole) -> None:
    answering = Answering()
    dns(site, answering)

    with site.come(key_of(site), PATH) as one, site.come(key_of(site), PATH) as two:
        for text in (b"one", b"", bytes(MAX_DATAGRAM - 5)):
            one.send(text)
            assert one.recv(10) == b"echo:" + text
        two.send(b"two")
        assert two.recv(10) == b"echo:two"
        one.send(bytes(MAX_DATAGRAM + 1))
        one.send(b"after one too long")
        assert one.recv(10) == b"echo:after one too long"

    assert len(answering.streams) == 1
    wait_until(lambda: {each[1] for each in visits(site)} == {"visitor_left"}, 5, "both are over")
    assert (5, "visitor_left", 3, 8) in visits(site)
    wait_until(lambda: answering.streams[0].is_lost, 10, "the last one closes the stream")


def test_a_raw_visit_does_not_come_to_a_udp_port_nor_the_other_way_round(site: Whole) -> None:
    dns(site, Answering())
    site.ssh()
    for path in ("/visit/press-1/dns/53", "/visit/press-1/ssh/22/udp"):
        with pytest.raises(InvalidStatus) as refused:
            site.come(key_of(site), path)
        assert refused.value.response.status_code == 404


def test_a_visit_by_datagrams_is_cut_with_the_flag_and_when_the_device_goes(site: Whole) -> None:
    _, client, _ = dns(site, Answering())
    person = site.rooms.member("READ", "REMOTE_ACCESS")

    async def lose() -> None:
        site.rooms.rights.lose(7, next(iter(site.rooms.rights.known(7))))

    async def go() -> None:
        client.link.end("gone")

    with site.come(key_of(site, person), PATH) as cut, site.come(key_of(site), PATH) as other:
        for each in (cut, other):
            each.send(b"x")
            assert each.recv(10) == b"echo:x"
        site.do(lose())
        with pytest.raises(ConnectionClosed) as closed:
            cut.recv(5)
        other.send(b"y")
        assert other.recv(10) == b"echo:y"
        site.do(go())
        with pytest.raises(ConnectionClosed) as ended:
            other.recv(5)

    assert closed.value.rcvd is not None
    assert ended.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, "right_ended")
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1000, "device_left")


def test_whoever_sends_to_a_public_port_is_answered_and_recorded_by_address(site: Whole) -> None:
    tunnel, _, port = dns(site, Answering())
    published(site, tunnel)

    with asking(port) as one, asking(port) as two:
        one.send(b"one")
        two.send(b"two")
        assert (one.recv(100), two.recv(100)) == (b"echo:one", b"echo:two")
        assert [each[:2] for each in visits(site)] == [(None, None)]
        assert site.rooms.postgres.rows("SELECT DISTINCT address FROM tunnels.visit") == [("127.0.0.1",)]
        site.do(site.rooms.people.tunnel_unpublish(ANNA, NameTunnel(tunnel.tunnel_key)))
        wait_until(lambda: not opened(site), 5, "the port is closed")

    wait_until(lambda: visits(site) == [(None, "not_public", 6, 16)], 5, "it is over")
    begun = [each for each in site.rooms.entries() if each[0] == "tunnel_visit.begun"]
    assert [each[2]["kind"] for each in begun] == ["service"]


def test_a_device_sends_nothing_to_who_sent_nothing(site: Whole) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bystander:
        bystander.bind(("127.0.0.1", 0))
        bystander.setblocking(False)
        tunnel, _, port = dns(site, Answering(bystander.getsockname()[1]))
        published(site, tunnel)
        with asking(port) as visitor:
            visitor.send(b"one")
            assert visitor.recv(100) == b"echo:one"
        with pytest.raises(BlockingIOError):
            bystander.recv(100)


def test_while_the_log_takes_nothing_no_datagram_reaches_the_device(site: Whole) -> None:
    answering = Answering()
    tunnel, _, port = dns(site, answering)
    published(site, tunnel)
    site.rooms.postgres.run(f"REVOKE EXECUTE ON FUNCTION {RECORD} FROM svc_tunnels")
    try:
        with asking(port) as visitor:
            visitor.send(b"one")
            wait_until(lambda: site.rooms.postgres.rows("SELECT 1") == [(1,)], 5, "the database answers")
            visitor.settimeout(0.5)
            with pytest.raises(TimeoutError):
                visitor.recv(100)
    finally:
        site.rooms.postgres.run(f"GRANT EXECUTE ON FUNCTION {RECORD} TO svc_tunnels")
    assert (answering.streams, visits(site)) == ([], [])


def test_many_made_up_addresses_begin_few_visits(site: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_datagrams, "MAX_ADDRESSES", 3)
    tunnel, _, port = dns(site, Answering())
    published(site, tunnel)

    for number in range(1, 20):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as visitor:
            visitor.bind((f"127.0.0.{number}", 0))
            visitor.sendto(b"x", ("127.0.0.1", port))

    wait_until(lambda: len(visits(site)) == 3, 5, "three came")
    with asking(port) as known:
        known.send(b"still here")
        assert known.recv(100) == b"echo:still here"
    assert len(visits(site)) == 3


def test_little_that_is_sent_brings_little_back_whatever_the_port(site: Whole) -> None:
    device = Pouring()
    port = poured(site, device)
    with asking(port) as one, asking(port) as two:
        one.send(b"x")
        found = [one.recv(2_000) for _ in range(4)]
        two.send(b"y")
        wait_until(lambda: device.poured == 2, 30, "the device answered both")
        for each in (one, two):
            each.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while True:
                    found.append(each.recv(2_000))
    octets = sum(len(each) + HEADER_OCTETS for each in found)
    assert 4 * Pouring.LENGTH <= octets <= FIRST_OCTETS + 2 * PER_OCTET * (1 + HEADER_OCTETS)


class Pouring(Answering):
    """A device that sends much for each datagram that it gets."""

    LENGTH = 1_000

    def __init__(self) -> None:
        super().__init__()
        self.poured = 0

    def dataReceived(self, data: bytes) -> None:
        for _, visitor in self._reader.feed(data):
            for _ in range(50):
                self.streams[-1].write(packet(bytes(self.LENGTH), visitor))
            self.poured += 1


def poured(site: Whole, device: Pouring) -> int:
    """The public port of such a device."""
    tunnel, _, port = dns(site, device)
    published(site, tunnel)
    return port


def test_whoever_is_silent_for_long_has_left_and_comes_again_by_another_visit(site: Whole) -> None:
    tunnel, _, port = dns(site, Answering())
    published(site, tunnel)
    with asking(port) as visitor:
        visitor.send(b"one")
        assert visitor.recv(100) == b"echo:one"
        site.rooms.later_s += public_datagrams.SILENCE_S + 1
        wait_until(lambda: [each[1] for each in visits(site)] == ["idle"], 5, "they have left")
        visitor.send(b"two")
        assert visitor.recv(100) == b"echo:two"
    assert len(visits(site)) == 2

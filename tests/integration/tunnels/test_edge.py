"""The port that agents dial: what it takes, whom it lets in, and how a session ends."""

import socket
import ssl
from typing import Any

import attrs
import pytest
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory

from services.tunnels import doorway, edge
from services.tunnels.edge import TAKEN_OVER
from services.tunnels.records.happenings import LoginRefused, SessionBegan, SessionEnded
from services.tunnels.rules.frames import SYN, FrameType, header
from services.tunnels.rules.messages import WIRE_V2
from shared.errors import UnavailableError
from shared.proxied import read_proxies
from shared.settings import Settings
from shared.tls import server_options
from tests.harness.tunnel_edge import DEVICE, LOCAL, World, edge_world, run
from tests.harness.waiting import wait_until
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.agents import SSH, agent, call, ended, is_closed, logged_in

LOGIN = b"o\0\0\0\0\0\0\0\2{}"


def dialled(world: World) -> socket.socket:
    return socket.create_connection((LOCAL, world.port), timeout=10)


def secured(world: World) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(dialled(world))


@pytest.mark.parametrize("first", [b"", b"\x17"], ids=["0x16", "0x17"])
def test_a_device_is_let_in(world: World, first: bytes) -> None:
    client = logged_in(world, first=first)

    assert len(client.run_id) == 16
    assert world.happened == [SessionBegan(DEVICE, LOCAL, None)]


def test_who_only_looks_whether_there_is_a_port_leaves_no_trace(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        dialled(world).close()

    logged_in(world)
    assert world.kinds() == ["SessionBegan"]
    written = capfd.readouterr()
    assert "tunnel_" not in written.out + written.err


@pytest.mark.parametrize(
    "octets", [b"o\0\0\0\0\0\0\0\2{}", b"GET /~!frp HTTP/1.1\r\n\r\n", b"\x00", b"\x17GET", WIRE_V2]
)
def test_nothing_is_said_without_tls(world: World, octets: bytes) -> None:
    with dialled(world) as connection:
        connection.sendall(octets)

        assert is_closed(connection)


@pytest.mark.parametrize("octets", [WIRE_V2, LOGIN, b"POST / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"])
def test_inside_tls_there_is_yamux_or_a_websocket(world: World, octets: bytes) -> None:
    with secured(world) as connection:
        connection.sendall(octets)

        assert is_closed(connection)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (WIRE_V2 + bytes(20), "wire v2"),
        (b"p\0\0\0\0\0\0\0\2{}", "a stream that begins with what it may not begin with"),
        (b"w\0\0\0\0\0\0\0\2{}", "a stream that begins with what it may not begin with"),
        (b"z\0\0\0\0\0\0\0\2{}", "no message of frp begins with 7a"),
        (b"o\0\0\0\0\0\0\x28\x01", "a message of 10241 octets"),
    ],
)
def test_a_stream_that_begins_wrongly_ends_the_session(
    world: World, first: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with secured(world) as connection:
        syn = header(FrameType.WINDOW_UPDATE, SYN, 1, 0)
        connection.sendall(syn + header(FrameType.DATA, 0, 1, len(first)) + first)

        assert is_closed(connection)
    assert reason in capfd.readouterr().out


@pytest.mark.parametrize(
    ("device", "proof", "reason"),
    [
        (DEVICE, "proof-43", "the tunnel proof is no device's"),
        (DEVICE, "", "the tunnel proof is no device's"),
        (attrs.evolve(DEVICE, address_of_live_session=None), "proof-42", "the device is not connected to the platform"),
        (
            attrs.evolve(DEVICE, address_of_live_session="192.0.2.1"),
            "proof-42",
            "the device is connected to the platform from another address",
        ),
    ],
)
def test_whom_it_does_not_let_in_it_tells_why(world: World, device: Any, proof: str, reason: str) -> None:
    world.devices["proof-42"] = device

    client, answer = run(agent(world, proof))

    assert answer.error == reason
    run(ended(client))
    assert [each.reason for each in world.happened if isinstance(each, LoginRefused)] == [reason]


def test_behind_a_proxy_a_device_comes_from_where_the_proxy_says(certificates: Certificates) -> None:
    here = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": f"{LOCAL}/32"}))
    with edge_world(certificates, here) as world:
        device = world.devices["proof-42"] = attrs.evolve(DEVICE, address_of_live_session="192.0.2.1")
        client = logged_in(world, first=b"PROXY TCP4 192.0.2.1 127.0.0.1 50000 7000\r\n")
        other, answer = run(agent(world, first=b"PROXY TCP4 192.0.2.2 127.0.0.1 50000 7000\r\n"))

        assert len(client.run_id) == 16
        assert world.happened[0] == SessionBegan(device, "192.0.2.1", None)
        assert answer.error == "the device is connected to the platform from another address"
        run(ended(other))


def test_a_device_that_logs_in_anew_takes_its_names_over(world: World) -> None:
    first = logged_in(world)
    assert run(first.offer(SSH)).error == ""

    second = logged_in(world)

    assert run(ended(first)) != ""
    assert world.offers() == 0
    assert run(second.offer(SSH)).remote_addr == ":16022"
    assert [each for each in world.happened if isinstance(each, SessionEnded)] == [SessionEnded(DEVICE, TAKEN_OVER)]
    assert world.happened[-2] == SessionBegan(DEVICE, LOCAL, LOCAL)


def test_a_session_that_ends_frees_its_names_at_once(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))

    call(client.link.end, "enough")
    wait_until(lambda: "SessionEnded" in world.kinds(), 10, "the session has ended")

    assert world.offers() == 0
    assert world.kinds() == ["SessionBegan", "Offered", "Withdrawn", "SessionEnded"]


def test_a_device_whose_credential_ends_is_cut_with_its_visits(world: World) -> None:
    client = logged_in(world)
    run(client.offer(SSH))
    port = world.raw_port("42-ssh-22-tcp")
    with socket.create_connection((LOCAL, port), timeout=10) as visitor:
        visitor.sendall(b"hello")
        assert visitor.recv(5, socket.MSG_WAITALL) == b"hello"

        assert call(world.edge.end, 42, "the device was revoked")

        assert is_closed(visitor)
    assert run(ended(client)) != ""
    assert world.happened[-1] == SessionEnded(DEVICE, "the device was revoked")
    assert not call(world.edge.end, 42, "the device was revoked")


def test_a_device_whose_lookup_fails_may_try_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_digest: bytes) -> None:
        raise UnavailableError("away")

    monkeypatch.setattr(world.edge.devices, "find", fails)

    _, answer = run(agent(world))

    assert "try again" in answer.error


def test_who_comes_through_another_listener_is_served_alike(world: World, certificates: Certificates) -> None:
    class Front(Factory):
        def buildProtocol(self, addr: Any) -> Any:
            return world.edge.inside_tls(addr)

    tls = server_options(certificates.certificate, certificates.key)
    front = world.listening(TLSMemoryBIOFactory(tls, False, Front()))

    _, answer = run(agent(world, port=front))

    assert answer.error == ""


def test_given_no_room_for_more_when_somebody_comes_then_they_are_sent_away_and_agents_that_are_in_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "MAY_BE_TURNED_OUT_AFTER_S", 60.0)
    client = logged_in(world)
    call(setattr, world.edge._doorway, "_most", 2)
    with dialled(world) as first, dialled(world) as second:
        wait_until(lambda: call(len, world.edge._doorway) == 2, 10, "both stand in the door")

        with dialled(world) as third:
            assert is_closed(third)

        assert first.fileno() != second.fileno()
        assert run(client.offer(SSH)).error == ""


def test_who_says_nothing_more_after_the_first_byte_is_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "LOGIN_S", 0.2)
    with dialled(world) as connection:
        connection.settimeout(5)
        connection.sendall(b"\x16")

        assert is_closed(connection)


def test_who_opens_tls_and_does_not_log_in_is_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "LOGIN_S", 0.5)
    with secured(world) as connection:
        connection.settimeout(5)
        assert is_closed(connection)

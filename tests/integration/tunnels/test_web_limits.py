"""What is not waited for: slow heads, devices that do not answer, connections that nobody uses. The clock is told."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import define, evolve
from twisted.internet.task import Clock

from services.tunnels import arriving, sharing
from services.tunnels.first_octets import FIRST_S
from services.tunnels.forwarding import CLOSE_S
from services.tunnels.records.tunnels import PublishTunnel
from services.tunnels.visitors import IDLE_S
from services.tunnels.web_exchange import ANSWER_S, BODY_S
from services.tunnels.web_visitors import listen_visitors
from shared.tls import server_options
from tests.harness.waiting import wait_until
from tests.harness.web_device import WebDevice
from tests.integration.database import Postgres
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.rooms import ANNA
from tests.integration.tunnels.web import HOST, Line, key_of, line, offered
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real


class Timers:
    """A reactor whose timers are the test's, and whose ports are real."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.seconds = self.clock.seconds
        self.listenTCP: Callable[..., Any] = reactor_thread.reactor.listenTCP


@define
class Told:
    """A visitors' listener whose clock the test moves."""

    site: Whole
    clock: Clock
    port: int

    def advance(self, seconds: float) -> None:
        async def moved() -> None:
            self.clock.advance(seconds)

        self.site.do(moved())

    def wait_for_timers(self, count: int) -> None:
        """Until so many things are waited for, by the told clock."""
        wait_until(lambda: len(self.clock.getDelayedCalls()) == count, 5, f"{count} timers")

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
            yield plain

    @contextmanager
    def line(self, name: str = HOST) -> Iterator[Line]:
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        with tls.wrap_socket(plain, server_hostname=name) as secured:
            yield Line(secured)

    def is_closed(self, connection: socket.socket) -> bool:
        """Whether the other side ended it; asked without waiting long where it did not."""
        connection.settimeout(0.3)
        try:
            return connection.recv(1) == b""
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True


@contextmanager
def told(site: Whole) -> Iterator[Told]:
    """One more listener of the site's, with a clock of its own."""
    timers: Any = Timers()
    tls = server_options(site.certificates.certificate, site.certificates.key)
    web = evolve(site.ways.web, reactor=timers)

    async def listen() -> Any:
        return listen_visitors(tls, 0, "127.0.0.1", site.ways.inside, web)

    async def stop() -> None:
        listening.stopListening()

    listening = site.do(listen())
    try:
        yield Told(site, timers.clock, listening.getHost().port)
    finally:
        site.do(stop())


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates) -> Iterator[Whole]:
    with whole(postgres, certificates) as made:
        yield made


@pytest.fixture(name="limited")
def fixture_limited(site: Whole) -> Iterator[Told]:
    with told(site) as made:
        yield made


def test_a_head_that_takes_too_long_is_not_waited_for(limited: Told) -> None:
    with limited.line() as one:
        one.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode())
        limited.wait_for_timers(1)
        limited.advance(FIRST_S / 2)
        one.send(b"X-A: b\r\n")  # trickling in does not help
        limited.advance(FIRST_S / 2 - 0.1)
        assert not limited.is_closed(one.socket)
        limited.advance(0.2)
        assert limited.is_closed(one.socket)


def test_nor_is_the_second_one_of_a_connection_however_long_that_was_idle(site: Whole, limited: Told) -> None:
    offered(site, WebDevice())
    with limited.line() as one:
        assert one.ask(f"GET / HTTP/1.1\nAuthorization: Bearer {key_of(site)}").status == 200
        limited.wait_for_timers(1)
        idle_ends = limited.clock.getDelayedCalls()[0].getTime()
        one.send(b"GET / HTTP/1.1\r\n")
        wait_until(lambda: limited.clock.getDelayedCalls()[0].getTime() < idle_ends, 5, "the head has its own time")
        limited.advance(FIRST_S - 0.1)
        assert not limited.is_closed(one.socket)
        limited.advance(0.2)
        assert limited.is_closed(one.socket)


def test_a_connection_that_nobody_uses_ends(site: Whole, limited: Told) -> None:
    offered(site, WebDevice())
    with limited.line() as one:
        assert one.ask(f"GET / HTTP/1.1\nAuthorization: Bearer {key_of(site)}").status == 200
        limited.wait_for_timers(1)
        limited.advance(IDLE_S - 0.1)
        assert not limited.is_closed(one.socket)
        limited.advance(0.2)
        assert limited.is_closed(one.socket)


def test_a_device_that_does_not_answer_is_504_and_the_connection_goes_on(site: Whole, limited: Told) -> None:
    device = WebDevice()
    offered(site, device)
    shown = f"Authorization: Bearer {key_of(site)}"
    with limited.line() as one, limited.line() as two:
        one.send(f"GET /never HTTP/1.1\r\nHost: {HOST}\r\n{shown}\r\n\r\n".encode())
        two.send(f"GET /never HTTP/1.1\r\nHost: {HOST}\r\n{shown}\r\nAccept: text/html\r\n\r\n".encode())
        wait_until(lambda: len(device.heads) == 2, 5, "the device was asked")
        limited.wait_for_timers(2)
        limited.advance(ANSWER_S - 0.1)
        assert not limited.is_closed(one.socket)
        one.socket.settimeout(10)
        limited.advance(0.2)
        answer = one.reply()
        assert (answer.status, b"gateway_timeout" in answer.body) == (504, True)
        page = two.reply()
        assert (page.status, b"<h1>Gateway Timeout</h1>" in page.body) == (504, True)
        assert one.ask(f"GET / HTTP/1.1\n{shown}").status == 200


SILENT = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n\r\n".encode()


def published(site: Whole, device: WebDevice) -> None:
    """The web tunnel of the device, for anybody."""
    tunnel = offered(site, device)
    site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))


def test_one_address_does_not_take_all_streams_of_a_device(site: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_OF_A_VISITOR", 2)
    device = WebDevice()
    published(site, device)
    with line(site) as one, line(site) as two, line(site) as three:
        one.send(SILENT)
        two.send(SILENT)
        wait_until(lambda: len(device.heads) == 2, 30, "the device was asked")
        refused = three.ask("GET / HTTP/1.1")
        assert (refused.status, b"over_limit" in refused.body) == (429, True)
        assert len(device.heads) == 2
        one.send(b"body")
        assert one.reply().status == 200
        assert three.ask("GET / HTTP/1.1").status == 200


def test_one_address_does_not_take_all_connections_of_the_listener(
    site: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MAX_OF_AN_ADDRESS", 2)
    published(site, WebDevice())
    with line(site) as one:
        with line(site) as two, pytest.raises((ssl.SSLError, ConnectionError)), line(site):
            assert two.ask("GET / HTTP/1.1").status == 200
        wait_until(lambda: comes(site), 30, "there is room again")
        assert one.ask("GET / HTTP/1.1").status == 200


def comes(site: Whole) -> bool:
    """Whether one more comes through."""
    try:
        with line(site) as one:
            return one.ask("GET / HTTP/1.1").status == 200
    except (ssl.SSLError, ConnectionError):
        return False


def test_a_body_that_does_not_come_is_not_waited_for_and_its_stream_is_given_back(
    site: Whole, limited: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MAX_OF_A_VISITOR", 1)
    device = WebDevice()
    published(site, device)
    with limited.line() as one:
        one.send(SILENT)
        wait_until(lambda: len(device.heads) == 1, 30, "the device was asked")
        limited.advance(BODY_S - 0.1)
        one.send(b"b")
        wait_until(lambda: device.raw[-1] == b"b", 30, "the device has a piece")
        limited.advance(BODY_S - 0.1)
        assert not limited.is_closed(one.socket)
        one.socket.settimeout(30)
        limited.advance(0.2)
        late = one.reply()
        assert (late.status, b"request_timeout" in late.body) == (408, True)
        assert one.is_closed()
    with limited.line() as two:
        assert two.ask("GET / HTTP/1.1").status == 200


def test_the_last_answer_of_a_connection_may_be_read_slowly(site: Whole, limited: Told) -> None:
    published(site, WebDevice())
    with limited.line() as one:
        assert one.ask("GET / HTTP/1.1\nConnection: close").status == 200
        limited.wait_for_timers(1)
        limited.advance(CLOSE_S - 0.1)
        limited.wait_for_timers(1)
        limited.advance(0.2)
        limited.wait_for_timers(0)


def test_a_visitor_who_takes_nothing_of_an_answer_does_not_keep_the_device_s_stream(
    site: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "STALLED_S", 1.0)
    monkeypatch.setattr(sharing, "MAX_OF_A_VISITOR", 1)
    device = WebDevice()
    published(site, device)
    with line(site) as stalled:
        stalled.send(f"GET /huge HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        wait_until(lambda: device.unsent is not None, 30, "nobody takes more of the answer")
        wait_until(lambda: comes(site), 30, "the stream is given back")


def test_a_refused_connection_that_its_visitor_does_not_close_is_cut(limited: Told) -> None:
    with limited.line() as one:
        one.send(b"NONSENSE\r\n\r\n")
        assert one.reply().status == 400
        limited.wait_for_timers(1)
        limited.advance(CLOSE_S + 0.1)
        limited.wait_for_timers(0)

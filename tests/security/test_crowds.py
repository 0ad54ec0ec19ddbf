"""Whoever holds connections of an HTTPS listener and asks for nothing keeps nobody out: real sockets, small bounds."""

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from twisted.internet import reactor
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from shared import https
from shared.proxied import NOBODY, Proxies, read_proxies
from shared.settings import Settings
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import listening

HERE = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": "127.0.0.0/8"}))
OF_AN_ADDRESS, IN_ALL = 4, 8
ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
TIMEOUT_S = 10.0


class Page(Resource):
    """Answers, except to who asks for `/slow` until `finish` is called."""

    isLeaf = 1

    def __init__(self) -> None:
        super().__init__()
        self.slow: list[Request] = []

    def render_GET(self, request: Request) -> bytes | int:
        if request.path != b"/slow":
            return b"content"
        self.slow.append(request)
        request.write(b"")  # the head: the client knows that it is being answered
        return NOT_DONE_YET

    def finish(self) -> None:
        """Answer all of them."""

        async def end() -> None:
            while self.slow:
                self.slow.pop().finish()

        reactor_thread.wait(end())


class Listener:
    """One of ours, and who connects to it."""

    def __init__(self, certificates: Certificates, port: int, page: Page, sockets: contextlib.ExitStack) -> None:
        self._context = ssl.create_default_context(cafile=str(certificates.ca))
        self._port = port
        self._sockets = sockets
        self.page = page

    def crowd(self, count: int, source: str) -> list[socket.socket]:
        """So many connections from there, which say nothing."""
        return [
            self._sockets.enter_context(
                socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S, source_address=(source, 0))
            )
            for _ in range(count)
        ]

    def ask(self, source: str, asked: bytes = ASKED, *, said: bytes = b"") -> ssl.SSLSocket:
        """A connection from there, on which that was asked for, after saying something before its TLS."""
        # Wrapped before it connects: of one that was turned away meanwhile Python would leave a socket open.
        made = self._sockets.enter_context(
            self._context.wrap_socket(socket.socket(), server_hostname="localhost", do_handshake_on_connect=False)
        )
        made.settimeout(TIMEOUT_S)
        made.bind((source, 0))
        made.connect(("127.0.0.1", self._port))
        os.write(made.fileno(), said)
        made.do_handshake()
        made.sendall(asked)
        return made

    def is_served(self, source: str, *, said: bytes = b"") -> bool:
        """Whether a newcomer from there is answered."""
        try:
            return self.ask(source, said=said).recv(1_000).startswith(b"HTTP/1.1 200")
        except (ssl.SSLError, ConnectionError):
            return False


Open = Callable[..., "contextlib.AbstractContextManager[Listener]"]


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(Path(tmp_path_factory.mktemp("crowds")))


@pytest.fixture(name="opened")
def fixture_opened(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr(https, "MAX_CONNECTIONS", IN_ALL)

    @contextlib.contextmanager
    def opened(proxies: Proxies = NOBODY) -> Iterator[Listener]:
        page = Page()
        with (
            listening(
                certificates,
                lambda tls: https.listen_https(
                    tls,
                    0,
                    "127.0.0.1",
                    page,
                    idle_timeout_s=30,
                    of_an_address=OF_AN_ADDRESS,
                    proxies=proxies,
                    reactor=reactor,
                ),
            ) as port,
            contextlib.ExitStack() as sockets,
        ):
            yield Listener(certificates, port, page, sockets)

    return opened


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits has had the time to ask."""
    monkeypatch.setattr("shared.places.ROOM_AFTER_S", 0.0)


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("ironflock_https_dropped_connections_total", {"reason": reason}) or 0.0


def is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def goes_on(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True


def test_an_address_has_its_share_and_no_more(opened: Open) -> None:
    before = dropped("no_room")
    with opened() as listener:
        crowd = listener.crowd(OF_AN_ADDRESS, "127.0.0.9")

        assert not listener.is_served("127.0.0.9")

        assert dropped("no_room") == before + 1
        assert listener.is_served("127.0.0.1")
        assert all(goes_on(each) for each in crowd)


@pytest.mark.usefixtures("no_time")
def test_of_its_own_address_a_newcomer_takes_the_place_of_the_one_that_has_waited_longest(opened: Open) -> None:
    before = dropped("made_room")
    with opened() as listener:
        crowd = listener.crowd(OF_AN_ADDRESS, "127.0.0.9")

        assert listener.is_served("127.0.0.9")

        assert is_cut(crowd[0])
        assert all(goes_on(each) for each in crowd[1:])
        assert dropped("made_room") == before + 1


@pytest.mark.usefixtures("no_time")
def test_of_all_the_address_with_most_of_them_makes_room(opened: Open) -> None:
    with opened() as listener:
        few = listener.crowd(1, "127.0.0.7")
        many = listener.crowd(OF_AN_ADDRESS, "127.0.0.8")
        more = listener.crowd(IN_ALL - OF_AN_ADDRESS - 1, "127.0.0.9")

        assert listener.is_served("127.0.0.1")

        assert is_cut(many[0])
        assert all(goes_on(each) for each in [*few, *many[1:], *more])


@pytest.mark.usefixtures("no_time")
def test_who_is_being_answered_goes_for_nobody_and_who_was_answered_does(opened: Open) -> None:
    with opened() as listener:
        slow = [listener.ask("127.0.0.9", ASKED.replace(b"/", b"/slow", 1)) for _ in range(OF_AN_ADDRESS)]
        assert all(each.recv(1_000).startswith(b"HTTP/1.1 200") for each in slow)

        assert not listener.is_served("127.0.0.9")

        listener.page.finish()
        assert all(each.recv(1_000) for each in slow)  # the end of each answer
        assert listener.is_served("127.0.0.9")


@pytest.mark.parametrize(
    ("crowd", "stranger"),
    [
        pytest.param(["198.51.100.9"] * OF_AN_ADDRESS, "198.51.100.8", id="IPv4"),
        pytest.param([f"2001:db8:0:7::{n:x}" for n in range(1, OF_AN_ADDRESS + 1)], "2001:db8:0:8::1", id="IPv6"),
        pytest.param(["::ffff:198.51.100.9"] * OF_AN_ADDRESS, "::ffff:198.51.100.8", id="mapped"),
    ],
)
def test_behind_a_proxy_the_address_is_that_which_it_tells_and_of_ipv6_its_network(
    opened: Open, crowd: list[str], stranger: str
) -> None:
    def named(address: str) -> bytes:
        family, here = ("TCP6", "::1") if ":" in address else ("TCP4", "127.0.0.1")
        return f"PROXY {family} {address} {here} 51000 443\r\n".encode()

    with opened(HERE) as listener:
        for address in crowd:
            listener.ask("127.0.0.1", b"", said=named(address))

        assert not listener.is_served("127.0.0.1", said=named(crowd[0]))
        assert listener.is_served("127.0.0.1", said=named(stranger))

"""An HTTPS listener bounds its connections and serves nothing in clear."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.static import Data

from shared import https
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import ask, listening


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(Path(tmp_path_factory.mktemp("https")))


class Counting(Resource):
    """Answers how much it was sent."""

    def render_POST(self, request: Request) -> bytes:
        assert request.content is not None
        return str(len(request.content.read())).encode()


@pytest.fixture(name="port")
def fixture_port(certificates: Certificates) -> Iterator[int]:
    root = Resource()
    root.putChild(b"page", Data(b"content", "text/plain"))
    root.putChild(b"count", Counting())
    with listening(certificates, lambda tls: https.listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=1)) as port:
        yield port


def test_a_page_is_served(certificates: Certificates, port: int) -> None:
    assert ask(certificates, port, "/page")[::2] == (200, b"content")


def test_given_plain_http_when_it_is_sent_then_nothing_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert b"content" not in plain.recv(1000)


def test_a_connection_that_asks_nothing_is_closed(certificates: Certificates, port: int) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as idle,
    ):
        assert idle.recv(1) == b""


def test_connections_have_a_limit(certificates: Certificates, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert port
    monkeypatch.setattr(https, "MAX_CONNECTIONS", 1)
    with (
        listening(
            certificates, lambda tls: https.listen_https(tls, 0, "127.0.0.1", Resource(), idle_timeout_s=30)
        ) as limited,
        socket.create_connection(("127.0.0.1", limited), timeout=10),
        socket.create_connection(("127.0.0.1", limited), timeout=10) as second,
    ):
        assert second.recv(1) == b""


def send(certificates: Certificates, port: int, octets: bytes) -> bytes:
    """What is answered to `octets` until the listener closes."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(octets)
        answered = b""
        while octets_more := connection.recv(65_536):
            answered += octets_more
        return answered


HEAD = b"POST /page HTTP/1.1\r\nHost: localhost\r\n"


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(certificates: Certificates, port: int) -> None:
    answered = send(certificates, port, HEAD + b"Content-Length: 65537\r\n\r\n")

    assert answered.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_turns_out_too_large_is_refused_once(certificates: Certificates, port: int) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    answered = send(certificates, port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")

    assert answered.count(b"HTTP/1.1 413 ") == 1
    assert answered.count(b"HTTP/1.1 ") == 1


def test_a_body_of_the_allowed_size_is_taken(certificates: Certificates, port: int) -> None:
    body = b"x" * 65_536
    head = HEAD.replace(b"/page", b"/count") + b"Connection: close\r\nContent-Length: 65536\r\n\r\n"
    answered = send(certificates, port, head + body)

    assert answered.endswith(b"\r\n\r\n65536")


def test_a_body_that_trickles_in_is_not_waited_for(
    certificates: Certificates, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(https, "BODY_TIMEOUT_S", 0.5)

    assert send(certificates, port, HEAD + b"Content-Length: 10\r\n\r\nx") == b""

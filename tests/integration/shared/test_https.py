"""An HTTPS listener bounds its connections and serves nothing in clear."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.web.resource import Resource
from twisted.web.static import Data

from shared import https
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import ask, listening


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(Path(tmp_path_factory.mktemp("https")))


@pytest.fixture(name="port")
def fixture_port(certificates: Certificates) -> Iterator[int]:
    root = Resource()
    root.putChild(b"page", Data(b"content", "text/plain"))
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

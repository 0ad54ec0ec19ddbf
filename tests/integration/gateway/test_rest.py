"""REST on the wire: what Twisted makes of octets, and what comes back over HTTPS."""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from services.gateway.procedures.docs import Docs
from services.gateway.procedures.rest import Rest
from services.gateway.procedures.site import SECURITY_HEADERS, Root
from services.gateway.records import Answer, Asked
from services.gateway.serving import Serving
from shared.https import listen_https
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import Answer as Reply
from tests.integration.reactor import ask, listening

BASE = "/v1/ironflock"
Ask = Callable[..., Reply]


class Noting:
    """Answers everything, and notes what it was asked."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self.asked: list[Asked] = []
        self.reply = Answer(200, b'{"a": 1}', (("link", "<x>"),))

    async def answer(self, asked: Asked) -> Answer:
        """As the test says."""
        self.asked.append(asked)
        return self.reply


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(name="noting")
def fixture_noting() -> Noting:
    return Noting()


@pytest.fixture(name="port")
def fixture_port(certificates: Certificates, noting: Noting, tmp_path: Path) -> Iterator[int]:
    tasks: list[Any] = []

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.ensure_future(work))

    root = Root(tmp_path, "0.20.20")
    root.add_rest(Rest(cast("Serving", noting), spawn), Docs())
    with listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=10)) as port:
        yield port


def send(certificates: Certificates, port: int, octets: bytes) -> bytes:
    """What is answered to `octets` until the listener closes."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(octets)
        answered = b""
        while more := connection.recv(65_536):
            answered += more
        return answered


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as it stands on the wire."""
    head = "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""])
    return head.encode() + body


def test_a_request_reaches_serving_as_it_came(certificates: Certificates, port: int, noting: Noting) -> None:
    line = f"POST {BASE}/devices/%2e%2e//x?a=%00&b=1"
    send(certificates, port, request(line, "X: 1", "x: 2", "Content-Length: 2", body=b"{}"))

    [asked] = noting.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/devices/%2e%2e//x", "a=%00&b=1")
    assert asked.header("x") == ("1", "2")
    assert (asked.body, asked.address) == (b"{}", "127.0.0.1")


def test_an_answer_has_its_headers_and_the_site_s(certificates: Certificates, port: int) -> None:
    status, headers, content = ask(certificates, port, f"{BASE}/devices")

    assert (status, content, headers["content-type"], headers["link"]) == (200, b'{"a": 1}', "application/json", "<x>")
    assert {name.decode(): value.decode() for name, value in SECURITY_HEADERS.items()}.items() <= headers.items()
    assert not [name for name in headers if name.startswith("access-control-")]


def test_no_content_has_no_type(certificates: Certificates, port: int, noting: Noting) -> None:
    noting.reply = Answer(204)

    status, headers, content = ask(certificates, port, f"{BASE}/sessions/x", "DELETE")

    assert (status, content) == (204, b"")
    assert "content-type" not in headers


def test_head_is_a_get_without_content(certificates: Certificates, port: int, noting: Noting) -> None:
    status, headers, content = ask(certificates, port, f"{BASE}/devices", "HEAD")

    assert (status, headers["content-length"], content) == (200, "8", b"")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "CONNECT", "QUERY"])
def test_every_method_is_serving_s_to_refuse(
    certificates: Certificates, port: int, noting: Noting, method: str
) -> None:
    ask(certificates, port, f"{BASE}/devices", method)

    assert [asked.method for asked in noting.asked] == [method]


@pytest.mark.parametrize("path", ["/%761/ironflock/devices", "/v1/%69ronflock/devices"])
def test_an_escaped_base_is_no_path(certificates: Certificates, port: int, noting: Noting, path: str) -> None:
    ask(certificates, port, path)

    assert [asked.path for asked in noting.asked] == [""]


@pytest.mark.parametrize(
    "path", ["//v1/ironflock/devices", "/v1%2fironflock/devices", "/v1", "/v1/", "/v2/ironflock/devices", "/v1/../x"]
)
def test_what_lies_elsewhere_is_not_there(certificates: Certificates, port: int, noting: Noting, path: str) -> None:
    assert ask(certificates, port, path)[0] == 404
    assert noting.asked == []


def test_the_description_is_served_to_anybody(certificates: Certificates, port: int, noting: Noting) -> None:
    status, headers, content = ask(certificates, port, f"{BASE}/openapi.json")

    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(content)["openapi"].startswith("3.1.")
    assert ask(certificates, port, f"{BASE}/openapi.json", "POST")[0] == 405
    assert noting.asked == []


def test_a_body_that_is_too_large_is_refused_as_everything_else(certificates: Certificates, port: int) -> None:
    answered = send(certificates, port, request(f"POST {BASE}/swarms", "Content-Length: 65537"))

    head, _, content = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(content)["code"] == "content_too_large"


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, identity",),
        ("Content-Length: -1",),
        ("Content-Length: 1_0",),
    ],
    ids=repr,
)
def test_a_body_of_two_lengths_is_refused(
    certificates: Certificates, port: int, noting: Noting, headers: tuple[str, ...]
) -> None:
    answered = send(certificates, port, request(f"POST {BASE}/swarms", *headers, body=b"{}GET / HTTP/1.1\r\n\r\n"))

    assert answered.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")) or answered == b""
    assert noting.asked == []


def test_whoever_leaves_early_disturbs_nobody(certificates: Certificates, port: int, noting: Noting) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(request(f"GET {BASE}/devices"))

    assert ask(certificates, port, f"{BASE}/devices")[0] == 200

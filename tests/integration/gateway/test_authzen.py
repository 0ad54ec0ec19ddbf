"""AuthZEN over HTTPS: the document, the request's identifier, and what comes of octets."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from services.gateway.evaluating import Evaluating
from services.gateway.procedures.authzen import Configuration, Decisions
from services.gateway.procedures.site import SECURITY_HEADERS, Root
from services.gateway.records import Answer
from services.gateway.rules.authzen import configuration
from shared.https import listen_https
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.gateway.test_rest import Noting, request, send
from tests.integration.reactor import ask, listening

ORIGIN = "https://gateway.example.com"
DOCUMENT = "/.well-known/authzen-configuration"
POST = "POST /access/v1/evaluation"


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(name="noting")
def fixture_noting() -> Noting:
    made = Noting()
    made.reply = Answer(200, b'{"decision": true}')
    return made


@pytest.fixture(name="port")
def fixture_port(certificates: Certificates, noting: Noting, tmp_path: Path) -> Iterator[int]:
    tasks: list[Any] = []

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.ensure_future(work))

    root = Root(tmp_path, "0.20.20")
    root.add_authzen(Decisions(cast("Evaluating", noting), spawn), Configuration(ORIGIN))
    with listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=10)) as port:
        yield port


def test_the_document_is_there_for_anybody(certificates: Certificates, port: int) -> None:
    status, headers, content = ask(certificates, port, DOCUMENT)

    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(content) == configuration(ORIGIN)
    assert {name.decode(): value.decode() for name, value in SECURITY_HEADERS.items()}.items() <= headers.items()


@pytest.mark.filterwarnings("ignore:twisted.web.resource.*:DeprecationWarning")  # Twisted's own use of it
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_document_can_only_be_read(certificates: Certificates, port: int, method: str) -> None:
    assert ask(certificates, port, DOCUMENT, method)[0] in (405, 501)


@pytest.mark.parametrize(
    "path",
    [
        f"{DOCUMENT}/tenant1",
        f"{DOCUMENT}/",
        "/.well-known",
        "/.well-known/",
        "/.well-known/x",
        "/access",
        "/access/",
        "/access/v2/evaluation",
        "/access/v1%2fevaluation",
    ],
)
def test_what_lies_elsewhere_is_not_there(certificates: Certificates, port: int, noting: Noting, path: str) -> None:
    assert ask(certificates, port, path)[0] == 404
    assert noting.asked == []


def test_a_request_comes_as_it_was_sent(certificates: Certificates, port: int, noting: Noting) -> None:
    answered = send(certificates, port, request(POST, "Content-Length: 2", body=b"{}"))

    head, _, content = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: application/json" in head.lower()
    assert content == b'{"decision": true}'
    [asked] = noting.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/evaluation", b"{}")


@pytest.mark.parametrize(
    "identifier", [b"bfe9eb29-ab87-4ca3-be83-a1d5d8305716", b"x" * 4000, b'"<script>"', b"\xe4\xff", b"a b, c"]
)
@pytest.mark.parametrize("status", [200, 400, 403, 503])
def test_the_request_s_identifier_comes_back(
    certificates: Certificates, port: int, noting: Noting, identifier: bytes, status: int
) -> None:
    noting.reply = Answer(status, b"{}")

    head = f"{POST} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: ".encode() + identifier
    answered = send(certificates, port, head + b"\r\nContent-Length: 2\r\n\r\n{}")

    lines = answered.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} ".encode())
    assert [line.partition(b": ")[2] for line in lines if line.lower().startswith(b"x-request-id")] == [identifier]


def test_without_an_identifier_none_is_made_up(certificates: Certificates, port: int) -> None:
    assert b"x-request-id" not in send(certificates, port, request(POST, "Content-Length: 2", body=b"{}")).lower()


def test_a_body_that_is_too_large_is_refused(certificates: Certificates, port: int, noting: Noting) -> None:
    answered = send(certificates, port, request(POST, "Content-Length: 65537"))

    assert answered.startswith(b"HTTP/1.1 413 ")
    assert noting.asked == []

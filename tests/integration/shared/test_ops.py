"""The operators' listener: health and metrics, over TLS only."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import ops
from shared.health import Health
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import ask, listening


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(Path(tmp_path_factory.mktemp("ops")))


@pytest.fixture(name="health")
def fixture_health() -> Health:
    return Health("bus")


@pytest.fixture(name="port")
def fixture_port(certificates: Certificates, health: Health) -> Iterator[int]:
    with listening(certificates, lambda tls: ops.listen(reactor_thread.reactor, 0, "127.0.0.1", tls, health)) as port:
        yield port


def test_a_process_is_alive_whatever_its_parts_are(certificates: Certificates, port: int) -> None:
    status, headers, content = ask(certificates, port, "/health/live")

    assert (status, headers["content-type"], json.loads(content)) == (200, "application/json", {"live": True})


def test_readiness_follows_health(certificates: Certificates, port: int, health: Health) -> None:
    status, headers, content = ask(certificates, port, "/health/ready")
    assert (status, headers["content-type"]) == (503, "application/json")
    assert json.loads(content) == {"ready": False, "parts": {"bus": {"ok": False, "reason": "not started yet"}}}

    health.set("bus", ok=True)

    status, _, content = ask(certificates, port, "/health/ready")
    assert (status, json.loads(content)) == (200, {"ready": True, "parts": {"bus": {"ok": True, "reason": ""}}})


def test_metrics_are_in_the_text_of_prometheus(certificates: Certificates, port: int) -> None:
    status, headers, content = ask(certificates, port, "/metrics")

    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert b"ironflock_procedure_seconds" in content


@pytest.mark.filterwarnings("ignore:twisted.web.resource.*:DeprecationWarning")  # Twisted's own use of it
@pytest.mark.parametrize("path", ["/", "/health", "/health/other", "/metricsx", "/%00", "/health/%2e%2e"])
def test_nothing_else_is_there(certificates: Certificates, port: int, path: str) -> None:
    status, _, content = ask(certificates, port, path)

    assert status in (404, 405)
    assert b"Traceback" not in content


def test_given_plain_http_when_it_is_sent_then_nothing_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = plain.recv(1000)

    assert b"HTTP" not in answer
    assert b"live" not in answer

"""What the gateway serves to agents, octet by octet: they are strict in odd places (wire-agent section 7)."""

import hashlib
import http.client
import json
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Final

import pytest

from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

BINARY: Final = b"\x7fELF a binary of an agent" * 1000
FOLDER: Final = "linux/amd64/9.9.9"


@pytest.fixture
def updates(ironflock: RunningPlatform) -> Iterator[Path]:
    folder = ironflock.state.agent_updates / "re-agent" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reagent").write_bytes(BINARY)
    yield folder
    (folder / "reagent").unlink()


def get(platform: RunningPlatform, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    """The answer to one request, the path being sent as it is."""
    connection = http.client.HTTPSConnection("localhost", platform.ports.gateway, timeout=10, context=platform.tls)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.endheaders()
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_an_agent_is_told_its_own_version_so_that_it_does_not_update_itself_from_elsewhere(
    ironflock: RunningPlatform,
) -> None:
    response, body = get(ironflock, "/re-agent/availableVersions.json")

    assert response.status == 200
    assert json.loads(body) == dict.fromkeys(("production", "test", "local", "all"), "0.20.20")


def test_a_binary_comes_with_its_length_and_its_digest_beside_it(ironflock: RunningPlatform, updates: Path) -> None:
    response, body = get(ironflock, f"/re-agent/{FOLDER}/reagent")
    digest_response, digest = get(ironflock, f"/re-agent/{FOLDER}/reagent.sha256")

    assert body == BINARY == (updates / "reagent").read_bytes()
    assert response.getheader("Content-Length") == str(len(BINARY))
    assert digest_response.status == 200
    assert digest.split()[0].decode() == hashlib.sha256(BINARY).hexdigest()


MISSING = [
    "/re-agent/linux/amd64/1.2.3/reagent",
    "/re-agent/linux/amd64/1.2.3/reagent.sha256",
    "/re-agent/",
    "/re-agent/linux/",
    "/nothing",
    "/",
]


@pytest.mark.usefixtures("updates")
@pytest.mark.parametrize("path", MISSING)
def test_what_is_not_there_is_refused_without_a_length_that_an_agent_would_take_for_a_binary(
    ironflock: RunningPlatform, path: str
) -> None:
    response, _ = get(ironflock, path)

    assert response.status == 404
    assert response.getheader("Content-Length") is None


TRAVERSALS = [
    "/re-agent/../../owner-api-key",
    "/re-agent/%2e%2e/%2e%2e/owner-api-key",
    "/re-agent/..%2f..%2fowner-api-key",
    "/re-agent/..%5c..%5cowner-api-key",
    "/re-agent/%2fetc/passwd",
    "//etc/passwd",
    "/re-agent//etc/passwd",
    "/re-agent/../secrets/master-keys.json",
    "/re-agent/%00/owner-api-key",
    "/re-agent/%ff%fe/owner-api-key",
    "/re-agent/..%2f..%2fowner-api-key.sha256",
    "/../state/owner-api-key",
    "/re-agent/" + "x" * 5000,
]


@pytest.mark.usefixtures("updates")
@pytest.mark.parametrize("path", TRAVERSALS)
def test_nothing_outside_the_folder_is_served(ironflock: RunningPlatform, path: str) -> None:
    response, body = get(ironflock, path)

    assert response.status in (400, 404)
    assert ironflock.owner_key.encode() not in body
    assert b"root:" not in body
    assert response.getheader("Content-Length") is None or not body


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "TRACE", "OPTIONS"])
def test_nothing_can_be_changed_over_http(ironflock: RunningPlatform, updates: Path, method: str) -> None:
    response, _ = get(ironflock, f"/re-agent/{FOLDER}/reagent", method)

    assert response.status in (404, 405, 501)
    assert (updates / "reagent").read_bytes() == BINARY


def test_every_answer_says_that_the_connection_must_stay_encrypted(ironflock: RunningPlatform) -> None:
    for path in ("/health", "/re-agent/availableVersions.json", "/nothing"):
        response, _ = get(ironflock, path)
        assert response.getheader("Strict-Transport-Security")
        assert response.getheader("X-Content-Type-Options") == "nosniff"

"""The gateway's pages and the agents' update files, over HTTPS, with paths as an attacker writes them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.gateway.procedures.site import SECURITY_HEADERS, Root
from shared.https import listen_https
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import Answer, ask, listening

BINARY = b"\x7fELF marker of a binary" * 1000
PATH = "/re-agent/linux/amd64/0.20.21/reagent"
Ask = Callable[..., Answer]


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    """Update files, with a secret beside their folder."""
    binary = tmp_path / "updates" / PATH.removeprefix("/")
    binary.parent.mkdir(parents=True)
    binary.write_bytes(BINARY)
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "updates" / "secret").write_text("s3cret")
    (tmp_path / "updates" / "secret.sha256").write_text("s3cret")
    return tmp_path / "updates"


@pytest.fixture(name="ask_for")
def fixture_ask_for(certificates: Certificates, folder: Path) -> Iterator[Ask]:
    root = Root(folder, "0.20.20")
    with listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=10)) as port:
        yield lambda path, method="GET": ask(certificates, port, path, method)


def test_a_binary_comes_with_its_length(ask_for: Ask) -> None:
    status, headers, content = ask_for(PATH)

    assert (status, headers["content-length"], content) == (200, str(len(BINARY)), BINARY)


def test_its_digest_is_computed_where_there_is_no_file(ask_for: Ask) -> None:
    status, _, content = ask_for(PATH + ".sha256")

    assert status == 200
    assert content.split()[0].decode() == hashlib.sha256(BINARY).hexdigest()


def test_a_digest_in_the_folder_goes_first(ask_for: Ask, folder: Path) -> None:
    (folder / (PATH.removeprefix("/") + ".sha256")).write_text("ab  reagent\n")

    assert ask_for(PATH + ".sha256")[2] == b"ab  reagent\n"


def test_without_a_file_agents_are_told_the_known_version(ask_for: Ask) -> None:
    status, headers, content = ask_for("/re-agent/availableVersions.json")

    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(content) == dict.fromkeys(("production", "test", "local", "all"), "0.20.20")


def test_the_operator_s_file_goes_first(ask_for: Ask, folder: Path) -> None:
    (folder / "re-agent" / "availableVersions.json").write_text('{"all": "0.20.21"}')

    assert json.loads(ask_for("/re-agent/availableVersions.json")[2]) == {"all": "0.20.21"}


@pytest.mark.parametrize(
    "path",
    [
        "/re-agent/linux/amd64/0.20.22/reagent",
        "/re-agent/linux/amd64/0.20.22/reagent.sha256",
        "/re-agent/linux/amd64/0.20.21/other",
        "/re-agent/linux/availableVersions.json",
        "/re-agent/",
        "/re-agent/linux/",
        "/re-agent/linux/amd64/0.20.21/.sha256",
        "/re-agent/.sha256",
        "/other",
        "/secret",
        "/",
        PATH + "/x",
        PATH + "/x.sha256",
    ],
)
def test_what_is_not_there_is_refused_without_a_length(ask_for: Ask, path: str) -> None:
    status, headers, content = ask_for(path)

    assert status == 404
    assert "content-length" not in headers
    assert b"<" not in content


@pytest.mark.parametrize(
    "name",
    [
        "..%2fsecret",
        "../secret",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "..%2f..%2fsecret",
        "linux/..%2f..%2fsecret",
        "linux/%2e%2e/%2e%2e/%2e%2e/secret",
        "%2fetc%2fpasswd",
        "..%5csecret",
        "..%c0%afsecret",
        "%00",
        "linux%00",
        "secret%00.sha256",
        "..%2fsecret%00.sha256",
        "..%2fsecret.sha256",
        "%2fetc%2fpasswd.sha256",
        "%ff%fe",
        "%ff.sha256",
        "a" * 300,
        "a" * 300 + ".sha256",
        "a/" * 500,
    ],
)
def test_nothing_outside_the_folder_is_ever_served(ask_for: Ask, name: str) -> None:
    status, headers, content = ask_for(f"/re-agent/{name}")

    assert status == 404
    assert "content-length" not in headers
    assert b"s3cret" not in content
    assert b"root:" not in content
    assert b"Traceback" not in content


@pytest.mark.parametrize("path", ["/health", PATH, "/re-agent/availableVersions.json", "/other", "/re-agent/%2e%2e"])
def test_every_answer_has_the_security_headers(ask_for: Ask, path: str) -> None:
    _, headers, _ = ask_for(path)

    assert {name.decode(): value.decode() for name, value in SECURITY_HEADERS.items()}.items() <= headers.items()


def test_the_gateway_is_alive(ask_for: Ask) -> None:
    status, _, content = ask_for("/health")

    assert (status, json.loads(content)) == (200, {"status": "ok"})


@pytest.mark.filterwarnings("ignore:twisted.web.resource.*:DeprecationWarning")  # Twisted's own use of it
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/health", PATH, "/re-agent/new", "/re-agent/availableVersions.json"])
def test_nothing_can_be_changed(ask_for: Ask, folder: Path, method: str, path: str) -> None:
    status, _, _ = ask_for(path, method)

    assert status in (404, 405, 501)
    assert (folder / PATH.removeprefix("/")).read_bytes() == BINARY
    assert not (folder / "re-agent" / "new").exists()

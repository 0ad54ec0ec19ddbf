"""`flockctl audit witness` as a process, over HTTPS."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import frozen
from deploy.flockctl.commands.audit_witness import parse_address

from deploy.flockctl.errors import CommandError
from shared.tlog.note import VerifierKey
from shared.tlog.witness import MAX_REQUEST_LENGTH, cosignatures_in
from tests.unit.tlog.log_folder import LOG_KEY, ORIGIN, WITNESS_KEY
from tests.unit.verifier.served_folder import Certificate, made_certificate
from tests.unit.witness.test_witness import FORK, request, text_of

Got = tuple[int, str, bytes]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_certificate(tmp_path_factory.mktemp("tls"))


@frozen
class Running:
    """A witness that runs, and how it is reached."""

    process: subprocess.Popen[str]
    said: dict[str, object]
    certificate: Certificate

    def ask(self, method: str, path: str, body: bytes | None = None) -> Got:
        context = ssl.create_default_context(cafile=self.certificate.ca)
        connection = http.client.HTTPSConnection("localhost", int(str(self.said["port"])), timeout=20, context=context)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read()
        finally:
            connection.close()


def command(folder: Path, certificate: Certificate, *more: str) -> list[str]:
    flockctl = str(Path(sys.executable).with_name("flockctl"))
    own = ["--state", str(folder), "--certificate", str(certificate.certificate), "--key", str(certificate.key)]
    return [flockctl, "audit", "witness", "--json", "--listen", "127.0.0.1:0", *own, *more]


@contextmanager
def running(folder: Path, certificate: Certificate) -> Iterator[Running]:
    words = command(folder, certificate, "--log-key", LOG_KEY.vkey, "--name", "witness.test/w")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Running(process, json.loads(process.stdout.readline()), certificate)
        finally:
            process.kill()


def test_it_cosigns_survives_a_kill_and_never_cosigns_a_fork(tmp_path: Path, certificate: Certificate) -> None:
    with running(tmp_path / "w", certificate) as first:
        key = VerifierKey.parse(str(first.said["witness"]))
        body = request(0, 9)
        status, kind, answer = first.ask("POST", "/add-checkpoint", body)
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        assert len(cosignatures_in(answer, text_of(body), [key])) == 1
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()

    with running(tmp_path / "w", certificate) as second:
        assert second.said["witness"] == key.text
        assert second.ask("POST", "/add-checkpoint", request(0, 20, FORK)) == (409, "text/x.tlog.size", b"9\n")
        assert second.ask("POST", "/add-checkpoint", request(9, 9, FORK))[0] == 422
        assert second.ask("POST", "/add-checkpoint", request(9, 20))[0] == 200
        status, _, note = second.ask("GET", f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
        assert (status, note.startswith(f"{ORIGIN}\n20\n".encode())) == (200, True)


def test_other_paths_methods_and_sizes_are_refused(tmp_path: Path, certificate: Certificate) -> None:
    with running(tmp_path / "w", certificate) as witness:
        assert witness.ask("GET", "/add-checkpoint")[0] == 405
        assert witness.ask("GET", "/")[0] == 404
        assert witness.ask("GET", "/../witness.key")[0] == 404
        assert witness.ask("GET", f"/{'0' * 64}/checkpoint")[0] == 404
        assert witness.ask("POST", "/add-checkpoint", b"nonsense")[0] == 400
        with pytest.raises((http.client.HTTPException, OSError)):
            witness.ask("POST", "/add-checkpoint", b"x" * (MAX_REQUEST_LENGTH + 1))
        assert witness.ask("POST", "/add-checkpoint", request(0, 3))[0] == 200


def test_it_ends_well_when_it_is_asked_to(tmp_path: Path, certificate: Certificate) -> None:
    with running(tmp_path / "w", certificate) as witness:
        os.kill(witness.process.pid, signal.SIGTERM)

        assert witness.process.wait(20) == 0


def test_a_second_witness_over_the_same_folder_does_not_start(tmp_path: Path, certificate: Certificate) -> None:
    with running(tmp_path / "w", certificate):
        words = command(tmp_path / "w", certificate, "--log-key", LOG_KEY.vkey)
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["code"] == "in_use"


def test_without_the_key_of_a_log_or_a_certificate_it_does_not_start(tmp_path: Path, certificate: Certificate) -> None:
    words = command(tmp_path / "w", certificate, "--log-key", WITNESS_KEY.vkey)
    assert subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 2

    absent = Certificate(certificate.ca, tmp_path / "absent.pem", certificate.key)
    words = command(tmp_path / "w", absent, "--log-key", LOG_KEY.vkey)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, json.loads(done.stderr)["error"]["code"]) == (1, "no_certificate")


def test_addresses_are_ip_addresses_with_a_port() -> None:
    assert (parse_address("127.0.0.1:8460").interface, parse_address("[::1]:0").interface) == ("127.0.0.1", "::1")
    for text in ("", "localhost:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:5"):
        with pytest.raises(CommandError):
            parse_address(text)

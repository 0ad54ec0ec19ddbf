"""A stock registry of images (Debian's `docker-registry`): it takes our tokens for what they say, and no others."""

import asyncio
import hashlib
import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.ports import free_ports
from tests.harness.registry_door import ANNAS, ISSUER, OTHERS, OWN, SECRET, Door
from tests.harness.waiting import wait_until
from tests.integration.flockctl.certificates import make_certificates

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@frozen
class Registry:
    """A registry that runs, and the endpoint that it sends people to."""

    port: int
    ca: Path
    door: Door

    def token(self, name: str, password: str, scope: str) -> str:
        """What the endpoint gives."""
        answer = asyncio.run(self.door.ask(name, password, f"scope={scope}"))
        assert answer.status == 200
        return str(answer.content["token"])

    def device(self, name: str) -> str:
        """The token by which the device pulls from the repository `name`."""
        return self.token(asyncio.run(self.door.login()), SECRET, f"repository:{name}:pull")

    def ask(
        self, method: str, path: str, token: str | None, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, Any, bytes]:
        """Status, headers and body."""
        url = path if path.startswith("https://") else f"https://localhost:{self.port}{path}"
        headers = {"Content-Type": kind, "Accept": MANIFEST}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - https, of this test
        try:
            trusted = ssl.create_default_context(cafile=str(self.ca))
            with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:  # noqa: S310
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def push(self, name: str, token: str) -> str:
        """An image of one layer, under the tag 1.0.0; the digest of the layer."""
        layer = b"a layer"
        digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        status, headers, _ = self.ask("POST", f"/v2/{name}/blobs/uploads/", token)
        assert status == 202
        put = f"{headers['Location']}&digest={digest}"
        assert self.ask("PUT", put, token, layer, "application/octet-stream")[0] == 201
        part = {"mediaType": "application/octet-stream", "size": len(layer), "digest": digest}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": part, "layers": [part]}
        status, _, said = self.ask("PUT", f"/v2/{name}/manifests/1.0.0", token, json.dumps(manifest).encode(), MANIFEST)
        assert status == 201, said
        return digest


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("Debian's docker-registry is not installed, so no stock registry can be asked")
    folder = tmp_path_factory.mktemp("registry")
    certificates = make_certificates(folder)
    door = Door(datetime.now(UTC).timestamp())  # noqa: TID251 - the registry has a clock of its own
    (folder / "keys.pem").write_bytes(door.certificate.public_bytes(Encoding.PEM))
    (port,) = free_ports(1)
    token = {
        "realm": f"{ISSUER}/registry/token", "service": "registry", "issuer": ISSUER,
        "rootcertbundle": str(folder / "keys.pem"),
    }  # fmt: skip
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {
            "addr": f"127.0.0.1:{port}", "secret": "of this test",
            "tls": {"certificate": str(certificates.certificate), "key": str(certificates.key)},
        },
        "auth": {"token": token},
    }  # fmt: skip
    (folder / "config.yml").write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    found = Registry(port, certificates.ca, door)

    def answers() -> bool:
        assert running.poll() is None, (folder / "log").read_text()
        try:
            return found.ask("GET", "/v2/", None)[0] == 401
        except OSError:
            return False

    try:
        wait_until(answers, 30, "the registry answers")
        yield found
    finally:
        running.kill()
        running.wait()


def test_it_sends_whoever_comes_to_our_endpoint(registry: Registry) -> None:
    status, headers, _ = registry.ask("GET", f"/v2/{OWN}/manifests/1.0.0", None)

    assert status == 401
    said = headers["WWW-Authenticate"]
    for part in (f'realm="{ISSUER}/registry/token"', 'service="registry"', f'scope="repository:{OWN}:pull"'):
        assert part in said


def test_what_a_person_pushed_their_devices_pull_and_no_other_device_does(registry: Registry) -> None:
    digest = registry.push(OWN, registry.token("anna", ANNAS, f"repository:{OWN}:pull,push"))
    own = registry.device(OWN)

    assert registry.ask("GET", f"/v2/{OWN}/manifests/1.0.0", own)[0] == 200
    assert registry.ask("GET", f"/v2/{OWN}/blobs/{digest}", own)[2] == b"a layer"
    assert registry.ask("POST", f"/v2/{OWN}/blobs/uploads/", own)[0] == 401
    for token in (own, registry.device(OTHERS)):
        assert registry.ask("GET", f"/v2/{OTHERS}/manifests/1.0.0", token)[0] == 401


def test_a_login_is_no_token_and_neither_is_one_of_another_key(registry: Registry) -> None:
    login = asyncio.run(registry.door.login())
    stranger = Door(registry.door.now)
    answer = asyncio.run(stranger.ask(asyncio.run(stranger.login()), SECRET, f"scope=repository:{OWN}:pull"))

    for token in (login, str(answer.content["token"]), "x"):
        assert registry.ask("GET", f"/v2/{OWN}/manifests/1.0.0", token)[0] == 401

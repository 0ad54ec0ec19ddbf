"""A real Kubernetes API server with its admission, and etcd behind it; there is no node, so nothing ever runs."""

import http.client
import json
import secrets
import shutil
import ssl
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.harness import go_programs
from tests.harness.kubernetes import Manifest
from tests.harness.ports import free_port_base
from tests.harness.waiting import wait_until

MODULE: Final = Path(__file__).parents[1] / "interop" / "apiserver"
READY_S: Final = 120
PATHS: Final = {
    "Namespace": "namespaces",
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingresses",
}


class ApiServer:
    """One of each process, in `folder`. Used in a `with` block."""

    def __init__(self, folder: Path) -> None:
        """Raises `NoProgramError` where it cannot be had."""
        etcd = shutil.which("etcd")
        if etcd is None:
            raise go_programs.NoProgramError("there is no etcd (Debian: etcd-server)")
        self._programs = etcd, go_programs.built(MODULE, "k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver")
        self._folder = folder
        self._base = free_port_base()
        self._token = secrets.token_hex(16)
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start it and wait until it is ready."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (self._folder / "sa.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        (self._folder / "tokens").write_text(f'{self._token},tester,1,"system:masters"\n', encoding="utf-8")
        self._start(self._etcd())
        self._start(self._api())
        try:
            wait_until(self._is_ready, READY_S, "the API server")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill both."""
        self._stop()

    def _stop(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()

    def apply(self, manifest: Manifest, *, dry_run: bool = False) -> list[str]:
        """Apply on the server's side, and return its warnings.

        Raises:
            AssertionError: It is refused; the text says why.
        """
        query = "fieldManager=test&force=true&fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        status, answer, warnings = self.ask(
            "PATCH", f"{self._path_of(manifest)}?{query}", manifest, "application/apply-patch+yaml"
        )
        assert status in {200, 201}, f"{manifest['kind']} {manifest['metadata']['name']}: {answer.get('message')}"
        return warnings

    def ask(
        self, method: str, path: str, content: Any = None, kind: str = "application/json"
    ) -> tuple[int, Manifest, list[str]]:
        """Status, answer and warnings."""
        context = ssl.create_default_context(cafile=str(self._folder / "certificates" / "apiserver.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", self._base + 2, context=context, timeout=30)
        headers = {"authorization": f"Bearer {self._token}", "content-type": kind}
        try:
            connection.request(method, path, None if content is None else json.dumps(content), headers)
            reply = connection.getresponse()
            text = reply.read()
            is_json = reply.headers.get_content_type() == "application/json"
            return reply.status, json.loads(text) if is_json else {}, reply.headers.get_all("warning") or []
        finally:
            connection.close()

    def wait_for_kind(self, group_version: str, plural: str) -> None:
        """Wait until a kind that a CRD makes is served."""
        wait_until(lambda: self.ask("GET", f"/apis/{group_version}/{plural}")[0] == 200, READY_S, plural)

    def _path_of(self, manifest: Manifest) -> str:
        version, kind, name = manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        namespace = manifest["metadata"].get("namespace")
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{inside}/{PATHS.get(kind, kind.lower() + 's')}/{name}"

    def _is_ready(self) -> bool:
        assert all(process.poll() is None for process in self._running), (self._folder / "log").read_text()[-3000:]
        try:
            return self.ask("GET", "/api/v1/namespaces/default")[0] == 200
        except OSError:
            return False

    def _etcd(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._base}", f"http://127.0.0.1:{self._base + 1}"
        return [
            str(self._programs[0]),
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _api(self) -> list[str]:
        return [
            str(self._programs[1]),
            f"--etcd-servers=http://127.0.0.1:{self._base}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._base + 2}",
            f"--cert-dir={self._folder / 'certificates'}",
            f"--token-auth-file={self._folder / 'tokens'}",
            "--authorization-mode=RBAC",
            "--watch-cache=false",  # Debian's etcd 3.4 does not tell what it needs
            "--feature-gates=SizeBasedListCostEstimate=false",
            "--service-account-issuer=https://localhost",
            f"--service-account-key-file={self._folder / 'sa.key'}",
            f"--service-account-signing-key-file={self._folder / 'sa.key'}",
            "--service-cluster-ip-range=10.96.0.0/16",
        ]

    def _start(self, command: list[str]) -> None:
        with (self._folder / "log").open("ab") as log:
            self._running.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder)
            )

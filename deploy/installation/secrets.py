"""What every secret of an installation is, and which process is handed which of them.

A secret is a file of a folder that the operator keeps; in Kubernetes each process has a Secret of its own name, and its
keys are files again. No process is handed what it does not read.
"""

import base64
import json
import secrets
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from deploy.local.bootstrap import MIGRATE, SUPERUSER, WITH_PASSWORD
from deploy.local.files import ensure_folder, ensure_secret
from deploy.local.preparation import api_key, master_keys, signing_keys, token
from deploy.local.processes import PROVISIONER, SERVICES

NODE_OCTETS: Final = 32
NODES: Final = ("frps-0", "frps-1")


def frps_nodes() -> str:
    """The file of frps nodes as tunnels reads it, of as many as `deploy/kubernetes/components/frps` has."""
    nodes = [
        {
            "name": name,
            "secret": secrets.token_hex(NODE_OCTETS),
            "host": f"{name}.ironflock.svc",
            "bind_port": 7000,
            "http_port": 8080,
            "https_port": 8444,
        }
        for name in NODES
    ]
    return json.dumps({"nodes": nodes, "fronts": ["127.0.0.1"]})


MAKERS: Final = {
    **{f"bus/svc_{name}": token for name in SERVICES},
    **{f"database/{login}": token for login in (SUPERUSER, *WITH_PASSWORD)},
    **{f"master-keys/{name}": master_keys for name in ("auth", "devices", "fleetdb", "tunnels")},
    "person-keys": master_keys,
    "audit-signing-keys": signing_keys,
    "owner-api-key": api_key,
    "frps-nodes": frps_nodes,
}
"""Each secret by its path in the operator's folder, and how it is made."""


@frozen
class Handed:
    """A Secret of Kubernetes: its name, its type, and which of the operator's files stands under which of its keys."""

    name: str
    files: dict[str, str]
    kind: str = "Opaque"


def ensure_secrets(folder: Path) -> dict[str, str]:
    """Every secret by its path below `folder`; what is missing there is made, what is there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder, *sorted({(folder / path).parent for path in MAKERS})):
        ensure_folder(each)
    return {path: ensure_secret(folder / path, make) for path, make in MAKERS.items()}


def handed() -> list[Handed]:
    """What each process is handed."""
    services = [Handed(name, _of_service(name)) for name in SERVICES]
    return [
        *services,
        Handed("router", {f"svc_{name}": f"bus/svc_{name}" for name in SERVICES}),
        Handed("provisioner", {"database": f"database/{PROVISIONER}"}),
        Handed("migrate", {"database": f"database/{MIGRATE}"}),
        Handed("bootstrap", {login: f"database/{login}" for login in WITH_PASSWORD}),
        Handed("postgres-superuser", {"password": f"database/{SUPERUSER}"}, "kubernetes.io/basic-auth"),
        *(Handed(node, {"secret": f"frps/{node}"}) for node in NODES),
    ]


def manifests(found: dict[str, str], namespace: str) -> list[dict[str, Any]]:
    """The Secrets of Kubernetes, with the values of `found` in clear: for a pipe, or to be sealed at once."""
    return [_manifest(each, with_nodes(found), namespace) for each in handed()]


def with_nodes(found: dict[str, str]) -> dict[str, str]:
    """`found`, and the secret of each node out of the file of nodes, by a path of its own."""
    nodes = json.loads(found["frps-nodes"])["nodes"]
    return {**found, **{f"frps/{each['name']}": each["secret"] for each in nodes}}


def _of_service(name: str) -> dict[str, str]:
    files = {"bus": f"bus/svc_{name}", "database": f"database/svc_{name}"}
    if f"master-keys/{name}" in MAKERS:
        files["master-keys"] = f"master-keys/{name}"
    own = {
        "audit": {"signing-keys": "audit-signing-keys"},
        "auth": {"owner-api-key": "owner-api-key", "person-keys": "person-keys"},
        "tunnels": {"frps-nodes": "frps-nodes"},
    }
    return {**files, **own.get(name, {})}


def _manifest(each: Handed, found: dict[str, str], namespace: str) -> dict[str, Any]:
    values = {key: found[path] for key, path in each.files.items()}
    if each.kind == "kubernetes.io/basic-auth":
        values["username"] = SUPERUSER
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": each.name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "ironflock"}},
        "type": each.kind,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }

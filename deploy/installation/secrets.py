"""What every secret of an installation is, and which process is handed which of them.

A secret is a file of a folder that the operator keeps; in Kubernetes each process has a Secret of its own name, and its
keys are files again. No process is handed what it does not read.
"""

import base64
import json
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from deploy.backup.signing import backup_signing_key
from deploy.local.bootstrap import BACKUP, DOCTOR, MIGRATE, SUPERUSER, WITH_PASSWORD
from deploy.local.files import ensure_folder, ensure_secret
from deploy.local.preparation import SecretLostError, api_key, master_keys, signing_keys, token
from deploy.local.processes import PROVISIONER, SERVICES, WITH_MASTER_KEYS

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
    **{f"master-keys/{name}": master_keys for name in WITH_MASTER_KEYS},
    "person-keys": master_keys,
    "audit-signing-keys": signing_keys,
    "backup-signing-key": backup_signing_key,
    "owner-api-key": api_key,
    "frps-nodes": frps_nodes,
}
"""Each secret by its path in the operator's folder, and how it is made."""


IRREPLACEABLE: Final = tuple(path for path in MAKERS if path.startswith("master-keys/") or path == "person-keys")
"""Those that what is stored was sealed by."""


@frozen
class Handed:
    """A Secret of Kubernetes: its name, its type, and which of the operator's files stands under which of its keys."""

    name: str
    files: dict[str, str]
    kind: str = "Opaque"


def _of_backup() -> dict[str, str]:
    """What a backup takes along, and what it signs and seals with."""
    return {
        "database": f"database/{BACKUP}",
        "signing-key": "backup-signing-key",
        "person-keys": "person-keys",
        "audit-signing-keys": "audit-signing-keys",
        **{f"master-keys-{name}": f"master-keys/{name}" for name in WITH_MASTER_KEYS},
    }


def ensure_secrets(folder: Path, new: Collection[str] = ()) -> dict[str, str]:
    """Every secret by its path below `folder`; what is missing there is made, what is there is kept.

    Args:
        new: Which of `IRREPLACEABLE` may be made beside others: a release has them that the one before had not.

    Raises:
        SecretLostError: One of them is missing in a folder that has others; nothing was made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any((folder / path).exists() for path in MAKERS):
        for path in IRREPLACEABLE:
            if path not in new and not (folder / path).exists():
                raise SecretLostError(
                    f"{folder / path} is missing, and nothing that was sealed by it opens without it: put it back from"
                    f" your copy of the folder. Where no release before had it, or you accept that loss: --new {path}"
                )
    for each in (folder, *sorted({(folder / path).parent for path in MAKERS})):
        ensure_folder(each)
    return {path: ensure_secret(folder / path, make) for path, make in MAKERS.items()}


def handed() -> list[Handed]:
    """What each process is handed."""
    services = [Handed(name, _of_service(name)) for name in SERVICES]
    return [
        *services,
        Handed("router", {f"svc_{name}": f"bus/svc_{name}" for name in SERVICES}),
        Handed("backup", _of_backup()),
        Handed("provisioner", {"database": f"database/{PROVISIONER}"}),
        Handed("doctor", {"database": f"database/{DOCTOR}"}),
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

"""The smallest complete environment of each service."""

import base64
import json
from pathlib import Path
from typing import Final

BUS: Final = {"BUS_URL": "wss://localhost:8444/ws-svc", "BUS_SECRET_FILE": "secret"}
DATABASE: Final = {
    "DATABASE_HOST": "localhost",
    "DATABASE_PORT": "8446",
    "DATABASE_NAME": "ironflock",
    "DATABASE_PASSWORD_FILE": "secret",
}
COMMON: Final = {"CA_FILE": "ca.pem", "TLS_CERTIFICATE": "x.pem", "TLS_KEY": "x.key", "OPS_PORT": "8449"}
OWN: Final = {
    "auth": {
        **BUS,
        **DATABASE,
        "MASTER_KEYS_FILE": "masters",
        "PERSON_KEYS_FILE": "masters",
        "FIRST_OWNER_KEY_FILE": "secret",
        "PORT": "8441",
        "ISSUER": "https://localhost:8441",
        "AUDIENCE": "https://localhost:8445",
        "MAIL_FOLDER": "mail",
    },
    "realms": {**BUS, **DATABASE},
    "privileges": {**BUS, **DATABASE},
    "devices": {
        **BUS,
        **DATABASE,
        "DEVICE_ENDPOINT_URL": "wss://localhost:8443/ws-re-dev",
        "UPDATE_URL": "https://localhost:8445",
        "MASTER_KEYS_FILE": "masters",
    },
    "audit": {
        **BUS,
        **DATABASE,
        "PORT": "8452",
        "SIGNING_KEYS_FILE": "signing",
        "PUBLIC_KEYS_FILE": "public",
        "HEAD_FILE": "head",
        "LEDGER_FILE": "ledger",
    },
    "fleetdb": {
        **BUS,
        **DATABASE,
        "MASTER_KEYS_FILE": "masters",
        "CLUSTER_HOST": "localhost",
        "CLUSTER_PORT": "8446",
        "SQL_PORT": "8456",
    },
    "tunnels": {
        **BUS,
        **DATABASE,
        "DOMAIN": "tunnels.localhost",
        "MASTER_KEYS_FILE": "masters",
        "ISSUER": "https://localhost:8443",
        "EDGE_PORT": "7400",
        "VISITORS_PORT": "8458",
        "RAW_PORTS": "7500-7599",
    },
    "gateway": {**BUS, **DATABASE, "PORT": "8445", "URL": "https://localhost:8445", "AGENT_UPDATES": "updates"},
}


def environment(name: str, folder: Path) -> dict[str, str]:
    """The variables of service `name`; the files that they name are made in `folder`."""
    (folder / "secret").write_text("s3cret\n")
    masters = {"active": "m1", "keys": {"m1": base64.b64encode(bytes(32)).decode()}}
    (folder / "masters").write_text(json.dumps(masters))
    signing = {"active": ["a"], "keys": {"a": base64.b64encode(bytes(32)).decode()}}
    (folder / "signing").write_text(json.dumps(signing))
    variables = {**COMMON, **OWN[name]}
    files = {"secret", "masters", "signing", "public", "head", "updates", "ca.pem", "x.pem", "x.key"}
    return {
        f"IRONFLOCK_{name.upper()}_{variable}": str(folder / value) if value in files else value
        for variable, value in variables.items()
    }

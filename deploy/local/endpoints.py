"""`endpoints.json`: where everything of the running platform is, for programs."""

import json
from pathlib import Path

from deploy.local.files import write_atomically
from deploy.local.processes import DATABASE_NAME, SECOND
from deploy.local.settings import LocalSettings, url_host
from deploy.local.state import StateFolder

VERSION = 1


def endpoints(settings: LocalSettings) -> dict[str, object]:
    """The content: URLs, ports and files, nothing secret."""
    state, ports, host = StateFolder(settings.state), settings.ports, url_host(settings.host)
    second = {SECOND: _router(host, ports.second_router_public, ports.second_router_services)}
    return {
        "version": VERSION,
        "ca_file": str(state.ca_certificate),
        "router": _router(host, ports.router_public, ports.router_services),
        "more_routers": second if ports.has_second_cell else {},
        "accounts": f"https://{host}:{ports.accounts}",
        "gateway": f"https://{host}:{ports.gateway}",
        "audit": f"https://{host}:{ports.audit}/audit",
        "audit_key_file": str(state.audit_public_keys),
        "sql": {"host": settings.host, "port": ports.sql},
        "tunnels": {
            "devices": {"host": settings.host, "port": ports.tunnel},
            "visitors": f"https://{host}:{ports.visitors}",
            "domain": settings.tunnel_domain,
        },
        "postgres": {"host": "localhost", "port": ports.postgres, "database": DATABASE_NAME},
        "health": {name: f"https://localhost:{port}/health/ready" for name, port in ports.operations.items()},
        "owner_api_key_file": str(state.owner_api_key),
        "mail_folder": str(state.mail),
        "log_folder": str(state.log),
        # Exemptions from "TLS on every listener"; a port scan of the platform knows them from here.
        "plaintext_ports": [],
        "raw_ports": ports.raw,
    }


def _router(host: str, public: int, services: int) -> dict[str, str]:
    at = f"wss://{host}:{public}"
    return {
        "devices": f"{at}/ws-re-dev",
        "people": f"{at}/ws-usr",
        "apps": f"{at}/ws-ua-usr",
        "services": f"wss://localhost:{services}/ws-svc",
    }


def write_endpoints(path: Path, settings: LocalSettings) -> None:
    """Put `endpoints.json` at `path`."""
    write_atomically(path, json.dumps(endpoints(settings), indent=2).encode() + b"\n")

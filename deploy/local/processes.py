"""The table of processes: what each is started with, told by environment, stopped by."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from deploy.local.files import Account
from deploy.local.leash import KEEP
from deploy.local.settings import SECOND_ROUTER, LocalSettings, url_host
from deploy.local.state import StateFolder
from shared.settings import SettingsError

LEASH: Final = Path(__file__).with_name("leash.py")
DATABASE_NAME: Final = "ironflock"
SERVICES: Final = ("auth", "realms", "devices", "privileges", "audit", "gateway", "fleetdb", "tunnels")
WITH_MASTER_KEYS: Final = ("auth", "devices", "fleetdb", "tunnels")
"""Those that store something sealed, each by master keys of its own."""
PROVISIONER: Final = "provisioner"
"""Its process and its login."""
SECOND: Final = "second"
"""What the second cluster is called, where there is one, and the second cell."""
SECOND_POSTGRES: Final = "postgres-second"
"""Its server's process."""
# What a child may know of our own environment, besides the variables of its own prefix.
INHERITED: Final = frozenset({"LANG", "LC_ALL", "LC_CTYPE", "PATH", "PYTHONPATH", "SSL_CERT_FILE", "TMPDIR", "TZ"})


@frozen
class StopStep:
    """A signal, and how long the process then has before the next one."""

    signal_number: int
    seconds: float


# Longer than a service takes for what it has begun (`shared.service.STOP_TIMEOUT_S`).
ORDERLY: Final = (StopStep(signal.SIGTERM, 14.0), StopStep(signal.SIGKILL, 5.0))


@frozen
class Process:
    """One process: command and environment, user, and how it is ended."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    account: Account | None = None
    stop_steps: tuple[StopStep, ...] = ORDERLY
    # Sent by the kernel when the launcher dies without having stopped anything.
    orphan_signal: int = signal.SIGKILL
    data_octets: int = KEEP
    """Memory that it, and each process that it begins, may have of its own; as much as it likes where it is -1."""

    def leashed(self, parent: int) -> list[str]:
        """The command line that makes process `parent` the one this process lives and dies with."""
        uid, gid = (KEEP, KEEP) if self.account is None else (self.account.uid, self.account.gid)
        numbers = (parent, int(self.orphan_signal), uid, gid, self.data_octets)
        return [sys.executable, "-I", "-S", str(LEASH), *map(str, numbers), *self.command]


def router_processes(settings: LocalSettings, environ: Mapping[str, str]) -> tuple[Process, ...]:
    """The router of each cell: Crossbar, with what is ours around it."""
    ports = settings.ports
    first = {"PUBLIC_PORT": str(ports.router_public), "SERVICE_PORT": str(ports.router_services)}
    found = [_router("router", first, settings, environ)]
    if ports.has_second_cell:
        second = {
            "PUBLIC_PORT": str(ports.second_router_public),
            "SERVICE_PORT": str(ports.second_router_services),
            "CELL": SECOND,
        }
        found.append(_router(SECOND_ROUTER, second, settings, environ))
    return tuple(found)


def _router(name: str, own: Mapping[str, str], settings: LocalSettings, environ: Mapping[str, str]) -> Process:
    state = StateFolder(settings.state)
    fixed = {
        "HOST": settings.host,
        "BIND": settings.bind,
        **own,
        "OPS_PORT": str(settings.ports.operations[name]),
        **_tls(state, name),
        "SERVICE_SECRETS": str(state.bus_secrets),
    }
    environment = child_environment("ROUTER", environ, fixed=fixed, defaults=_router_traces(state, settings))
    return Process(name, (sys.executable, "-m", "ironflock_router"), environment, settings.repository)


def service_process(name: str, settings: LocalSettings, environ: Mapping[str, str]) -> Process:
    """One of our services."""
    fixed = _service_variables(name, settings)
    defaults = {**_service_defaults(name, settings), **settings.traces}
    environment = child_environment(name.upper(), environ, fixed=fixed, defaults=defaults)
    return Process(name, (sys.executable, "-m", f"services.{name}"), environment, settings.repository)


def provisioner_process(settings: LocalSettings, environ: Mapping[str, str]) -> Process:
    """The process of realms that makes databases, schemas and logins: it is on no bus and listens to nobody."""
    state = StateFolder(settings.state)
    fixed = {
        "CA_FILE": str(state.ca_certificate),
        **_database(state, settings, PROVISIONER),
        "LOGIN_CA_CERTIFICATE": str(state.backend_login_authority / "ca.pem"),
        "LOGIN_CA_KEY_FILE": str(state.backend_login_authority / "ca.key"),
        "CLUSTERS_FOLDER": str(state.clusters),
    }
    command = (sys.executable, "-m", "services.realms.provisioner")
    environment = child_environment("PROVISIONER", environ, fixed=fixed, defaults=settings.traces)
    return Process(PROVISIONER, command, environment, settings.repository)


def migrate_process(settings: LocalSettings, environ: Mapping[str, str]) -> Process:
    """The one-shot process that brings the schemas up to date."""
    state = StateFolder(settings.state)
    fixed = {"CA_FILE": str(state.ca_certificate), **_database(state, settings, "migrate")}
    command = (sys.executable, "-m", "deploy.migrate")
    return Process("migrate", command, child_environment("MIGRATE", environ, fixed=fixed), settings.repository)


def child_environment(
    prefix: str, environ: Mapping[str, str], *, fixed: Mapping[str, str], defaults: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a process with variables `IRONFLOCK_<prefix>_*`: defaults, then the operator's, then ours.

    Raises:
        SettingsError: The operator set one that the launcher decides; the text names it.
    """
    start = f"IRONFLOCK_{prefix}_"
    ours = {start + name: value for name, value in fixed.items()}
    own = {name: value for name, value in environ.items() if name.startswith(start)}
    clash = sorted(ours.keys() & own.keys())
    if clash:
        raise SettingsError(f"{clash[0]} is decided by the launcher: see the settings IRONFLOCK_LOCAL_*")
    inherited = {name: value for name, value in environ.items() if name in INHERITED}
    return {**inherited, **{start + name: value for name, value in (defaults or {}).items()}, **own, **ours}


def _router_traces(state: StateFolder, settings: LocalSettings) -> dict[str, str]:
    """The router believes nobody unless it is told whom."""
    return {"OTLP_CA_FILE": str(state.ca_certificate), **settings.traces} if settings.traces else {}


def _service_variables(name: str, settings: LocalSettings) -> dict[str, str]:
    state = StateFolder(settings.state)
    variables = {
        "OPS_PORT": str(settings.ports.operations[name]),
        "CA_FILE": str(state.ca_certificate),
        **_tls(state, name),
        "BUS_URL": _bus_url(settings),
        "BUS_SECRET_FILE": str(state.bus_secrets / f"svc_{name}"),
        **_database(state, settings, f"svc_{name}"),
    }
    return {**variables, **_own_variables(name, settings, state)}


def _bus_url(settings: LocalSettings) -> str:
    """The routers of all cells."""
    ports = settings.ports
    first = f"wss://localhost:{ports.router_services}/ws-svc"
    return f"{first},{SECOND}=wss://localhost:{ports.second_router_services}/ws-svc" if ports.has_second_cell else first


def _own_variables(  # noqa: PLR0911 - one a service
    name: str, settings: LocalSettings, state: StateFolder
) -> dict[str, str]:
    """What only service `name` is told."""
    if name == "auth":
        return {
            "MASTER_KEYS_FILE": str(state.master_keys),
            "PERSON_KEYS_FILE": str(state.person_keys),
            "FIRST_OWNER_KEY_FILE": str(state.owner_api_key),
            "PORT": str(settings.ports.accounts),
            "BIND": settings.bind,
            "MAIL_FOLDER": str(state.mail),
            "CLIENTS_CA": "platform",
        }
    if name == "audit":
        return {
            "PORT": str(settings.ports.audit),
            "BIND": settings.bind,
            "SIGNING_KEYS_FILE": str(state.audit_signing_keys),
            "PUBLIC_KEYS_FILE": str(state.audit_public_keys),
            "HEAD_FILE": str(state.audit_head),
            "LEDGER_FILE": str(state.ledger),
        }
    if name == "devices":
        return {"MASTER_KEYS_FILE": str(state.devices_master_keys)}
    if name == "fleetdb":
        return {
            "MASTER_KEYS_FILE": str(state.fleetdb_master_keys),
            "CLUSTER_HOST": "localhost",
            "CLUSTER_PORT": str(settings.ports.postgres),
            "CLUSTERS_FOLDER": str(state.clusters),
            "SQL_PORT": str(settings.ports.sql),
            "SQL_BIND": settings.bind,
        }
    if name == "tunnels":
        return {
            "MASTER_KEYS_FILE": str(state.tunnels_master_keys),
            "DOMAIN": settings.tunnel_domain,
            "EDGE_PORT": str(settings.ports.tunnel),
            "VISITORS_PORT": str(settings.ports.visitors),
            "BIND": settings.bind,
        }
    if name == "gateway":
        port, updates = str(settings.ports.gateway), str(state.agent_updates)
        return {"PORT": port, "BIND": settings.bind, "AGENT_UPDATES": updates}
    return {}


def _service_defaults(name: str, settings: LocalSettings) -> dict[str, str]:
    """What an operator may set otherwise; behind an address translation, for one, devices are told another address."""
    if name == "auth":
        host, ports = url_host(settings.host), settings.ports
        return {
            "FIRST_OWNER": "owner@localhost",
            "ISSUER": f"https://{host}:{ports.accounts}",
            "AUDIENCE": f"https://{host}:{ports.gateway}",
            "TUNNELS": f"https://{settings.tunnel_domain}:{ports.visitors}",
        }
    if name == "gateway":
        return {"URL": f"https://{url_host(settings.host)}:{settings.ports.gateway}"}
    if name == "tunnels":
        issuer = f"https://{url_host(settings.host)}:{settings.ports.accounts}"
        return {"RAW_PORTS": settings.ports.raw, "ISSUER": issuer}
    if name == "devices":
        host, ports = url_host(settings.host), settings.ports
        return {
            "DEVICE_ENDPOINT_URL": f"wss://{host}:{ports.router_public}/ws-re-dev",
            "UPDATE_URL": f"https://{host}:{ports.gateway}",
            "DOCKER_REGISTRY_URL": "localhost:5000/",
        }
    return {}


def _tls(state: StateFolder, name: str) -> dict[str, str]:
    return {"TLS_CERTIFICATE": str(state.tls / f"{name}.pem"), "TLS_KEY": str(state.tls / f"{name}.key")}


def _database(state: StateFolder, settings: LocalSettings, login: str) -> dict[str, str]:
    return {
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": str(settings.ports.postgres),
        "DATABASE_NAME": DATABASE_NAME,
        "DATABASE_PASSWORD_FILE": str(state.database_secrets / login),
    }

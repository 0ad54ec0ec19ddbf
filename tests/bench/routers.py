"""The two routers that are compared, alone on the machine: ours with its role object, and Crossbar's own.

Both are the same Crossbar, one TLS listener with certificates of one authority, the same WebSocket options, and the
same principals. Ours asks a stand-in for `auth` for secrets; Crossbar's own has them in its configuration, and one role
that may do everything, its answers cached.
"""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from deploy.local.files import tail
from ironflock_router.websocket import _configuration
from ironflock_router.wire_names import (
    AGENT_PROCEDURES,
    APP_CREDENTIAL_FIND,
    DEVICE_CREDENTIAL_FIND,
    EXPOSE_PORT,
    SERVICES,
)
from tests.bench.keeper import Keeper
from tests.bench.router_process import RouterProcess
from tests.bench.wamp_socket import REGISTER, Address, ClosedError, RefusedError, WampSocket
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until
from tests.integration.router_node.authority import Authority

REALM: Final = "realm1"
SYSTEM: Final = "ironflock.system"
DATA_REALM: Final = "realm-1-26-dev"
START_TIMEOUT_S: Final = 60.0
MIB: Final = 1024 * 1024


@frozen
class Router:
    """A running router: where devices, services and apps join, and the process that serves them."""

    devices: Address
    services: Address
    apps: Address
    worker: int

    def device(self, number: int) -> WampSocket:
        """A session of device `number`."""
        return WampSocket.connect(self.devices).join(REALM, device_authid(number), secret_of(device_authid(number)))

    def app(self, number: int) -> WampSocket:
        """A session of app 26 on device `number`."""
        return WampSocket.connect(self.apps).join(DATA_REALM, app_authid(number), secret_of(app_authid(number)))

    def service(self, name: str, realm: str = REALM) -> WampSocket:
        """A session of service `name`."""
        return WampSocket.connect(self.services).join(realm, f"svc_{name}", secret_of(f"svc_{name}"))


def device_authid(number: int) -> str:
    """The authid of a device."""
    return f"1-{number}"


def app_authid(number: int) -> str:
    """The authid of app 26 on a device."""
    return f"app-26-dev-e1@{serial_of(number)}"


def serial_of(number: int) -> str:
    """The serial number of a device."""
    return f"00000000-0000-4000-8000-{number:012d}"


def secret_of(authid: str) -> str:
    """A secret of the length that `auth` gives to devices; known to the benches only."""
    return f"{authid}-of-the-bench".ljust(43, "x")


@contextmanager
def our_router(folder: Path) -> Iterator[Router]:
    """The router of this repository with stand-ins for `auth` and `devices`."""
    with ExitStack() as ending:
        tls, certificate, key = _certificate(folder)
        (folder / "secrets").mkdir()
        for name in SERVICES:
            (folder / "secrets" / f"svc_{name}").write_text(secret_of(f"svc_{name}"), encoding="ascii")
        public, services, ops = free_ports(3)
        environment = {
            "PUBLIC_PORT": str(public),
            "SERVICE_PORT": str(services),
            "OPS_PORT": str(ops),
            "TLS_CERTIFICATE": str(certificate),
            "TLS_KEY": str(key),
            "SERVICE_SECRETS": str(folder / "secrets"),
        }
        environment = {f"IRONFLOCK_ROUTER_{name}": value for name, value in environment.items()}
        node = RouterProcess.ours(folder, environment)
        ending.callback(node.stop)
        keeper = ending.enter_context(Keeper())
        devices, apps = Address(public, "/ws-re-dev", tls), Address(public, "/ws-ua-usr", tls)
        router = Router(devices, Address(services, "/ws-svc", tls), apps, 0)
        finds = [DEVICE_CREDENTIAL_FIND, APP_CREDENTIAL_FIND]
        _stand_in(keeper, _first(node, lambda: router.service("auth", SYSTEM)), finds, _credential)
        of_devices = [uri for uri in AGENT_PROCEDURES if uri != EXPOSE_PORT]
        _stand_in(keeper, router.service("devices"), of_devices, lambda _: None)
        _stand_in(keeper, router.service("tunnels"), [EXPOSE_PORT], lambda _: None)
        _first(node, lambda: WampSocket.connect(router.devices)).close()
        yield evolve(router, worker=node.pid)


@contextmanager
def reference_router(folder: Path, devices: int, component: str | None = None) -> Iterator[Router]:
    """Crossbar as it comes, with `devices` devices and the service `devices` as static principals.

    `component` is the class of a component that runs in it and is given the worker's controller.
    """
    tls, certificate, key = _certificate(folder)
    (port,) = free_ports(1)
    numbers = range(1, devices + 1)
    authids = ["svc_devices", *map(device_authid, numbers), *map(app_authid, numbers)]
    config = folder / "config.json"
    configuration = _reference_config(port, certificate, key, authids)
    if component is not None:
        own = {"type": "class", "id": "bench", "classname": component, "realm": REALM, "role": "everyone"}
        configuration["workers"][0] |= {"options": {"expose_controller": True}, "components": [own]}
    config.write_text(json.dumps(configuration), encoding="utf-8")
    node = RouterProcess.crossbars(folder, config)
    try:
        address = Address(port, "/", tls)
        _first(node, lambda: WampSocket.connect(address)).close()
        yield Router(address, address, address, node.worker())
    finally:
        node.stop()


def _stand_in(
    keeper: Keeper,
    session: WampSocket,
    procedures: "list[str] | tuple[str, ...]",
    answer: Callable[[dict[str, Any]], Any],
) -> None:
    for uri in procedures:
        session.request(REGISTER, {"invoke": "roundrobin"}, uri)
    keeper.hold(session, answer)


def _credential(arguments: dict[str, Any]) -> dict[str, Any]:
    authid = str(arguments["authid"])
    if "realm" in arguments:
        return _app_credential(authid)
    number = int(authid.partition("-")[2])
    return {
        "state": "active",
        "secret": secret_of(authid),
        "device_key": number,
        "project_key": 1,
        "serial_number": serial_of(number),
        "flash_id": "flash-1",
    }


def _app_credential(authid: str) -> dict[str, Any]:
    serial = authid.partition("@")[2]
    who = {"authid": serial, "device_key": int(serial[-12:]), "project_key": 1}
    return {"secret": secret_of(authid), "role": "app", "reason": "app", **who}


def _first(node: RouterProcess, attempt: Callable[[], WampSocket]) -> WampSocket:
    """What `attempt` brings as soon as the node lets it."""

    def attempted() -> WampSocket | None:
        assert not node.has_ended(), f"the router ended:\n{tail(node.log)}"
        try:
            return attempt()
        except (ClosedError, RefusedError):
            return None

    found = wait_until(attempted, START_TIMEOUT_S, f"a router starts; see {node.log}")
    assert found is not None
    return found


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder)
    certificate, key = folder / "router.pem", folder / "router.key"
    authority.issue(certificate, key)
    return ssl.create_default_context(cafile=str(authority.ca)), certificate, key


def _reference_config(port: int, certificate: Path, key: Path, authids: list[str]) -> dict[str, Any]:
    everything = {
        "uri": "",
        "match": "prefix",
        "allow": {"call": True, "register": True, "publish": True, "subscribe": True},
        "disclose": {"caller": True, "publisher": True},
        "cache": True,
    }
    users = {authid: {"secret": secret_of(authid), "role": "everyone"} for authid in authids}
    tls = {"certificate": str(certificate), "key": str(key)}
    transport = {
        **_configuration(MIB),
        "id": "everybody",
        "endpoint": {"type": "tcp", "port": port, "interface": "127.0.0.1", "backlog": 1024, "tls": tls},
        "auth": {"wampcra": {"type": "static", "users": users}},
    }
    roles = [{"name": "everyone", "permissions": [everything]}]
    realms = [{"name": name, "roles": roles} for name in (REALM, DATA_REALM)]
    worker = {"type": "router", "id": "router", "realms": realms, "transports": [transport]}
    options = {"shutdown": ["shutdown_on_worker_exit"]}
    return {"version": 2, "controller": {"options": options}, "workers": [worker]}

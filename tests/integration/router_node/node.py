"""A real router: the one of this repository on free ports, with stand-ins for `auth` and `devices`."""

import asyncio
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from ironflock_router.realm_names import AppAuthid, DataRealm
from ironflock_router.wire_names import (
    AGENT_PROCEDURES,
    APP_CREDENTIAL_FIND,
    BOARD_TICKET_TAKE,
    BOARDS_JUDGED,
    CREDENTIALS_TOLD,
    DEVICE_CREDENTIAL_FIND,
    EXPOSE_PORT,
    SERVICES,
    TICKET_VERIFY,
)
from shared.board_tickets import mint
from tests.harness.ports import free_ports
from tests.integration.router_node.authority import Authority
from tests.integration.router_node.wire import ClosedError, Peer

ROOT = Path(__file__).parents[3]
START_TIMEOUT_S = 30.0


async def eventually(condition: Callable[[], Any | Awaitable[Any]], timeout_s: float = 10.0) -> Any:
    """The first true value of `condition`."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


class Node:
    """One router process and the files that it lives from."""

    def __init__(self, folder: Path, beside: "Node | None" = None, /, **settings: str) -> None:
        """Prepare the files in `folder`, under the authority of the one that it is `beside`.

        `settings` are added to the environment.
        """
        self.folder = folder
        self.authority: Authority = Authority(folder) if beside is None else beside.authority
        self.certificate, self.key = folder / "router.pem", folder / "router.key"
        self.authority.issue(self.certificate, self.key)
        self.public, self.services, self.ops = free_ports(3)
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        for name in SERVICES:
            (self.secrets / f"svc_{name}").write_text(f"secret of {name}\n")
        self.tls = ssl.create_default_context(cafile=str(self.authority.ca))
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "router.log"

    def start(self) -> Self:
        """Start the process; what is waited for is up to the test."""
        environment = dict(os.environ) | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "router-config")]),
            "IRONFLOCK_ROUTER_PUBLIC_PORT": str(self.public),
            "IRONFLOCK_ROUTER_SERVICE_PORT": str(self.services),
            "IRONFLOCK_ROUTER_OPS_PORT": str(self.ops),
            "IRONFLOCK_ROUTER_TLS_CERTIFICATE": str(self.certificate),
            "IRONFLOCK_ROUTER_TLS_KEY": str(self.key),
            "IRONFLOCK_ROUTER_SERVICE_SECRETS": str(self.secrets),
        }
        environment |= {f"IRONFLOCK_ROUTER_{name.upper()}": value for name, value in self._settings.items()}
        command = [sys.executable, "-m", "ironflock_router"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        return self

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def exit_status(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Wait for the process to end by itself."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    async def service(self, name: str, realm: str) -> Peer:
        """A joined session of service `name`; waits for the router to start."""

        async def attempt() -> Peer | None:
            try:
                peer = await Peer.connect(self.services, "/ws-svc", self.tls)
            except (OSError, ClosedError):
                return None
            return await peer.join_cra(realm, f"svc_{name}", f"secret of {name}")

        peer: Peer = await eventually(attempt, START_TIMEOUT_S)
        return peer

    async def device(self, key: int = 7, *, secret: str | None = None, source: str | None = None) -> Peer:
        """A joined device, as a published agent joins."""
        peer = await Peer.connect(self.public, "/ws-re-dev", self.tls, source=source)
        try:
            return await peer.join_cra("realm1", f"1-{key}", secret or f"secret-{key}")
        except BaseException:
            await peer.drop()
            raise

    async def app(
        self, key: int, app: int = 26, *, stage: str = "dev", realm: str | None = None, secret: str | None = None
    ) -> Peer:
        """A joined container of app `app` on device `key`, as a published SDK joins; on its own realm if not told."""
        authid = app_authid(key, app, stage)
        realm = realm or f"realm-{project_of(key)}-{app}-{stage}"
        peer = await Peer.connect(self.public, "/ws-ua-usr", self.tls)
        try:
            return await peer.join_cra(realm, authid, secret or app_secret(authid))
        except BaseException:
            await peer.drop()
            raise

    async def person(self, ticket: str = "ticket-5", *, source: str | None = None) -> Peer:
        """A joined person."""
        peer = await Peer.connect(self.public, "/ws-usr", self.tls, source=source)
        try:
            return await peer.join_ticket(ticket)
        except BaseException:
            await peer.drop()
            raise

    async def board(self, realm: str, ticket: str, authid: str | None = None) -> Peer:
        """A joined board."""
        peer = await Peer.connect(self.public, "/ws-ua-usr", self.tls, source=new_address())
        try:
            return await peer.join_ticket(ticket, realm, authid)
        except BaseException:
            await peer.drop()
            raise

    async def public_is_open(self) -> None:
        """Wait until the public listener is open."""

        def is_open() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.public)) == 0

        await eventually(is_open)


_HOSTS = itertools.count(2)


def new_address() -> str:
    """An address of this machine that no other test comes from."""
    number = next(_HOSTS)
    return f"127.0.{number // 250 + 1}.{number % 250 + 2}"


def serial_of(key: int) -> str:
    return f"00000000-0000-4000-8000-{key:012d}"


def project_of(key: int) -> int:
    """The project of device `key`, for apps."""
    return 1 if key < 500 else 2


def app_authid(key: int, app: int, stage: str = "dev", epoch: int = 1) -> str:
    return f"app-{app}-{stage}-e{epoch}@{serial_of(key)}"


def app_secret(authid: str) -> str:
    """A legacy credential's secret is the serial number, as is its authid."""
    return f"secret of {authid}" if "@" in authid else authid


class Platform:
    """The stand-ins: what `auth` knows, and who answers the agents' calls."""

    def __init__(self, node: Node, auth: Peer, devices: Peer, tunnels: Peer) -> None:
        """Three joined services, which answer as the attributes say."""
        self.node = node
        self.auth = auth
        self.devices = devices
        self.tunnels = tunnels
        self.cell: str | None = None
        """In which cell every project is; None as of an older `auth`."""
        self.states: dict[str, str] = {}
        self.ticket_ends_at: float | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.is_away = False
        self.takes_legacy = False
        self.uninstalled: set[tuple[int, int, str]] = set()
        """Device, app, stage; everything else is installed."""
        self.grants: set[tuple[int, int]] = set()
        """Consumer and provider app."""
        self.tickets: dict[str, tuple[str, dict[str, Any] | None]] = {}
        """Boards' tickets: the realm of each, and what it answers."""
        self.taken: set[str] = set()
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        """Done between reading and answering who an app is."""

    async def find_credential(self, authid: str, details: dict[str, Any]) -> dict[str, Any] | None:
        """`auth`'s answer about a device: projects other than 1 are unknown."""
        self.asked.append((DEVICE_CREDENTIAL_FIND, {"authid": authid, **details}))
        if self.is_away:
            await asyncio.sleep(3600)
        project, _, key = authid.partition("-")
        if project != "1" or not 1 <= int(key) <= 999:
            return None
        return {
            "state": self.states.get(authid, "active"),
            "secret": f"secret-{key}",
            "device_key": int(key),
            "project_key": 1,
            "serial_number": serial_of(int(key)),
            "flash_id": "flash-1",
            "cell": self.cell,
        }

    def board_ticket(self, realm: str = "realm-1-26-dev", role: str = "board_reader", **more: Any) -> str:
        """A new ticket of account 5, whose session is `bse-<n>`, n the number of tickets."""
        ticket = mint(os.urandom(32))
        number = len(self.tickets) + 1
        answer = {"account_key": 5, "board_key": 9, "credentials": [f"bse-{number}", "key-1"], "ends_at": 2**40}
        self.tickets[ticket] = (realm, {"role": role, **answer, **more})
        return ticket

    async def take_board_ticket(self, ticket: str, realm: str, details: dict[str, Any]) -> dict[str, Any] | None:
        """`auth`'s answer about a board's ticket, which opens one realm once."""
        self.asked.append((BOARD_TICKET_TAKE, {"realm": realm, **details}))
        of, answer = self.tickets.get(ticket, ("", None))
        if of != realm or ticket in self.taken:
            return None
        self.taken.add(ticket)
        if self.before_answer is not None:
            await self.before_answer()
        return answer

    async def find_app_credential(self, realm: str, authid: str, details: dict[str, Any]) -> dict[str, Any]:
        """`auth`'s answer about an app's credential."""
        self.asked.append((APP_CREDENTIAL_FIND, {"realm": realm, "authid": authid, **details}))
        answer = self._app_credential(realm, authid)
        if self.before_answer is not None:
            await self.before_answer()
        return answer

    def _app_credential(self, realm_name: str, authid: str) -> dict[str, Any]:
        realm, app = DataRealm.parse(realm_name), AppAuthid.parse(authid)
        assert realm is not None
        key = int(app.serial_number[-12:]) if app.serial_number[-12:].isdigit() else 0
        if not 1 <= key <= 999 or app.serial_number != serial_of(key) or project_of(key) != realm.project_key:
            return {"reason": "unknown_device"}
        if app.app_key is None and not self.takes_legacy:
            return {"reason": "legacy_denied"}
        app_key, stage = app.app_key or realm.app_key, app.stage or realm.stage
        if (key, app_key, stage) in self.uninstalled:
            return {"reason": "not_installed", "secret": app_secret(authid)}
        if app_key != realm.app_key and (app_key, realm.app_key) not in self.grants:
            return {"reason": "no_grant"}
        role = "app" if app_key == realm.app_key else "app_reader"
        who = {"authid": serial_of(key), "device_key": key, "project_key": realm.project_key, "cell": self.cell}
        return {"secret": app_secret(authid), "role": role, "reason": role, **who}

    def verify_ticket(self, ticket: str, address: str, details: dict[str, Any]) -> dict[str, Any] | None:
        """`auth`'s answer about a ticket: `ticket-<account key>` is good."""
        self.asked.append((TICKET_VERIFY, {"address": address, **details}))
        if not ticket.startswith("ticket-"):
            return None
        return {
            "account_key": int(ticket[7:]),
            "credential": "key-1",
            "scopes": ["all"],
            "ends_at": self.ticket_ends_at,
        }

    def answer(self, *args: Any, details: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """An answer that shows the call."""
        return {"args": args, "kwargs": kwargs, "details": details}

    async def register_agent_procedures(self) -> None:
        """Register what agents call."""
        for uri in AGENT_PROCEDURES:
            owner = self.tunnels if uri == EXPOSE_PORT else self.devices
            await owner.register(uri, self.answer, invoke="roundrobin")


@asynccontextmanager
async def platform(node: Node) -> AsyncIterator[Platform]:
    """The stand-ins, joined and complete, until the end of the block."""
    auth = await node.service("auth", "ironflock.system")
    devices = await node.service("devices", "realm1")
    tunnels = await node.service("tunnels", "realm1")
    stand_ins = Platform(node, auth, devices, tunnels)
    try:
        await auth.register(DEVICE_CREDENTIAL_FIND, stand_ins.find_credential, invoke="roundrobin")
        await auth.register(APP_CREDENTIAL_FIND, stand_ins.find_app_credential, invoke="roundrobin")
        await auth.register(BOARD_TICKET_TAKE, stand_ins.take_board_ticket, invoke="roundrobin")
        await auth.register(TICKET_VERIFY, stand_ins.verify_ticket, invoke="roundrobin")
        await stand_ins.register_agent_procedures()
        await node.public_is_open()
        yield stand_ins
    finally:
        await auth.drop()
        await devices.drop()
        await tunnels.drop()


@asynccontextmanager
async def saying(node: Node, service: str, topic: str) -> AsyncIterator[asyncio.Task[None]]:
    """The service says that all is well, by `topic`, until the end of the block or of the task."""
    peer = await node.service(service, "ironflock.system")

    async def say() -> None:
        while True:
            await asyncio.sleep(1.0)
            await peer.publish(topic, silent_s=0)

    await peer.publish(topic, silent_s=0.0)
    task = asyncio.create_task(say())
    try:
        yield task
    finally:
        task.cancel()
        await peer.drop()


@asynccontextmanager
async def judging(node: Node) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Realms says that it judges what boards rest on, auth that it tells what has ended; the tasks in this order."""
    async with saying(node, "realms", BOARDS_JUDGED) as judged, saying(node, "auth", CREDENTIALS_TOLD) as told:
        yield [judged, told]

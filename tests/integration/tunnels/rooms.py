"""Tunnels' rooms on a real database; auth, devices and realms are stand-ins, and rights are what the test says."""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, cast

import attrs
from attrs import frozen
from twisted.internet.defer import Deferred, succeed

from services.tunnels.assembly import Base, Seen, Shape, assemble
from services.tunnels.declared import DeclaredPorts
from services.tunnels.edge_news import EdgeNews
from services.tunnels.procedures.agents import AgentProcedures
from services.tunnels.procedures.recordings import RecordingProcedures
from services.tunnels.procedures.tunnels import TunnelProcedures
from services.tunnels.procedures.visits import VisitProcedures
from services.tunnels.records.offers import Offer, TunnelName
from services.tunnels.records.recordings import Keeping
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import DeclareTunnel, ListTunnels, PortRange, PublicTunnel
from services.tunnels.records.visits import OpenedCredential
from services.tunnels.rules.tunnels import Places
from services.tunnels.rules.visits import Bounds
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotAuthorizedError, NotFoundError, PublicError, UnavailableError
from shared.flags import AssetKind
from shared.identities import DeviceIdentity, Person
from shared.keyring import DataKeys
from shared.project_cells import CELL
from shared.rights.records import Asset, project_domain
from shared.scopes import scopes_of
from shared.secrets import parse_master_keys
from tests.harness.rights import KnownRights, project
from tests.integration.database import Postgres

ANNA, BERT = Person(5, 11, "key-1"), Person(6, 12, "key-2")
PLANT, YARD = 3, 9
PRESS, CRANE, DRILL = 42, 43, 44
PORTS = PortRange(7500, 7509)
MASTERS = parse_master_keys(json.dumps({"active": "m", "keys": {"m": base64.b64encode(bytes(32)).decode()}}))
CREDENTIAL_ENDS = 4_000_000_000.0
STANDING = {"flash_id": "flash-1", "session": 99, "is_locked": False, "is_leaving": False}
NO_DEVICE = "there is no such device, or you may not see it"


@frozen
class KnownDevice:
    """A device of the registry."""

    device_key: int
    project_key: int
    name: str


class Others:
    """Devices, realms and auth, as far as tunnels asks them."""

    def __init__(self, rights: KnownRights) -> None:
        self.rights = rights
        self.devices = {
            PRESS: KnownDevice(PRESS, PLANT, "press-1"),
            CRANE: KnownDevice(CRANE, PLANT, "crane"),
            DRILL: KnownDevice(DRILL, YARD, "drill"),
        }
        self.away: set[str] = set()
        self.agents_at = "127.0.0.1"
        self.tasks: set[asyncio.Task[Any]] = set()
        self.factors = True
        self.tickets: dict[str, OpenedCredential] = {}
        """What opens something, by its text."""
        self.standings: dict[int, dict[str, Any]] = {}
        """How a device stands, where it is otherwise than most."""
        self.loose: set[int] = set()
        """Projects whose tunnel clients may come from anywhere."""
        self.over: set[str] = set()
        """Credentials that open nothing any more."""
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, procedure: str, **said: Any) -> Any:
        """The answer, as the bus has it; all projects are in the first cell."""
        if procedure == CELL:
            return {"name": "first", "endpoint": None}
        self.asked.append((procedure, said))
        if procedure in self.away:
            raise UnavailableError("away")
        answers: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "ironflock.devices.device.reach": self._reach,
            "ironflock.devices.device.visible": self._visible,
            "ironflock.devices.device.standing": self._stand,
            "ironflock.realms.project.reachable": self._reachable,
            "ironflock.realms.project.resolve": self._resolve,
            "ironflock.realms.project.tunnel_rules": self._tunnel_rules,
            "ironflock.auth.ticket.verify": self._verify,
            "ironflock.auth.credential.standing": self._alive,
            "ironflock.auth.personal.seal": self._seal,
            "ironflock.auth.device_credential.find_by_proof": self._prove,
        }
        return await answers[procedure](said)

    async def _visible(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        known = [self.devices.get(key) for key in said["devices"]]
        return [_told(each) for each in known if each and await self._may(said, "READ", each)]

    async def _stand(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        known = [self.devices.get(key) for key in said["devices"]]
        return [{**_told(each), **self.standings.get(each.device_key, STANDING)} for each in known if each]

    async def _reachable(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"project_key": key.key} for key in self.rights.known(said["account_key"])]

    async def _resolve(self, said: dict[str, Any]) -> dict[str, Any]:
        key = {"plant": PLANT, "yard": YARD}.get(said["project"], said["project"])
        if project(key) not in self.rights.known(said["account_key"]):
            raise NotFoundError("there is no such project")
        return {"project_key": key}

    async def _tunnel_rules(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"requires_same_address": said["project_key"] not in self.loose}

    async def _verify(self, said: dict[str, Any]) -> dict[str, Any] | None:
        found = self.tickets.get(said["ticket"])
        return None if found is None or found.credential in self.over else attrs.asdict(found)

    async def _alive(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        alive = [each for each in said["credentials"] if each["credential"] not in self.over]
        return [{**each, "ends_at": CREDENTIAL_ENDS} for each in alive]

    async def _prove(self, said: dict[str, Any]) -> dict[str, Any] | None:
        known = {hashlib.sha256(f"proof-{key}".encode()).hexdigest(): each for key, each in self.devices.items()}
        found = known.get(said["digest"])
        if found is None:
            return None
        flash_id = self.standings.get(found.device_key, STANDING)["flash_id"]
        return {**_told(found), "serial_number": f"serial-{found.device_key}", "flash_id": flash_id}

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """As a bus."""
        self.tasks.add(self.task(work))

    def task(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """As a bus."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def on_join(self, *_: Any) -> None:
        """Never: nothing is told here."""

    def session_in(self, *_: str) -> "Session":
        """That of the one cell."""
        return Session(self)

    async def _seal(self, said: dict[str, Any]) -> str:
        return base64.b64encode(f"sealed for {said['account_key']}".encode()).decode()

    async def _reach(self, said: dict[str, Any]) -> dict[str, Any]:
        wanted = said["device"]
        found = next((each for each in self.devices.values() if wanted in (each.device_key, each.name)), None)
        if found is None:
            raise NotFoundError(NO_DEVICE)
        if not await self._may(said, said["flag"], found):
            if not await self._may(said, "READ", found):
                raise NotFoundError(NO_DEVICE)
            raise NotAuthorizedError(f"this needs {said['flag']} on device {found.device_key}")
        if not self.factors:
            raise NotAuthorizedError("this project asks for a second factor")
        return _told(found)

    async def _may(self, said: dict[str, Any], flag: str, device: KnownDevice) -> bool:
        person = Person(said["account_key"], 0, None, scopes_of(said["scopes"]))
        asset, domain = Asset(AssetKind.DEVICE, device.device_key), project_domain(device.project_key)
        try:
            await self.rights.require(person, flag, asset, domain, absent=NO_DEVICE)
        except PublicError as error:
            if isinstance(error, UnavailableError):
                raise
            return False
        return True


def _told(device: KnownDevice) -> dict[str, Any]:
    return {"device_key": device.device_key, "project_key": device.project_key, "name": device.name}


class Session:
    """Of the router, which knows where every agent is."""

    def __init__(self, others: Others) -> None:
        self._others = others

    def call(self, procedure: str, session_id: int) -> "Deferred[Any]":
        """Where the session comes from."""
        assert (procedure, session_id) == ("wamp.session.get", STANDING["session"])
        return succeed({"session": session_id, "transport": {"peer": f"tcp4:{self._others.agents_at}:50123"}})


class Offered:
    """What devices offer, were refused, and how many are there, as the test says."""

    def __init__(self) -> None:
        self.offers: dict[TunnelName, Offer] = {}
        self.problems: dict[TunnelName, str] = {}

    def find(self, name: TunnelName) -> Offer | None:
        return self.offers.get(name)

    def ports(self, protocol: str) -> frozenset[int]:
        return frozenset(
            each.remote_port
            for name, each in self.offers.items()
            if name.protocol.value == protocol and each.remote_port is not None
        )

    def problem(self, name: TunnelName) -> str | None:
        return self.problems.get(name)


class Rooms:
    """Everything together; Anna owns `plant` (3), Bert `yard` (9)."""

    def __init__(
        self, database: Database, postgres: Postgres, *, at_the_edge: bool = False, ports: PortRange = PORTS
    ) -> None:
        self.postgres = postgres
        self.database = database
        self.rights = KnownRights()
        self.rights.own(5, PLANT)
        self.rights.own(6, YARD)
        self.others = Others(self.rights)
        self.offered = Offered()
        self.declared = DeclaredPorts(database, "tunnels.example")
        self.news = EdgeNews(cast("Bus", self.others), database, self.declared)
        self.later_s = 0.0
        """How much later it is than the machine's clock says."""
        times = Times(self.now, self.visiting_clock)
        keys = DataKeys(MASTERS, database, "tunnels")
        base = Base(cast("Bus", self.others), database, self.rights, times, keys)
        shape = Shape(
            Places("tunnels.example", 8458), ports, Bounds(life_s=43_200.0, idle_s=900.0), Keeping(30, 1 << 30)
        )
        self.base = base
        parts = self.parts = assemble(
            base, Seen(self.news, self.declared) if at_the_edge else Seen(self.offered, self.offered), shape
        )
        self.visiting, self.admissions = parts.visiting, parts.admissions
        self.people, self.agents, self.visits = TunnelProcedures(parts), AgentProcedures(parts), VisitProcedures(parts)
        self.recorded = RecordingProcedures(parts)

    def visiting_clock(self) -> float:
        """The clock that only goes forward, as the service knows it."""
        return time.monotonic() + self.later_s

    def now(self) -> datetime:
        """The time, as the service knows it."""
        return datetime.fromtimestamp(time.time() + self.later_s, UTC)  # noqa: TID251 - the machine's, as a service has it

    async def declare(
        self, device: int | str = "press-1", app: str = "cam", port: int = 8080, protocol: Any = "http",
        by: Person = ANNA,
    ) -> PublicTunnel:  # fmt: skip
        """A tunnel."""
        made: PublicTunnel = await self.people.tunnel_declare(by, DeclareTunnel(device, app, port, protocol))
        return made

    async def listed(self, by: Person = ANNA, **which: Any) -> list[PublicTunnel]:
        """The first page of the tunnels that somebody sees."""
        found: list[PublicTunnel] = (await self.people.tunnel_list(by, ListTunnels(**which))).tunnels
        return found

    def member(self, *flags: str, device: int = PRESS, account: int = 7) -> Person:
        """Somebody of `plant` who has these flags on the device, and no others."""
        self.rights.give(account, PLANT, AssetKind.DEVICE, device, *flags)
        return Person(account, 13, f"key-{account}")

    def entries(self) -> list[tuple[str, str, dict[str, Any], dict[str, Any] | None]]:
        """Action, outcome, actor and content of everything that was recorded, in order."""
        query = "SELECT action, outcome, actor, after FROM audit.queue ORDER BY id"
        return [(row[0], row[1], row[2], row[3]) for row in self.postgres.rows(query)]


def agent(device_key: int = PRESS, project_key: int = PLANT) -> DeviceIdentity:
    """A device's session."""
    return DeviceIdentity(project_key, device_key, 99)

"""Devices' rooms on a real database, with a router in memory and stand-ins for auth and realms behind it."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from autobahn.wamp.exception import ApplicationError

from services.devices.assembly import assemble
from services.devices.duplicates import Duplicates
from services.devices.owners import Owners
from services.devices.procedures.agents import AgentProcedures
from services.devices.procedures.app_settings import AppSettingProcedures
from services.devices.procedures.app_states import AppStateProcedures
from services.devices.procedures.apps import DeviceAppProcedures
from services.devices.procedures.claims import ClaimProcedures
from services.devices.procedures.groups import GroupProcedures
from services.devices.procedures.people import PeopleProcedures
from services.devices.records.alerts import WebhookSettings
from services.devices.records.apps import DeviceApp, InstallApp, Stage
from services.devices.records.devices import (
    CreateDevice,
    CreateGroup,
    Device,
    FlockSettings,
    Group,
    NameDevice,
    PublicDevice,
)
from services.devices.store import devices as store
from shared.cells import Cell
from shared.database import Database
from shared.flags import AssetKind
from shared.identities import CONTROL_REALM, SYSTEM_REALM, DeviceIdentity, Person
from shared.keyring import DataKeys
from shared.procedures import plain
from shared.releases import NOTHING, Contents
from shared.secrets import MasterKeys
from tests.harness.rights import KnownRights, project
from tests.integration.database import Postgres
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, new_bus, settled

ANNA, BERT = Person(5, 11, "key-1"), Person(6, 12)
FLOCK = FlockSettings("wss://localhost:8443/ws-re-dev", "localhost:5000/", "apps/", "https://localhost:8445", None)
BASE_URL = "https://localhost:8445"
KILL_BY_AUTHID = "wamp.session.kill_by_authid"
KILL = "wamp.session.kill"
END = "ironflock.router.session.end"
FIND = "ironflock.realms.install.find"
NAMES = {26: "Press", 77: "weather"}
MASTERS = MasterKeys(active="m1", keys={"m1": bytes(32)})
WEBHOOKS = WebhookSettings(None, may_be_private=True)
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


class Crash(BaseException):
    """The process ends here: nobody catches it."""


def refusal(reason: str, prefix: str = "ironflock.error.") -> ApplicationError:
    """A refusal as it comes over the wire."""
    return ApplicationError(f"{prefix}{reason}", "no", code=reason, message="no")


class Auth:
    """Keeps the secrets of devices, can be away, and lets its caller crash before or after it acts."""

    def __init__(self) -> None:
        """It knows nobody yet."""
        self.issued: dict[int, tuple[str, str]] = {}
        self.projects: dict[int, int] = {}
        self.ended: list[int] = []
        self.rotated: list[dict[str, Any]] = []
        self.is_away = False
        self.before: Callable[[], Any] = lambda: None
        self.after: Callable[[], Any] = lambda: None

    async def issue(self, *, flash_id: str, device_key: int, project_key: int, serial_number: str) -> dict[str, str]:
        """`ironflock.auth.device_credential.issue`."""
        assert project_key
        self.projects[device_key] = project_key
        assert str(UUID(serial_number)) == serial_number
        await self._come()
        if self.issued.get(device_key, ("", ""))[0] != flash_id:
            self.issued[device_key] = (flash_id, f"secret of {flash_id}")
        self.after()
        return {"secret": self.issued[device_key][1], "app_cred_key": "app key"}

    async def end(self, *, device_key: int) -> dict[str, str] | None:
        """`ironflock.auth.device_credential.end`."""
        await self._come()
        self.ended.append(device_key)
        self.after()
        return {"secret_sha256": "aa", "tunnel_proof_sha256": "bb"} if device_key in self.issued else None

    async def app_cred_key(self, *, device_key: int) -> str:
        """`ironflock.auth.app_cred_key.find`."""
        await self._come()
        if device_key not in self.issued:
            raise refusal("not_found")
        return "app key"

    async def derive(self, *, device_key: int, app_key: int, stage: str) -> dict[str, str]:
        """`ironflock.auth.app_credential.derive`."""
        await self._come()
        if device_key not in self.issued:
            raise refusal("not_found")
        return {"authid": f"app-{app_key}-{stage.lower()}-e1@{device_key}", "secret": f"secret of {app_key} {stage}"}

    async def rotate(self, **which: Any) -> dict[str, Any]:
        """`ironflock.auth.app_credential.rotate`."""
        await self._come()
        self.rotated.append(which)
        return {"epoch": 1 + len(self.rotated), "overlap_until": "2026-11-29T21:00:00Z"}

    async def _come(self) -> None:
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        pending = self.before()
        if pending is not None:
            await pending


class Privileges:
    """Remembers what it was told, newest last; can be away, and lets its caller crash before it takes anything."""

    def __init__(self) -> None:
        """It knows nothing yet."""
        self.told: list[dict[str, Any]] = []
        self.is_away = False
        self.missing: list[str] = []
        self.before: Callable[[dict[str, Any]], Any] = lambda _: None

    async def put(self, **asset: Any) -> None:
        """`ironflock.privileges.asset.put`."""
        await self._take({"verb": "put", **asset})

    async def forget(self, **asset: Any) -> None:
        """`ironflock.privileges.asset.forget`."""
        await self._take({"verb": "forget", **asset})

    def ask_missing(self, **_: Any) -> list[str]:
        """`ironflock.privileges.group.missing`."""
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        return list(self.missing)

    def told_of(self, kind: str, key: int) -> list[dict[str, Any]]:
        """What was said of one asset, in order."""
        return [said for said in self.told if (said["kind"], said["key"]) == (kind, key)]

    async def _take(self, said: dict[str, Any]) -> None:
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        pending = self.before(said)
        if pending is not None:
            await pending
        self.told.append(said)


class Realms:
    """Has apps installed in projects: `press` (26) and `weather` (77); can be away, and lets its caller act first."""

    def __init__(self) -> None:
        """Project 3 has both of them."""
        self.installs: set[tuple[int, int, str]] = {(3, 26, "DEV"), (3, 26, "PROD"), (3, 77, "DEV")}
        self.is_away = False
        self.asked: list[tuple[int, int, str]] = []
        self.contents: dict[int, Contents] = {}
        self.after: Callable[[], None] = lambda: None

    def find(self, *, project_key: int, app_key: int, stage: str) -> dict[str, Any]:
        """`ironflock.realms.install.find`."""
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        self.asked.append((project_key, app_key, stage))
        is_installed = self.asked[-1] in self.installs
        self.after()
        if not is_installed:
            return {"is_installed": False}
        return {"is_installed": True, "app_name": NAMES[app_key], "release_key": app_key * 10, "version": "1.0.0"}

    def release(self, *, app_key: int, version: str) -> dict[str, Any]:
        """`ironflock.realms.release.find`: there are 1.0.0, 1.1.0 and 1.2.0."""
        if version not in VERSIONS:
            raise refusal("not_found")
        return {"release_key": app_key * 10 + VERSIONS.index(version), "app_key": app_key, "version": version}

    def contents_of(self, *, release_key: int) -> Any:
        """`ironflock.realms.release.contents`."""
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        return plain(self.contents.get(release_key, NOTHING))


class World:
    """Everything together; Anna owns `plant` (3) and `depot` (4), Bert `yard` (9)."""

    def __init__(self, database: Database, postgres: Postgres, ca: Path, *cells: Cell) -> None:
        """Nothing has joined yet."""
        self.database = database
        self.postgres = postgres
        self.router = MemoryRouter()
        self.auth = Auth()
        self.projects = {3: ("plant", 5), 4: ("depot", 5), 9: ("yard", 6)}
        self.requiring: set[int] = set()  # projects that require a factor which nobody has
        self.live: list[int] = []
        self.after_kill: Callable[[], None] = lambda: None
        self.bus = new_bus(ca, *cells, role="svc_devices")
        self.privileges, self.realms = Privileges(), Realms()
        self.rights = KnownRights()
        self.rights.own(5, 3, 4)
        self.rights.own(6, 9)
        keys = DataKeys(MASTERS, database, "devices")
        self.parts = assemble(self.bus, database, keys, self.rights, FLOCK, jitter=lambda: 0.0, webhooks=WEBHOOKS)
        self.feed, self.presence, self.lifecycle = self.parts.feed, self.parts.presence, self.parts.lifecycle
        self.locking, self.telling = self.parts.locking, self.parts.telling
        self.installs, self.app_sessions = self.parts.apps.installs, self.parts.apps.sessions
        self.delivery = self.parts.apps.delivery
        Duplicates(self.bus, database, self.parts.alerts.alerting)
        self.owners = Owners(self.bus, database)
        self.people, self.agents = PeopleProcedures(self.parts), AgentProcedures(self.parts)
        self.groups, self.claims = GroupProcedures(self.parts), ClaimProcedures(self.parts)
        self.apps, self.app_states = DeviceAppProcedures(self.parts), AppStateProcedures(self.parts)
        self.app_settings = AppSettingProcedures(self.parts)
        self._known: dict[int, Device] = {}
        self._accounts = count(100)
        self.system = self.control = cast("MemorySession", None)
        self.router.answers.update(
            {
                "ironflock.realms.project.resolve": self._resolve,
                "ironflock.realms.project.reachable": self._reachable,
                "ironflock.privileges.asset.put": self.privileges.put,
                "ironflock.privileges.asset.forget": self.privileges.forget,
                "ironflock.privileges.group.missing": self.privileges.ask_missing,
                "ironflock.auth.account.find": lambda *, account_key: {
                    "account_key": account_key,
                    "login_name": f"person {account_key}",
                },
                "ironflock.auth.device_credential.issue": self.auth.issue,
                "ironflock.auth.device_credential.end": self.auth.end,
                "ironflock.auth.app_cred_key.find": self.auth.app_cred_key,
                "ironflock.auth.app_credential.derive": self.auth.derive,
                "ironflock.auth.app_credential.rotate": self.auth.rotate,
                FIND: self.realms.find,
                "ironflock.realms.release.find": self.realms.release,
                "ironflock.realms.release.contents": self.realms.contents_of,
                END: lambda **_: 1,
                KILL_BY_AUTHID: self._killed,
                KILL: self._killed,
                "wamp.session.list": lambda _roles: list(self.live),
            }
        )

    async def join(self) -> None:
        """Join both realms."""
        self.system = await self.router.join(self.bus, SYSTEM_REALM)
        self.control = await self.router.join(self.bus, CONTROL_REALM)

    async def settle(self) -> None:
        """Wait for what runs beside."""
        await settled(self.bus)

    async def create(self, name: str = "press-1", project: int | str = 3, person: Person = ANNA) -> PublicDevice:
        """A new device."""
        device: PublicDevice = await self.people.device_create(person, CreateDevice(project, name))
        return device

    async def create_group(self, name: str = "line-1", project: int | str = 3, person: Person = ANNA) -> Group:
        """A new group."""
        group: Group = await self.groups.group_create(person, CreateGroup(project, name))
        return group

    async def install(self, device: int | str, app: int = 26, stage: Stage = "DEV", person: Person = ANNA) -> DeviceApp:
        """The app is on the device."""
        installed: DeviceApp = await self.apps.app_install(person, InstallApp(device, app, stage))
        return installed

    def on_devices(self) -> list[tuple[int, int, str]]:
        """Device, app and stage of everything that is installed."""
        return [
            (row[0], row[1], row[2])
            for row in self.postgres.rows("SELECT device_key, app_key, stage FROM devices.device_app ORDER BY 1, 2, 3")
        ]

    def cut(self) -> list[dict[str, Any]]:
        """Which sessions of apps the router was told to end, in order."""
        return [kwargs for name, _, kwargs in self.router.calls if name == END]

    async def device(self, key: int) -> Device:
        """The device as the registry has it; one that is gone as it was in project 3."""
        found = await self.database.run(lambda connection: store.device_find(connection, key))
        if found is not None:
            self._known[key] = found
        return self._known[key]

    async def flash(self, key: int, person: Person = ANNA) -> tuple[Device, str]:
        """New secrets for the device."""
        return await self.lifecycle.flash(person, await self.device(key))

    async def delete(self, key: int, person: Person = ANNA) -> None:
        """The device goes."""
        await self.lifecycle.delete(person, await self.device(key))

    async def show(self, key: int, person: Person = ANNA) -> PublicDevice:
        """What a person sees of the device."""
        device: PublicDevice = await self.people.device_show(person, NameDevice(key))
        return device

    def member(self, project_key: int, kind: AssetKind, key: int, *flags: str, ends_at: float | None = None) -> Person:
        """Somebody new who has exactly `flags` on that asset, as a member of the project."""
        person = Person(next(self._accounts), 99)
        self.rights.give(person.account_key, project_key, kind, key, *flags, ends_at=ends_at)
        return person

    def state(self, key: int) -> tuple[str, UUID | None] | None:
        """State and flash id of the row."""
        rows = self.postgres.rows("SELECT state, flash_id FROM devices.device WHERE device_key = %s", key)
        return (rows[0][0], rows[0][1]) if rows else None

    def status(self, key: int) -> tuple[str, int | None]:
        """Status and session of the row."""
        rows = self.postgres.rows("SELECT status, session FROM devices.device WHERE device_key = %s", key)
        return rows[0][0], rows[0][1]

    async def online(self, key: int, session: int, status: str = "CONNECTED") -> None:
        """The device says over `session` how it is."""
        await self.presence.report(DeviceIdentity(3, key, session), cast("Any", status), {})

    def tells(self, topic: str, *args: Any, publisher: int | None = None) -> None:
        """The router's own event."""
        self.router.publish(CONTROL_REALM, topic, *args, publisher=publisher)

    def device_joins(self, key: int, session: int, flash_id: UUID | str | None = None, project: int = 3) -> None:
        """`wamp.session.on_join` of a device."""
        extra = {"device_key": key, "project_key": project, "flash_id": str(flash_id)}
        details = {"session": session, "authid": f"{project}-{key}", "authrole": "device", "authextra": extra}
        self.tells("wamp.session.on_join", details)

    def _killed(self, *_: Any) -> int:
        self.after_kill()
        return 1

    def _resolve(self, *, account_key: int, project: int | str) -> dict[str, Any]:
        for key, (name, _) in self.projects.items():
            if project in (key, name) and self._holds(account_key, key):
                if key in self.requiring:
                    raise refusal("not_authorized", "wamp.error.")
                return self._project(key)
        raise refusal("not_found")

    def _reachable(self, *, account_key: int) -> list[dict[str, Any]]:
        keys = [key for key in self.projects if self._holds(account_key, key) and key not in self.requiring]
        return [self._project(key) for key in keys]

    def _holds(self, account_key: int, project_key: int) -> bool:
        return project(project_key) in self.rights.known(account_key)

    def _project(self, key: int) -> dict[str, Any]:
        name, owner = self.projects[key]
        made = {"project_key": key, "name": name, "description": "", "owner_account_key": owner}
        return {**made, "created_at": "2026-11-25T00:00:00Z"}


def any_flash() -> UUID:
    """A flash id of nobody."""
    return uuid4()

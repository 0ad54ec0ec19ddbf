"""Devices' rooms on a real database, with a router in memory and stand-ins for auth and realms behind it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from autobahn.wamp.exception import ApplicationError

from services.devices.duplicates import Duplicates
from services.devices.feed import Feed
from services.devices.lifecycle import Lifecycle
from services.devices.owners import Owners
from services.devices.presence import Presence
from services.devices.procedures.agents import AgentProcedures
from services.devices.procedures.people import PeopleProcedures
from services.devices.projects import Credentials, Projects
from services.devices.records import CreateDevice, FlockSettings, NameDevice, PublicDevice
from shared.database import Database
from shared.identities import CONTROL_REALM, SYSTEM_REALM, DeviceIdentity, Person
from tests.integration.database import Postgres
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, new_bus, settled

ANNA, BERT = Person(5, 11, "key-1"), Person(6, 12)
FLOCK = FlockSettings("wss://localhost:8443/ws-re-dev", "localhost:5000/", "apps/", "https://localhost:8445", None)
BASE_URL = "https://localhost:8445"
KILL_BY_AUTHID = "wamp.session.kill_by_authid"
KILL = "wamp.session.kill"


class Crash(BaseException):
    """The process ends here: nobody catches it."""


def refusal(reason: str) -> ApplicationError:
    """A refusal as it comes over the wire."""
    return ApplicationError(f"ironflock.error.{reason}", "no", code=reason, message="no")


class Auth:
    """Keeps the secrets of devices, can be away, and lets its caller crash before or after it acts."""

    def __init__(self) -> None:
        """It knows nobody yet."""
        self.issued: dict[int, tuple[str, str]] = {}
        self.ended: list[int] = []
        self.is_away = False
        self.before: Callable[[], Any] = lambda: None
        self.after: Callable[[], Any] = lambda: None

    async def issue(self, *, flash_id: str, device_key: int, project_key: int, serial_number: str) -> dict[str, str]:
        """`ironflock.auth.device_credential.issue`."""
        assert project_key
        assert str(UUID(serial_number)) == serial_number
        await self._come()
        if self.issued.get(device_key, ("", ""))[0] != flash_id:
            self.issued[device_key] = (flash_id, f"secret of {flash_id}")
        self.after()
        return {"secret": self.issued[device_key][1], "app_cred_key": "app key"}

    async def end(self, *, device_key: int) -> None:
        """`ironflock.auth.device_credential.end`."""
        await self._come()
        self.ended.append(device_key)
        self.after()

    async def app_cred_key(self, *, device_key: int) -> str:
        """`ironflock.auth.app_cred_key.find`."""
        await self._come()
        if device_key not in self.issued:
            raise refusal("not_found")
        return "app key"

    async def _come(self) -> None:
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        pending = self.before()
        if pending is not None:
            await pending


class World:
    """Everything together; Anna owns `plant` (3) and `depot` (4), Bert `yard` (9)."""

    def __init__(self, database: Database, postgres: Postgres, ca: Path) -> None:
        """Nothing has joined yet."""
        self.database = database
        self.postgres = postgres
        self.router = MemoryRouter()
        self.auth = Auth()
        self.projects = {3: ("plant", 5), 4: ("depot", 5), 9: ("yard", 6)}
        self.live: list[int] = []
        self.after_kill: Callable[[], None] = lambda: None
        self.bus = new_bus(ca, role="svc_devices")
        self.feed = Feed(self.bus)
        self.presence = Presence(self.bus, database, self.feed)
        Duplicates(self.bus, database)
        self.owners = Owners(self.bus, database)
        credentials = Credentials(self.bus)
        self.lifecycle = Lifecycle(database, credentials, self.presence, self.feed)
        self.people = PeopleProcedures(database, Projects(self.bus), self.lifecycle, self.feed, FLOCK)
        self.agents = AgentProcedures(database, credentials, self.presence, self.feed, base_url=BASE_URL)
        self.system = cast("MemorySession", None)
        self.control = cast("MemorySession", None)
        self.router.answers.update(
            {
                "ironflock.realms.project.resolve": self._resolve,
                "ironflock.realms.project.owned": self._owned,
                "ironflock.auth.account.find": lambda *, account_key: {
                    "account_key": account_key,
                    "login_name": f"person {account_key}",
                },
                "ironflock.auth.device_credential.issue": self.auth.issue,
                "ironflock.auth.device_credential.end": self.auth.end,
                "ironflock.auth.app_cred_key.find": self.auth.app_cred_key,
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

    async def show(self, key: int, person: Person = ANNA) -> PublicDevice:
        """What a person sees of the device."""
        device: PublicDevice = await self.people.device_show(person, NameDevice(key))
        return device

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
        for key, (name, owner) in self.projects.items():
            if owner == account_key and project in (key, name):
                return self._project(key)
        raise refusal("not_found")

    def _owned(self, *, account_key: int) -> list[dict[str, Any]]:
        return [self._project(key) for key, (_, owner) in self.projects.items() if owner == account_key]

    def _project(self, key: int) -> dict[str, Any]:
        name, owner = self.projects[key]
        made = {"project_key": key, "name": name, "description": "", "owner_account_key": owner}
        return {**made, "created_at": "2026-11-25T00:00:00Z"}


def any_flash() -> UUID:
    """A flash id of nobody."""
    return uuid4()

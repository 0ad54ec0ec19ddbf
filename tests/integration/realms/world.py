"""Realms on a real database: everything but its bus, and rights that the test says."""

from typing import Any, cast

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed

from services.realms.assembly import assemble
from services.realms.procedures.access import AccessProcedures
from services.realms.procedures.apps import AppProcedures
from services.realms.procedures.backends import BackendProcedures
from services.realms.procedures.boards import BoardProcedures
from services.realms.procedures.installs import InstallProcedures
from services.realms.procedures.moves import MoveProcedures
from services.realms.procedures.placement import PlacementProcedures
from services.realms.procedures.projects import ProjectProcedures
from services.realms.procedures.releases import ReleaseProcedures
from services.realms.procedures.services import ServiceProcedures
from services.realms.records.apps import App, CreateApp, CreateRelease, Release
from services.realms.records.installs import Access, CreateInstall, Install, NameAccess, NameInstall
from services.realms.records.projects import CreateProject, NameProject
from services.realms.records.values import Stage
from shared.bus import Bus
from shared.cells import FIRST, Cell
from shared.database import Database
from shared.errors import PublicError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person, ServiceIdentity
from shared.procedures import declared, public_errors
from shared.rights.records import INSTALLATION, Grant, Standing, app_domain
from tests.harness.rights import OWNING, KnownRights
from tests.unit.shared.memory_router import call_details
from tests.unit.shared.surface import everywhere

ANNA, BERT, CARL = Person(5, 11, "key-1"), Person(6, 12), Person(7, 13)
DEVICES, AUTH, ROUTER, TUNNELS = (ServiceIdentity(name, 1) for name in ("devices", "auth", "router", "tunnels"))
IMAGE = "registry.example.com/press@sha256:" + "0a" * 32
INSTALLS, ACCESS = "ironflock.realms.install.changed", "ironflock.realms.access.changed"


class Session:
    """A session of the system realm at one router, which keeps what is published there."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.fails: Exception | None = None
        self.is_away = False

    def publish(self, topic: str, *, options: Any = None, **content: Any) -> Deferred[None]:
        """Taken, or refused."""
        assert options is None or options.acknowledge
        if self.fails is not None:
            return fail(self.fails)
        self.published.append((topic, content))
        return succeed(None)


class Others:
    """Auth, which knows of everybody but Bert that they have a second factor; privileges, which believes realms."""

    def __init__(self, rights: KnownRights) -> None:
        self.rights = rights
        self.is_away = False
        self.told: list[dict[str, Any]] = []
        self.assets: list[dict[str, Any]] = []
        self.forgotten: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.ticket_ends_at = "2126-01-01T00:00:00Z"
        self.cells = (Cell(FIRST, "wss://localhost/ws-svc"), Cell("south", "wss://south.test/ws-svc"))
        self.routers = [Session(), Session()]

    async def call(self, procedure: str, **said: Any) -> Any:
        if procedure == "ironflock.auth.account.has_factor":
            return bool(said["account_key"] != BERT.account_key)
        if self.is_away:
            raise UnavailableError("away")
        if procedure == "ironflock.auth.board_ticket.issue":
            self.tickets.append(said)
            number = len(self.tickets)
            return {"ticket": f"ifb_{number}", "session": f"bse_{number:032x}", "ends_at": self.ticket_ends_at}
        if procedure == "ironflock.auth.board_ticket.end":
            self.ended += said["sessions"]
            return None
        if procedure in ("ironflock.privileges.asset.forget", "ironflock.privileges.domain.forget"):
            self.forgotten.append(said)
            return None
        if procedure == "ironflock.privileges.asset.put":
            self.assets.append(said)
            return None
        assert procedure == "ironflock.privileges.domain.put"
        self.told.append(said)
        if said["kind"] == "project":
            self.rights.own(said["owner_account_key"], said["key"])
        else:
            standing = evolve(OWNING, is_public_app=said["is_public"])
            self.rights.hold(said["owner_account_key"], app_domain(said["key"]), standing)
        return None

    def sessions(self, realm: str) -> list[Session]:
        """Those that there are."""
        return list(self.sessions_by_cell(realm).values())

    def sessions_by_cell(self, _: str) -> dict[str, Session]:
        """The same, by the names of their cells."""
        there = zip(self.cells, self.routers, strict=True)
        return {cell.name: router for cell, router in there if not router.is_away}


class Realms:
    """All rooms of the service; Anna owns what is made here, unless somebody else is said to."""

    def __init__(self, database: Database, rights: KnownRights, others: Others) -> None:
        self.rights = rights
        self.others = others
        parts = assemble(cast("Bus", others), database, rights)
        self.telling, self.announcing, self.provided = parts.telling, parts.announcing, parts.backends
        self.legacy = parts.legacy
        self.projects = ProjectProcedures(parts)
        self.apps = AppProcedures(parts)
        self.releases = ReleaseProcedures(parts)
        self.installs = InstallProcedures(parts)
        self.access = AccessProcedures(parts)
        self.backends = BackendProcedures(parts)
        self.boards = BoardProcedures(parts)
        self.placement = PlacementProcedures(parts)
        self.moves, self.moving = MoveProcedures(parts), parts.moving
        self.sessions = parts.board_sessions
        self.services = ServiceProcedures(parts)

    @property
    def published(self) -> list[tuple[str, dict[str, Any]]]:
        """What was published at the first router."""
        return self.others.routers[0].published

    async def project(self, name: str = "plant", by: Person = ANNA, region: str | None = None) -> int:
        """A project's key."""
        return int((await self.projects.project_create(by, CreateProject(name, region=region))).project_key)

    def let_place(self, by: Person = ANNA) -> None:
        """They may say where projects live."""
        place = Grant(1, "PLACE", AssetKind.INSTALLATION, INSTALLATION.key, None)
        standing = Standing(is_owner=False, is_member=False, grants=(place,))
        self.rights.hold(by.account_key, INSTALLATION, standing)

    async def app(self, name: str = "press", by: Person = ANNA) -> App:
        """An app."""
        made: App = await self.apps.app_create(by, CreateApp(name))
        return made

    async def release(
        self, app: int | str = "press", version: str = "1.0", *consumes: str, by: Person = ANNA, image: str = IMAGE
    ) -> Release:
        """A release, which wants to read these apps' data."""
        template = {"data": {}, "consumes": [{"app": name, "reason": f"to see {name}"} for name in consumes]}
        made: Release = await self.releases.release_create(by, CreateRelease(app, version, image, template))
        return made

    async def install(
        self,
        project: int | str = "plant",
        app: int | str = "press",
        stage: Stage = Stage.PROD,
        version: str | None = None,
        by: Person = ANNA,
    ) -> Install:
        """The app in the project."""
        made: Install = await self.installs.install_create(by, CreateInstall(project, app, stage, version))
        return made

    async def uninstall(
        self, project: int | str = "plant", app: int | str = "press", stage: Stage = Stage.PROD, by: Person = ANNA
    ) -> None:
        """The app is not in the project any more."""
        await self.installs.install_delete(by, NameInstall(project, app, stage))

    async def installed(self, project: int | str = "plant", by: Person = ANNA) -> list[Install]:
        """What is in the project."""
        found: list[Install] = (await self.installs.install_list(by, NameProject(project))).installs
        return found

    async def asked(self, project: int | str = "plant", by: Person = ANNA) -> list[Access]:
        """What apps ask for in the project."""
        found: list[Access] = (await self.access.access_list(by, NameProject(project))).access
        return found

    async def grant(
        self, provider: str, app: int | str = "press", project: int | str = "plant", by: Person = ANNA
    ) -> None:
        """The app may read the other one's data."""
        await self.access.access_grant(by, NameAccess(project, app, provider))

    async def revoke(
        self, provider: str, app: int | str = "press", project: int | str = "plant", by: Person = ANNA
    ) -> None:
        """The app may not read it any more."""
        await self.access.access_revoke(by, NameAccess(project, app, provider))

    def give_on_app(self, person: Person, app_key: int, *flags: str) -> None:
        """The person has these flags on the app, and no others."""
        grants = tuple(Grant(number, flag, AssetKind.APP, app_key, None) for number, flag in enumerate(flags, 1))
        standing = Standing(is_owner=False, is_member=False, grants=grants)
        self.rights.hold(person.account_key, app_domain(app_key), standing)

    async def on_the_wire(self, uri: str, arguments: dict[str, Any]) -> Any:
        """What Anna is answered on the bus."""
        surfaces = (self.projects, self.apps, self.releases, self.installs, self.access, self.backends, self.boards)
        found = {each.uri: (each, method) for surface in surfaces for each, method in declared(surface)}
        return await public_errors(*found[uri], None, everywhere)(details=call_details("user", "5"), **arguments)


async def refused(call: Any) -> dict[str, Any]:
    """How a call is refused."""
    try:
        await call
    except PublicError as error:
        return {"uri": error.uri, **error.details()}
    raise AssertionError("it was not refused")

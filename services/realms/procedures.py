"""The WAMP surface of realms: projects, for people and for the services that work inside them."""

from contextlib import suppress
from typing import Final

from attrs import evolve
from psycopg.errors import UniqueViolation

from services.realms import rules, store
from services.realms.factors import Factors
from services.realms.records import (
    AccountKey,
    CreateProject,
    ListProjects,
    Project,
    ProjectPage,
    RequireFactor,
    ResolveProject,
    SetOwner,
    ShowProject,
)
from services.realms.telling import Telling
from shared import audit
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, ConflictError, NotAuthorizedError, NotFoundError, PublicError
from shared.identities import Person, ServiceIdentity
from shared.names import canonical_name, clean_name, clean_text, lookup_name
from shared.paging import page, position_after
from shared.procedures import for_people, for_services
from shared.rights.decision_point import Rights
from shared.rights.records import Holdings, project_asset, project_domain

NO_PROJECT: Final = "there is no such project, or you may not see it"
FACTOR_REQUIRED: Final = (
    "this project asks for a second factor: set one up on the page of your account, then sign in again"
)


class Procedures:
    """Realms' procedures."""

    def __init__(self, database: Database, factors: Factors, rights: Rights, telling: Telling) -> None:
        """Serve from `database`; `factors` knows who has a second one, `rights` who may do what."""
        self._database = database
        self._factors = factors
        self._rights = rights
        self._telling = telling

    @for_people("ironflock.realms.project.create", CreateProject)
    async def project_create(self, person: Person, request: CreateProject) -> Project:
        """A new project, owned by the caller; known as theirs everywhere when this returns, or soon after."""
        name = clean_name(request.name, what="name")
        description = clean_text(request.description, what="description")
        try:
            async with self._database.transaction() as connection:
                project = await store.project_insert(
                    connection,
                    name=name,
                    name_canonical=canonical_name(name),
                    description=description,
                    owner_account_key=person.account_key,
                )
                await audit.record(connection, _created(person, project))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"you have a project {name!r} already", name=name) from error
        with suppress(PublicError):
            await self._telling.tell(project)
        return project

    @for_people("ironflock.realms.project.list", ListProjects, is_reading=True, is_narrowing=True)
    async def project_list(self, person: Person, request: ListProjects) -> ProjectPage:
        """The projects that the caller may see, paged."""
        after = position_after(request.cursor)
        holdings = await self._rights.holdings(person.account_key)
        keys = [
            key
            for key in rules.touched(holdings, now=self._rights.now())
            if person.scopes.reaches(key) and self._sees(holdings, key)
        ]
        rows = await self._database.run(
            lambda connection: store.project_list(connection, keys, after=after, limit=request.limit + 1)
        )
        projects, cursor = page(rows, request.limit, lambda project: project.project_key)
        return ProjectPage(projects=projects, next=cursor)

    @for_people("ironflock.realms.project.show", ShowProject, is_reading=True, is_narrowing=True)
    async def project_show(self, person: Person, request: ShowProject) -> Project:
        """One project that the caller may see."""
        return await self._with_flag(person, "READ", request.project)

    @for_people("ironflock.realms.project.require_factor", RequireFactor)
    async def project_require_factor(self, person: Person, request: RequireFactor) -> Project:
        """Whether whoever works in the project must have a second factor; who asks that of others has one."""
        project = await self._with_flag(person, "GRANT", request.project)
        if request.required and not await self._factors.has(person.account_key):
            raise ConflictError("set up a second factor for yourself first, or you lock yourself out")
        async with self._database.transaction() as connection:
            if await store.project_require_factor(connection, project.project_key, required=request.required):
                await audit.record(connection, _factor_set(person, project, required=request.required))
        return evolve(project, requires_factor=request.required)

    @for_services("ironflock.realms.project.resolve", ResolveProject)
    async def project_resolve(self, service: ServiceIdentity, request: ResolveProject) -> Project:
        """One project that an account has to do with, for devices and audit, which decide what may be done there."""
        _only(service, "devices", "audit")
        project = await self._meant(request.account_key, request.project)
        if project.requires_factor and not await self._factors.has(request.account_key):
            raise NotAuthorizedError(FACTOR_REQUIRED)
        return project

    @for_services("ironflock.realms.project.reachable", AccountKey)
    async def project_reachable(self, service: ServiceIdentity, request: AccountKey) -> list[Project]:
        """Every project that an account has to do with, but for those that ask for a factor that it has not."""
        _only(service, "devices", "audit")
        keys = await self._touched(request.account_key)
        found = await self._database.run(
            lambda connection: store.project_list(connection, keys, after=0, limit=len(keys))
        )
        if any(project.requires_factor for project in found):
            has_factor = await self._factors.has(request.account_key)
            found = [project for project in found if has_factor or not project.requires_factor]
        return [evolve(project, description="") for project in found]  # which may be long, and nobody asked for

    @for_services("ironflock.realms.project.set_owner", SetOwner)
    async def project_set_owner(self, service: ServiceIdentity, request: SetOwner) -> None:
        """The project is somebody else's from now on, for privileges, which has recorded why."""
        _only(service, "privileges")
        try:
            is_known = await self._database.run(
                lambda connection: store.project_set_owner(connection, request.project_key, request.owner_account_key)
            )
        except UniqueViolation as error:
            raise AlreadyExistsError("the new owner has a project of that name already: rename one first") from error
        if not is_known:
            raise NotFoundError(NO_PROJECT)

    async def _with_flag(self, person: Person, flag: str, wanted: int | str) -> Project:
        project = await self._meant(person.account_key, wanted)
        key = project.project_key
        await self._rights.require(person, flag, project_asset(key), project_domain(key), absent=NO_PROJECT)
        return project

    def _sees(self, holdings: Holdings, key: int) -> bool:
        return self._rights.judge(holdings, "READ", project_asset(key), project_domain(key)).allowed

    async def _touched(self, account_key: int) -> list[int]:
        return rules.touched(await self._rights.holdings(account_key), now=self._rights.now())

    async def _meant(self, account_key: int, wanted: int | str) -> Project:
        """The one project that the person has to do with and means."""
        found = await self._find(await self._rights.holdings(account_key), wanted)
        if not found:
            found = await self._find(await self._rights.holdings_now(account_key), wanted)
        if not found:
            raise NotFoundError(NO_PROJECT)
        if len(found) > 1:
            raise ConflictError("you have to do with more than one project of that name; say its key")
        return found[0]

    async def _find(self, holdings: Holdings, wanted: int | str) -> list[Project]:
        keys = rules.touched(holdings, now=self._rights.now())
        return await self._database.run(lambda connection: _find(connection, keys, wanted))


async def _find(connection: Connection, keys: list[int], wanted: int | str) -> list[Project]:
    if isinstance(wanted, int):
        return await store.project_list(connection, [key for key in keys if key == wanted], after=0, limit=1)
    name = lookup_name(wanted)
    return [] if name is None else await store.project_find_by_name(connection, keys, name)


def _only(service: ServiceIdentity, *names: str) -> None:
    if service.name not in names:
        raise NotAuthorizedError("this procedure is not for you")


def _created(person: Person, project: Project) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.PROJECT_CREATED,
        aspect=audit.Aspect.EXISTENCE,
        actor=audit.actor_of(person),
        asset=audit.Asset("project", project.project_key),
        project_key=project.project_key,
        after={"name": project.name, "description": project.description},
        session=person.session or None,
    )


def _factor_set(person: Person, project: Project, *, required: bool) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.PROJECT_FACTOR_REQUIREMENT_CHANGED,
        aspect=audit.Aspect.FACTOR,
        actor=audit.actor_of(person),
        asset=audit.Asset("project", project.project_key),
        project_key=project.project_key,
        before={"requires_factor": project.requires_factor},
        after={"requires_factor": required},
        session=person.session or None,
    )

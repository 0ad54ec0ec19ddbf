"""The WAMP surface of realms: projects, for people and for the services that work inside them."""

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
    ShowProject,
)
from shared import audit
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, ConflictError, NotAuthorizedError, NotFoundError
from shared.identities import Person, ServiceIdentity
from shared.names import canonical_name, clean_name, clean_text, lookup_name
from shared.paging import page, position_after
from shared.procedures import for_people, for_services

NO_PROJECT: Final = "there is no such project, or you may not see it"
FACTOR_REQUIRED: Final = (
    "this project asks for a second factor: set one up on the page of your account, then sign in again"
)
MAX_OWNED: Final = 10_000


class Procedures:
    """Realms' procedures."""

    def __init__(self, database: Database, factors: Factors) -> None:
        """Serve from `database`; `factors` knows who has a second one."""
        self._database = database
        self._factors = factors

    @for_people("ironflock.realms.project.create", CreateProject)
    async def project_create(self, person: Person, request: CreateProject) -> Project:
        """A new project, owned by the caller."""
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
        return project

    @for_people("ironflock.realms.project.list", ListProjects, is_reading=True, is_narrowing=True)
    async def project_list(self, person: Person, request: ListProjects) -> ProjectPage:
        """The caller's projects, paged."""
        after = position_after(request.cursor)
        owned = await self._owned(person.account_key, after=after, limit=_fetched(person, request.limit))
        rows = [project for project in owned if person.scopes.reaches(project.project_key)]
        projects, cursor = page(rows, request.limit, lambda project: project.project_key)
        return ProjectPage(projects=projects, next=cursor)

    @for_people("ironflock.realms.project.show", ShowProject, is_reading=True, is_narrowing=True)
    async def project_show(self, person: Person, request: ShowProject) -> Project:
        """One project that the caller may see."""
        return await self._reached(person, request.project)

    @for_people("ironflock.realms.project.require_factor", RequireFactor)
    async def project_require_factor(self, person: Person, request: RequireFactor) -> Project:
        """Whether whoever works in the project must have a second factor; who asks that of others has one."""
        project = await self._reached(person, request.project)
        if request.required and not await self._factors.has(person.account_key):
            raise ConflictError("set up a second factor for yourself first, or you lock yourself out")
        async with self._database.transaction() as connection:
            if await store.project_require_factor(connection, project.project_key, required=request.required):
                await audit.record(connection, _factor_set(person, project, required=request.required))
        return evolve(project, requires_factor=request.required)

    @for_services("ironflock.realms.project.resolve", ResolveProject)
    async def project_resolve(self, service: ServiceIdentity, request: ResolveProject) -> Project:
        """One project that an account may work in, for devices and audit."""
        _only(service, "devices", "audit")
        project = await self._seen_by(request.account_key, request.project)
        if project.requires_factor and not await self._factors.has(request.account_key):
            raise NotAuthorizedError(FACTOR_REQUIRED)
        return project

    @for_services("ironflock.realms.project.owned", AccountKey)
    async def project_owned(self, service: ServiceIdentity, request: AccountKey) -> list[Project]:
        """Every project that an account owns, for auth; for devices and audit those that it may work in."""
        _only(service, "auth", "devices", "audit")
        owned = await self._owned(request.account_key, after=0, limit=MAX_OWNED)
        if service.name != "auth" and any(project.requires_factor for project in owned):
            has_factor = await self._factors.has(request.account_key)
            owned = [project for project in owned if has_factor or not project.requires_factor]
        return [evolve(project, description="") for project in owned]  # which may be long, and nobody asked for

    async def _reached(self, person: Person, wanted: int | str) -> Project:
        project = await self._seen_by(person.account_key, wanted)
        if not person.scopes.reaches(project.project_key):
            raise NotFoundError(NO_PROJECT)
        return project

    async def _owned(self, account_key: int, *, after: int, limit: int) -> list[Project]:
        return await self._database.run(
            lambda connection: store.project_list_by_owner(
                connection, owner_account_key=account_key, after=after, limit=limit
            )
        )

    async def _seen_by(self, account_key: int, wanted: int | str) -> Project:
        project = await self._database.run(lambda connection: _find(connection, account_key, wanted))
        if project is None or not rules.may_see(project, account_key):
            raise NotFoundError(NO_PROJECT)
        return project


async def _find(connection: Connection, account_key: int, wanted: int | str) -> Project | None:
    if isinstance(wanted, int):
        return await store.project_find(connection, wanted)
    name = lookup_name(wanted)
    if name is None:
        return None
    return await store.project_find_by_name(connection, owner_account_key=account_key, name_canonical=name)


def _fetched(person: Person, limit: int) -> int:
    """How many rows a page is made of: a narrowed scope leaves most of them out."""
    return limit + 1 if person.scopes.is_everywhere else MAX_OWNED


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

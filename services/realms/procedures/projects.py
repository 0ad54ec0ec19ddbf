"""Projects, for people."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from attrs import evolve
from psycopg.errors import UniqueViolation

from services.realms.assembly import Parts
from services.realms.drafts import draft
from services.realms.records.projects import (
    CreateProject,
    ListProjects,
    NameProject,
    Project,
    ProjectPage,
    RequireFactor,
    RequireSameAddress,
    SetLegacyMode,
)
from services.realms.rules.projects import check_legacy
from services.realms.store import projects as store
from shared import audit
from shared.errors import AlreadyExistsError, ConflictError, PublicError
from shared.identities import Person
from shared.names import canonical_name, clean_name, clean_text
from shared.paging import page, position_after
from shared.procedures import for_people
from shared.rights.records import Holdings, project_asset, project_domain

NO_FACTOR: Final = "set up a second factor for yourself first, or you lock yourself out"


class ProjectProcedures:
    """Realms' procedures about projects."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._factors = parts.factors
        self._rights = parts.rights
        self._telling = parts.telling
        self._projects = parts.projects
        self._placing = parts.placing
        self._legacy = parts.legacy

    @for_people("ironflock.realms.project.create", CreateProject)
    async def project_create(self, person: Person, request: CreateProject) -> Project:
        """A new project, owned by the caller; known as theirs everywhere when this returns, or soon after."""
        name = clean_name(request.name, what="name")
        description = clean_text(request.description, what="description")
        try:
            async with self._database.transaction() as connection:
                placed = await self._placing.place_in_txn(connection, request.region)
                project = await store.project_insert(
                    connection,
                    name=name,
                    name_canonical=canonical_name(name),
                    description=description,
                    owner_account_key=person.account_key,
                    cluster_key=placed.cluster.cluster_key,
                    cell_key=placed.cell.cell_key,
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
            for key in await self._projects.touched(person.account_key)
            if person.scopes.reaches(key) and self._sees(holdings, key)
        ]
        found = await self._database.run(
            lambda connection: store.project_list(connection, keys, after=after, limit=request.limit + 1)
        )
        projects, cursor = page(found, request.limit, lambda project: project.project_key)
        return ProjectPage(projects=projects, next=cursor)

    @for_people("ironflock.realms.project.show", NameProject, is_reading=True, is_narrowing=True)
    async def project_show(self, person: Person, request: NameProject) -> Project:
        """One project that the caller may see."""
        return await self._projects.with_flag(person, "READ", request.project)

    @for_people("ironflock.realms.project.require_factor", RequireFactor)
    async def project_require_factor(self, person: Person, request: RequireFactor) -> Project:
        """Whether whoever works in the project must have a second factor; who asks that of others has one."""
        project = await self._projects.with_flag(person, "GRANT", request.project)
        if request.required and not await self._factors.has(person.account_key):
            raise ConflictError(NO_FACTOR)
        async with self._database.transaction() as connection:
            if await store.project_require_factor(connection, project.project_key, required=request.required):
                await audit.record(connection, _factor_set(person, project, required=request.required))
        return evolve(project, requires_factor=request.required)

    @for_people("ironflock.realms.project.require_same_address", RequireSameAddress)
    async def project_require_same_address(self, person: Person, request: RequireSameAddress) -> Project:
        """Whether a device's tunnel client has to come from the address of its agent, as it does at first."""
        project = await self._projects.entered(person, "GRANT", request.project)
        async with self._database.transaction() as connection:
            if await store.project_require_same_address(connection, project.project_key, required=request.required):
                await audit.record(connection, _address_set(person, project, required=request.required))
        return evolve(project, requires_same_address=request.required)

    @for_people("ironflock.realms.project.set_legacy_mode", SetLegacyMode)
    async def project_set_legacy_mode(self, person: Person, request: SetLegacyMode) -> Project:
        """How containers of old SDKs are let in, which show a serial number alone; the owner alone decides."""
        check_legacy(request.mode, request.ends_at, datetime.fromtimestamp(self._rights.now(), UTC))
        project = await self._projects.owned(person, request.project)
        return await self._legacy.choose(person, project, request.mode, request.ends_at)

    def _sees(self, holdings: Holdings, key: int) -> bool:
        return self._rights.judge(holdings, "READ", project_asset(key), project_domain(key)).allowed


def _created(person: Person, project: Project) -> audit.Draft:
    return draft(
        person,
        audit.Action.PROJECT_CREATED,
        audit.Asset("project", project.project_key),
        project_key=project.project_key,
        after={
            "name": project.name,
            "description": project.description,
            "cluster": project.cluster,
            "cell": project.cell,
        },
    )


def _factor_set(person: Person, project: Project, *, required: bool) -> audit.Draft:
    return draft(
        person,
        audit.Action.PROJECT_FACTOR_REQUIREMENT_CHANGED,
        audit.Asset("project", project.project_key),
        aspect=audit.Aspect.FACTOR,
        project_key=project.project_key,
        before={"requires_factor": project.requires_factor},
        after={"requires_factor": required},
    )


def _address_set(person: Person, project: Project, *, required: bool) -> audit.Draft:
    return draft(
        person,
        audit.Action.PROJECT_SAME_ADDRESS_REQUIREMENT_CHANGED,
        audit.Asset("project", project.project_key),
        project_key=project.project_key,
        before={"requires_same_address": project.requires_same_address},
        after={"requires_same_address": required},
    )

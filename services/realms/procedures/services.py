"""What other services ask and tell."""

from attrs import evolve
from psycopg.errors import UniqueViolation

from services.realms.assembly import Parts
from services.realms.installing import NO_RELEASE
from services.realms.projects import NO_PROJECT
from services.realms.records.apps import Release, SetAppOwner
from services.realms.records.cells import AskCell, CellOfProject
from services.realms.records.installs import AskStanding, FindContents, FindInstall, FindRelease, Found, Standing
from services.realms.records.projects import AccountKey, AskTunnelRules, Project, ResolveProject, SetOwner, TunnelRules
from services.realms.store import apps, cells, installs, releases
from services.realms.store import projects as store
from shared.errors import AlreadyExistsError, NotAuthorizedError, NotFoundError
from shared.identities import ServiceIdentity
from shared.names import lookup_name
from shared.procedures import for_services
from shared.releases import Contents


class ServiceProcedures:
    """Realms' procedures for services."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._factors = parts.factors
        self._projects = parts.projects

    @for_services("ironflock.realms.project.resolve", ResolveProject)
    async def project_resolve(self, service: ServiceIdentity, request: ResolveProject) -> Project:
        """One project that an account has to do with, for devices and audit, which decide what may be done there."""
        _only(service, "devices", "audit", "fleetdb", "tunnels")
        project = await self._projects.meant(request.account_key, request.project)
        await self._projects.require_factor(project, request.account_key)
        return project

    @for_services("ironflock.realms.project.reachable", AccountKey)
    async def project_reachable(self, service: ServiceIdentity, request: AccountKey) -> list[Project]:
        """Every project that an account has to do with, but for those that ask for a factor that it has not."""
        _only(service, "devices", "audit", "tunnels")
        keys = await self._projects.touched(request.account_key)
        found = await self._database.run(
            lambda connection: store.project_list(connection, keys, after=0, limit=len(keys))
        )
        if any(project.requires_factor for project in found):
            has_factor = await self._factors.has(request.account_key)
            found = [project for project in found if has_factor or not project.requires_factor]
        return [evolve(project, description="") for project in found]  # which may be long, and nobody asked for

    @for_services("ironflock.realms.project.tunnel_rules", AskTunnelRules)
    async def project_tunnel_rules(self, service: ServiceIdentity, request: AskTunnelRules) -> TunnelRules:
        """What a project asks of the tunnel clients of its devices."""
        _only(service, "tunnels")
        found = await self._database.run(lambda connection: store.project_find(connection, request.project_key))
        if found is None:
            raise NotFoundError(NO_PROJECT)
        return TunnelRules(requires_same_address=found.requires_same_address)

    @for_services("ironflock.realms.project.cell", AskCell)
    async def project_cell(self, service: ServiceIdentity, request: AskCell) -> CellOfProject:
        """In which cell a project is; that never changes."""
        _only(service, "auth", "devices", "tunnels")
        found = await self._database.run(lambda connection: cells.cell_find_of(connection, request.project_key))
        if found is None:
            raise NotFoundError(NO_PROJECT)
        return found

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

    @for_services("ironflock.realms.app.set_owner", SetAppOwner)
    async def app_set_owner(self, service: ServiceIdentity, request: SetAppOwner) -> None:
        """The app is somebody else's, for privileges, which has recorded it."""
        _only(service, "privileges")
        await self._database.run(
            lambda connection: apps.app_set_owner(connection, request.app_key, request.owner_account_key)
        )

    @for_services("ironflock.realms.install.find", FindInstall)
    async def install_find(self, service: ServiceIdentity, request: FindInstall) -> Found:
        """Whether an app is in a project, for one stage."""
        _only(service, "devices")
        found = await self._database.run(
            lambda connection: installs.install_find(connection, request.project_key, request.app_key, request.stage)
        )
        if found is None:
            return Found(is_installed=False)
        return Found(is_installed=True, app_name=found.app_name, release_key=found.release_key, version=found.version)

    @for_services("ironflock.realms.release.find", FindRelease)
    async def release_find(self, service: ServiceIdentity, request: FindRelease) -> Release:
        """The app's release of a version, for devices."""
        _only(service, "devices")
        name = lookup_name(request.version)
        release = None
        if name is not None:
            release = await self._database.run(
                lambda connection: releases.release_find_by_version(connection, request.app_key, name)
            )
        if release is None:
            raise NotFoundError(NO_RELEASE)
        return release

    @for_services("ironflock.realms.release.contents", FindContents)
    async def release_contents(self, service: ServiceIdentity, request: FindContents) -> Contents:
        """What a release asks for, for devices; it never changes."""
        _only(service, "devices")
        found = await self._database.run(
            lambda connection: releases.release_find_contents(connection, request.release_key)
        )
        if found is None:
            raise NotFoundError(NO_RELEASE)
        return found

    @for_services("ironflock.realms.app.standing", AskStanding)
    async def app_standing(self, service: ServiceIdentity, request: AskStanding) -> Standing:
        """What decides whether an app of a device may join a data realm, for auth."""
        _only(service, "auth")
        return await self._database.run(lambda connection: installs.standing_read(connection, request))


def _only(service: ServiceIdentity, *names: str) -> None:
    if service.name not in names:
        raise NotAuthorizedError("this procedure is not for you")

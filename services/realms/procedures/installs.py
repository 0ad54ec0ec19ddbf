"""Apps in projects, for people."""

from services.realms.assembly import Parts
from services.realms.installing import NOT_INSTALLED
from services.realms.records.installs import CreateInstall, Install, InstallList, NameInstall
from services.realms.records.projects import NameProject
from services.realms.store import installs as store
from shared.errors import NotFoundError
from shared.identities import Person
from shared.names import canonical_name, lookup_name
from shared.procedures import for_people


class InstallProcedures:
    """Realms' procedures about apps in projects."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._projects = parts.projects
        self._apps = parts.apps
        self._installing = parts.installing

    @for_people("ironflock.realms.install.create", CreateInstall)
    async def install_create(self, person: Person, request: CreateInstall) -> Install:
        """The app in the project (flag `INSTALL_APPS` there, `INSTALL` on the app), or another release of it there.

        What the release wants to read of other apps becomes a request to the project's owner.
        """
        project = await self._projects.entered(person, "INSTALL_APPS", request.project)
        app = await self._apps.with_flag(person, "INSTALL", request.app)
        return await self._installing.install(person, project.project_key, app, request.stage, request.version)

    @for_people("ironflock.realms.install.list", NameProject, is_reading=True, is_narrowing=True)
    async def install_list(self, person: Person, request: NameProject) -> InstallList:
        """The apps in a project that the caller may see."""
        project = await self._projects.entered(person, "READ", request.project)
        return InstallList(
            await self._database.run(lambda connection: store.install_list(connection, project.project_key))
        )

    @for_people("ironflock.realms.install.delete", NameInstall, is_narrowing=True)
    async def install_delete(self, person: Person, request: NameInstall) -> None:
        """The app is in the project no more (flag `INSTALL_APPS`): its realm ends, with every session in it."""
        project = await self._projects.entered(person, "INSTALL_APPS", request.project)
        listed = await self._database.run(lambda connection: store.install_list(connection, project.project_key))
        found = [each for each in listed if each.stage is request.stage and is_meant(each, request.app)]
        if not found:
            raise NotFoundError(NOT_INSTALLED)
        await self._installing.uninstall(person, found[0])


def is_meant(install: Install, app: int | str) -> bool:
    """Whether `app`, a key or a name, is what is installed there."""
    if isinstance(app, int):
        return install.app_key == app
    return canonical_name(install.app_name) == lookup_name(app)

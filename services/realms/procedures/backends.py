"""Data realms and their backends, for people and for fleetdb."""

from typing import Final

from services.realms.assembly import Parts
from services.realms.records.backends import (
    BackendList,
    Certificate,
    CertifyBackend,
    DropBackend,
    FindBackend,
    FoundBackend,
    KnownBackend,
    ListBackends,
    ListOfProject,
    ListRealms,
    NameBackend,
    RealmList,
    Rotated,
    SettleBackend,
    StandingBackends,
)
from services.realms.records.readers import AdmitReader, Reader
from services.realms.records.retention import Retained, Retention, SetRetention
from services.realms.store import backends as store
from shared.errors import NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person, ServiceIdentity
from shared.procedures import for_people, for_services
from shared.rights.records import Asset, project_domain

ABSENT: Final = "the app is not installed there, or you may not see it"


class BackendProcedures:
    """Realms' procedures about data realms and their backends."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._projects = parts.projects
        self._rights = parts.rights
        self._backends = parts.backends
        self._readers = parts.readers
        self._retaining = parts.retaining
        self._announcing = parts.announcing

    @for_people("ironflock.realms.realm.list", ListRealms, is_reading=True, is_narrowing=True)
    async def realm_list(self, person: Person, request: ListRealms) -> RealmList:
        """The data realms of a project that the caller may see, and how far their backends are."""
        project = await self._projects.entered(person, "READ", request.project)
        key, closed = project.project_key, request.closed
        return RealmList(await self._database.run(lambda one: store.realm_list(one, key, closed=closed)))

    @for_people("ironflock.realms.backend.rotate", NameBackend, is_narrowing=True)
    async def backend_rotate(self, person: Person, request: NameBackend) -> Rotated:
        """Another database login for the backend (flag `UPDATE` on it); no row is lost meanwhile."""
        backend = await self._backend_for(person, "UPDATE", request)
        return await self._backends.rotate(person, backend)

    @for_people("ironflock.realms.backend.retention", NameBackend, is_reading=True, is_narrowing=True)
    async def backend_retention(self, person: Person, request: NameBackend) -> Retention:
        """How long the rows of each table are kept (flag `READ` on the data backend)."""
        backend = await self._backend_for(person, "READ", request)
        return await self._retaining.retention_of(backend)

    @for_people("ironflock.realms.backend.set_retention", SetRetention, is_narrowing=True)
    async def backend_set_retention(self, person: Person, request: SetRetention) -> Retention:
        """Keep rows for another time than the release says, or for that again (flag `UPDATE` on the data backend)."""
        backend = await self._backend_for(person, "UPDATE", request)
        found = await self._retaining.keep_for(person, backend, request.table, request.keep_s)
        await self._announcing.hurry()
        return found

    @for_people("ironflock.realms.backend.drop", DropBackend, is_narrowing=True)
    async def backend_drop(self, person: Person, request: DropBackend) -> None:
        """Delete what an app that was uninstalled has stored, for good (flag `DELETE` on the data backend)."""
        project = await self._projects.meant(person.account_key, request.project)
        await self._projects.require_factor(project, person.account_key)
        backend = await self._backends.left_behind(project.project_key, request.app, request.stage)
        if backend is None:
            raise NotFoundError(ABSENT)
        asset = Asset(AssetKind.DATA_BACKEND, backend.backend_key)
        await self._require_data(person, "DELETE", asset, project.project_key)
        await self._backends.drop_for_good(person, backend, request.confirm)

    @for_services("ironflock.realms.backend.list", ListBackends)
    async def backend_list(self, service: ServiceIdentity, request: ListBackends) -> BackendList:
        """The backends that are ready, in the order of keys, for fleetdb."""
        _only_fleetdb(service)
        return BackendList(
            await self._database.run(
                lambda one: store.backend_list_ready(one, after=request.after, limit=request.limit)
            )
        )

    @for_services("ironflock.realms.backend.find", FindBackend)
    async def backend_find(self, service: ServiceIdentity, request: FindBackend) -> FoundBackend:
        """One backend, for fleetdb."""
        _only_fleetdb(service)
        return await self._backends.find(request)

    @for_services("ironflock.realms.backend.of_project", ListOfProject)
    async def backend_of_project(self, service: ServiceIdentity, request: ListOfProject) -> StandingBackends:
        """Every backend of a project whose rows are there, also those of apps that were uninstalled, for fleetdb."""
        _only_fleetdb(service)
        key = request.project_key
        return StandingBackends(await self._database.run(lambda one: store.backend_list_standing(one, key)))

    @for_services("ironflock.realms.backend.certify", CertifyBackend)
    async def backend_certify(self, service: ServiceIdentity, request: CertifyBackend) -> Certificate:
        """A certificate by which fleetdb logs in to the backend."""
        _only_fleetdb(service)
        return await self._backends.certify(request)

    @for_services("ironflock.realms.backend.settled", SettleBackend)
    async def backend_settled(self, service: ServiceIdentity, request: SettleBackend) -> None:
        """Fleetdb works under the new login of a backend that was rotated."""
        _only_fleetdb(service)
        await self._backends.settle(request)

    @for_services("ironflock.realms.backend.retained", Retained)
    async def backend_retained(self, service: ServiceIdentity, request: Retained) -> None:
        """Fleetdb keeps rows as somebody said."""
        _only_fleetdb(service)
        await self._retaining.note_retained(request)

    @for_services("ironflock.realms.backend.admit", AdmitReader)
    async def backend_admit(self, service: ServiceIdentity, request: AdmitReader) -> Reader:
        """A login that reads the backend, for a person whom fleetdb has let in."""
        _only_fleetdb(service)
        return await self._readers.admit(request)

    async def _backend_for(self, person: Person, flag: str, request: NameBackend | SetRetention) -> KnownBackend:
        """The backend of the app in a project that the person has to do with, on which they have `flag`."""
        project = await self._projects.meant(person.account_key, request.project)
        await self._projects.require_factor(project, person.account_key)
        backend = await self._backends.meant(project.project_key, request.app, request.stage)
        if backend is None:
            raise NotFoundError(ABSENT)
        await self._require_data(person, flag, Asset(AssetKind.DATA_BACKEND, backend.backend_key), project.project_key)
        return backend

    async def _require_data(self, person: Person, flag: str, asset: Asset, project_key: int) -> None:
        await self._rights.require(person, flag, asset, project_domain(project_key), absent=ABSENT)


def _only_fleetdb(service: ServiceIdentity) -> None:
    if service.name != "fleetdb":
        raise NotAuthorizedError("this procedure is not for you")

"""Apps, for people."""

from contextlib import suppress
from typing import Final

from psycopg.errors import UniqueViolation

from services.realms.announcing import access_changed_in_txn
from services.realms.apps import NO_APP
from services.realms.assembly import Parts
from services.realms.drafts import draft
from services.realms.records.apps import App, AppPage, CreateApp, ListApps, NameApp, PublishApp, RenameApp
from services.realms.rules.apps import app_name
from services.realms.store import apps as store
from services.realms.store.access import access_rename_provider, access_revoke_provider
from shared import audit
from shared.database import Connection
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError, PublicError
from shared.identities import Person
from shared.names import canonical_name, clean_text
from shared.paging import page, position_after
from shared.procedures import for_people

INSTALLED: Final = "the app is installed in a project: it must be uninstalled everywhere first"


class AppProcedures:
    """Realms' procedures about apps."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._apps = parts.apps
        self._telling = parts.telling
        self._announcing = parts.announcing

    @for_people("ironflock.realms.app.create", CreateApp)
    async def app_create(self, person: Person, request: CreateApp) -> App:
        """A new app, owned by the caller; known as theirs everywhere when this returns, or soon after."""
        name = app_name(request.name)
        description = clean_text(request.description, what="description")
        try:
            async with self._database.transaction() as connection:
                app = await store.app_insert(
                    connection,
                    name=name,
                    name_canonical=canonical_name(name),
                    description=description,
                    owner_account_key=person.account_key,
                )
                after = {"name": name, "description": description}
                await audit.record(connection, draft(person, audit.Action.APP_CREATED, _asset(app), after=after))
        except UniqueViolation as error:
            raise _taken(name) from error
        await self._tell(app.app_key)
        return app

    @for_people("ironflock.realms.app.list", ListApps, is_reading=True)
    async def app_list(self, person: Person, request: ListApps) -> AppPage:
        """The apps that the caller may see: their own, those that they were given flags on, the public ones; paged."""
        after = position_after(request.cursor)
        found = await self._apps.list(person, after=after, limit=request.limit + 1)
        apps, cursor = page(found, request.limit, lambda app: app.app_key)
        return AppPage(apps, cursor)

    @for_people("ironflock.realms.app.show", NameApp, is_reading=True)
    async def app_show(self, person: Person, request: NameApp) -> App:
        """One app that the caller may see."""
        return await self._apps.with_flag(person, "READ", request.app)

    @for_people("ironflock.realms.app.rename", RenameApp)
    async def app_rename(self, person: Person, request: RenameApp) -> App:
        """Another name for the app (flag `UPDATE`); what other apps were granted of it stays theirs."""
        name = app_name(request.name)
        meant = await self._apps.with_flag(person, "UPDATE", request.app)
        try:
            async with self._database.transaction() as connection:
                before = await _locked(connection, meant.app_key)
                if before.name != name:
                    await store.app_rename(connection, before.app_key, name=name, name_canonical=canonical_name(name))
                    if canonical_name(before.name) != canonical_name(name):
                        await access_rename_provider(connection, canonical_name(before.name), canonical_name(name))
                    entry = draft(
                        person,
                        audit.Action.APP_RENAMED,
                        _asset(before),
                        aspect=audit.Aspect.NAME,
                        before={"name": before.name},
                        after={"name": name},
                    )
                    await audit.record(connection, entry)
                app = await _locked(connection, before.app_key)
        except UniqueViolation as error:
            raise _taken(name) from error
        await self._tell(app.app_key)
        return app

    @for_people("ironflock.realms.app.publish", PublishApp)
    async def app_publish(self, person: Person, request: PublishApp) -> App:
        """Whether everybody may see and install the app; its owner alone decides (flag `UPDATE`)."""
        meant = await self._apps.owned(person, "UPDATE", request.app)
        async with self._database.transaction() as connection:
            before = await _locked(connection, meant.app_key)
            if before.is_public != request.is_public:
                await store.app_set_public(connection, before.app_key, is_public=request.is_public)
                await audit.record(connection, _published(person, before, is_public=request.is_public))
            app = await _locked(connection, before.app_key)
        await self._tell(app.app_key)
        return app

    @for_people("ironflock.realms.app.delete", NameApp)
    async def app_delete(self, person: Person, request: NameApp) -> None:
        """Delete the app for good (flag `DELETE`), once no project has it; what it stored in projects stays theirs.

        Raises:
            ConflictError: It is installed somewhere.
        """
        meant = await self._apps.with_flag(person, "DELETE", request.app)
        async with self._database.transaction() as connection:
            app = await store.app_lock_to_delete_in_txn(connection, meant.app_key)
            if app is None:
                raise NotFoundError(NO_APP)
            if await store.app_is_installed(connection, app.app_key):
                raise ConflictError(INSTALLED)
            await store.app_delete(connection, app.app_key)
            before = {"name": app.name, "description": app.description, "is_public": app.is_public}
            await audit.record(connection, draft(person, audit.Action.APP_DELETED, _asset(app), before=before))
            await _take_grants_of(connection, person, app)
        await self._announcing.hurry()
        await self._tell(app.app_key)

    async def _tell(self, app_key: int) -> None:
        with suppress(PublicError):
            await self._telling.tell_app(app_key)


async def _locked(connection: Connection, app_key: int) -> App:
    app = await store.app_lock_in_txn(connection, app_key)
    if app is None:
        raise NotFoundError(NO_APP)
    return app


async def _take_grants_of(connection: Connection, person: Person, app: App) -> None:
    """Nobody who takes the name later inherits what projects let others read of the app."""
    for revoked in await access_revoke_provider(connection, canonical_name(app.name)):
        entry = draft(
            person,
            audit.Action.APP_ACCESS_REVOKED,
            audit.Asset("app", revoked.app_key),
            aspect=audit.Aspect.ACCESS,
            project_key=revoked.project_key,
            before={"provider": revoked.provider},
        )
        await audit.record(connection, entry)
        await access_changed_in_txn(connection, revoked, is_granted=False)


def _asset(app: App) -> audit.Asset:
    return audit.Asset("app", app.app_key)


def _taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"there is an app {name!r} already", name=name)


def _published(person: Person, before: App, *, is_public: bool) -> audit.Draft:
    return draft(
        person,
        audit.Action.APP_PUBLISHED if is_public else audit.Action.APP_UNPUBLISHED,
        _asset(before),
        aspect=audit.Aspect.ACCESS,
        before={"is_public": before.is_public},
        after={"is_public": is_public},
    )

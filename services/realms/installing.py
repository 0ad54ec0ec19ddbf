"""Installing apps in projects: one transaction with what the release asks for, its audit entries and what is told."""

from typing import Any, Final

from attrs import frozen

from services.realms.announcing import Announcing, access_changed_in_txn, install_changed_in_txn
from services.realms.apps import NO_APP
from services.realms.backends import Backends, check_settled, close_in_txn, want_in_txn
from services.realms.drafts import draft
from services.realms.records.apps import App, Release
from services.realms.records.installs import Access, Install
from services.realms.records.values import Stage
from services.realms.rules.access import changes
from services.realms.rules.apps import version_name
from services.realms.rules.templates import requests_of
from services.realms.store import access, apps, backends, installs, projects, releases
from shared import audit
from shared.database import Connection, Database
from shared.errors import NotFoundError, OverLimitError
from shared.identities import Person
from shared.names import canonical_name

MAX_INSTALLS: Final = 500
NOT_INSTALLED: Final = "the app is not installed there"
NO_RELEASE: Final = "the app has no release of that version"
TOO_MANY: Final = f"a project has at most {MAX_INSTALLS} installed apps"
GONE: Final = "there is no such project, or you may not see it"


@frozen
class Spot:
    """Where something is done to an app, and by whom."""

    person: Person
    project_key: int
    app_key: int
    stage: Stage

    def entry(self, action: audit.Action, **what: Any) -> audit.Draft:
        """The audit entry about the app there; `what` is its `before` and `after`."""
        asset = audit.Asset("app", self.app_key)
        return draft(self.person, action, asset, project_key=self.project_key, **what)


class Installing:
    """Does it."""

    def __init__(self, database: Database, announcing: Announcing, provided: Backends) -> None:
        """Change `database`, have it told by `announcing`, and have the data backend `provided`."""
        self._database = database
        self._announcing = announcing
        self._provided = provided

    async def install(self, person: Person, project_key: int, app: App, stage: Stage, version: str | None) -> Install:
        """The app in the project, as it then is; nothing changes where it was so already.

        Raises:
            NotFoundError: The app has no such release.
            OverLimitError: The project has too many apps.
        """
        spot = Spot(person, project_key, app.app_key, stage)
        async with self._database.transaction() as connection:
            await _lock(connection, project_key)
            known = await installs.install_find(connection, project_key, app.app_key, stage)
            release = await _meant(connection, app.app_key, version, is_new=known is None)
            if known is None:
                await _insert(connection, spot, release)
            elif release is not None and release.release_key != known.release_key:
                await _check_settled(connection, spot)
                await _change(connection, spot, known, release)
            await _ask_in_txn(connection, spot)
            found = await installs.install_find(connection, project_key, app.app_key, stage)
        await self._provided.hurry()
        await self._announcing.hurry()
        if found is None:
            raise LookupError("what was installed is not there")
        return found

    async def uninstall(self, person: Person, install: Install) -> None:
        """The app is in the project no more, at that stage.

        Raises:
            NotFoundError: It was not.
        """
        spot = Spot(person, install.project_key, install.app_key, install.stage)
        async with self._database.transaction() as connection:
            await _lock(connection, install.project_key)
            known = await installs.install_find(connection, install.project_key, install.app_key, install.stage)
            if known is None:
                raise NotFoundError(NOT_INSTALLED)
            await installs.install_delete(connection, install.project_key, install.app_key, install.stage)
            await audit.record(connection, spot.entry(audit.Action.APP_UNINSTALLED, before=_fields(known)))
            await close_in_txn(connection, spot.project_key, spot.app_key, spot.stage, account_key=person.account_key)
            await install_changed_in_txn(
                connection, install.project_key, install.app_key, install.stage, is_installed=False
            )
            left = await installs.install_list(connection, install.project_key)
            if any(each.app_key == install.app_key for each in left):
                await _ask_in_txn(connection, spot)
            else:
                await _forget_access(connection, spot)
        await self._provided.hurry()
        await self._announcing.hurry()


async def _lock(connection: Connection, project_key: int) -> None:
    if not await projects.project_lock_in_txn(connection, project_key):
        raise NotFoundError(GONE)


async def _meant(connection: Connection, app_key: int, version: str | None, *, is_new: bool) -> Release | None:
    """The release that is to be installed; None where what is there stays, or there is none to install."""
    if version is None:
        return await releases.release_find_newest(connection, app_key) if is_new else None
    name = canonical_name(version_name(version))
    release = await releases.release_find_by_version(connection, app_key, name)
    if release is None:
        raise NotFoundError(NO_RELEASE)
    return release


async def _insert(connection: Connection, spot: Spot, release: Release | None) -> None:
    if len(await installs.install_list(connection, spot.project_key)) >= MAX_INSTALLS:
        raise OverLimitError(TOO_MANY)
    release_key = None if release is None else release.release_key
    await installs.install_insert(connection, spot.project_key, spot.app_key, spot.stage, release_key)
    if not await apps.app_is_there(connection, spot.app_key):  # its row is held now: whoever deletes it comes later
        raise NotFoundError(NO_APP)
    after = {"stage": spot.stage.value, "version": None if release is None else release.version}
    await audit.record(connection, spot.entry(audit.Action.APP_INSTALLED, after=after))
    await want_in_txn(connection, spot.project_key, spot.app_key, spot.stage, account_key=spot.person.account_key)
    await install_changed_in_txn(connection, spot.project_key, spot.app_key, spot.stage, is_installed=True)


async def _check_settled(connection: Connection, spot: Spot) -> None:
    """Let pass where no rows are on their way: another release would change their tables."""
    backend = await backends.backend_find_of(connection, spot.project_key, spot.app_key, spot.stage)
    if backend is not None:
        check_settled(backend)


async def _change(connection: Connection, spot: Spot, known: Install, release: Release) -> None:
    await installs.install_set_release(
        connection, spot.project_key, spot.app_key, spot.stage, release_key=release.release_key
    )
    after = {"stage": spot.stage.value, "version": release.version}
    entry = spot.entry(audit.Action.APP_RELEASE_CHANGED, aspect=audit.Aspect.STATE, before=_fields(known), after=after)
    await audit.record(connection, entry)
    await backends.backend_tell_changed(connection, spot.project_key, spot.app_key, spot.stage)


async def _ask_in_txn(connection: Connection, spot: Spot) -> None:
    """Have the app's requests be those of its releases that are installed in the project."""
    standing = await access.access_list_of(connection, spot.project_key, spot.app_key)
    templates = await installs.template_list_of(connection, spot.project_key, spot.app_key)
    found = changes(standing, [each for template in templates for each in requests_of(template)])
    for request in found.come:
        await access.access_insert(connection, spot.project_key, spot.app_key, request)
        after = {"provider": request.provider, "reason": request.reason}
        entry = spot.entry(audit.Action.APP_ACCESS_REQUESTED, aspect=audit.Aspect.ACCESS, after=after)
        await audit.record(connection, entry)
    await access.access_delete(connection, spot.project_key, spot.app_key, list(found.go))


async def _forget_access(connection: Connection, spot: Spot) -> None:
    """Whoever installs the app again is asked again."""
    standing = await access.access_list_of(connection, spot.project_key, spot.app_key)
    await access.access_delete(connection, spot.project_key, spot.app_key, [each.provider for each in standing])
    for each in standing:
        if each.is_granted:
            await _revoked_in_txn(connection, spot, each)


async def _revoked_in_txn(connection: Connection, spot: Spot, revoked: Access) -> None:
    before = {"provider": revoked.provider}
    entry = spot.entry(audit.Action.APP_ACCESS_REVOKED, aspect=audit.Aspect.ACCESS, before=before)
    await audit.record(connection, entry)
    await access_changed_in_txn(connection, revoked, is_granted=False)


def _fields(install: Install) -> dict[str, Any]:
    return {"stage": install.stage.value, "version": install.version}

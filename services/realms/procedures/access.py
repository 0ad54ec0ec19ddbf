"""Whose data apps may read in a project, for people."""

from typing import Final

from services.realms.announcing import access_changed_in_txn
from services.realms.assembly import Parts
from services.realms.drafts import draft
from services.realms.records.installs import Access, AccessList, NameAccess
from services.realms.records.projects import NameProject
from services.realms.store import access as store
from services.realms.store.projects import project_lock_in_txn
from shared import audit
from shared.database import Connection
from shared.errors import NotFoundError
from shared.identities import Person
from shared.names import canonical_name, lookup_name
from shared.procedures import for_people

NOT_ASKED: Final = "no app asks for this in the project: it is what a release says it consumes"


class AccessProcedures:
    """Realms' procedures about access between apps."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._projects = parts.projects
        self._announcing = parts.announcing

    @for_people("ironflock.realms.access.list", NameProject, is_reading=True, is_narrowing=True)
    async def access_list(self, person: Person, request: NameProject) -> AccessList:
        """What apps ask to read in a project that the caller may see, and what was granted."""
        project = await self._projects.entered(person, "READ", request.project)
        return AccessList(
            await self._database.run(lambda connection: store.access_list(connection, project.project_key))
        )

    @for_people("ironflock.realms.access.grant", NameAccess)
    async def access_grant(self, person: Person, request: NameAccess) -> None:
        """Let an app read what it asks for, in all of the project; the owner alone decides."""
        await self._set(person, request, is_granted=True)

    @for_people("ironflock.realms.access.revoke", NameAccess)
    async def access_revoke(self, person: Person, request: NameAccess) -> None:
        """Let an app not read what it was granted any more; the owner alone decides. Its request stays."""
        await self._set(person, request, is_granted=False)

    async def _set(self, person: Person, request: NameAccess, *, is_granted: bool) -> None:
        project = await self._projects.owned(person, request.project)
        async with self._database.transaction() as connection:
            await project_lock_in_txn(connection, project.project_key)
            asked = await _meant(connection, project.project_key, request)
            if await store.access_set_granted(
                connection, asked.project_key, asked.app_key, asked.provider, is_granted=is_granted
            ):
                await audit.record(connection, _changed(person, asked, is_granted=is_granted))
                await access_changed_in_txn(connection, asked, is_granted=is_granted)
        await self._announcing.hurry()


async def _meant(connection: Connection, project_key: int, request: NameAccess) -> Access:
    provider = lookup_name(request.provider)
    name = request.app if isinstance(request.app, int) else lookup_name(request.app)
    for each in await store.access_list(connection, project_key):
        if each.provider == provider and name in (each.app_key, canonical_name(each.app_name)):
            return each
    raise NotFoundError(NOT_ASKED)


def _changed(person: Person, asked: Access, *, is_granted: bool) -> audit.Draft:
    said = {"provider": asked.provider}
    return draft(
        person,
        audit.Action.APP_ACCESS_GRANTED if is_granted else audit.Action.APP_ACCESS_REVOKED,
        audit.Asset("app", asked.app_key),
        aspect=audit.Aspect.ACCESS,
        project_key=asked.project_key,
        before=None if is_granted else said,
        after=said if is_granted else None,
    )

"""Flags given and taken, and defaults."""

from services.privileges.asking import NOT_THERE, case_of, require, snapshot
from services.privileges.granting import Granting
from services.privileges.membership import place_of
from services.privileges.people import People
from services.privileges.projects import Projects
from services.privileges.records.grants import (
    DefaultList,
    DefaultView,
    GiveFlags,
    GrantPage,
    GrantView,
    ListGrants,
    SetDefaults,
    TakeFlags,
    UnsetDefaults,
)
from services.privileges.records.members import NameProject
from services.privileges.rows import GrantRow
from services.privileges.store import domains, grants
from shared.database import Database
from shared.errors import NotFoundError
from shared.identities import Person
from shared.paging import page, position_after
from shared.procedures import for_people


class GrantProcedures:
    """Privileges' procedures about flags."""

    def __init__(self, database: Database, granting: Granting, projects: Projects, people: People) -> None:
        """Serve from `database`."""
        self._database = database
        self._granting = granting
        self._projects = projects
        self._people = people

    @for_people("ironflock.privileges.grant.give", GiveFlags)
    async def grant_give(self, person: Person, request: GiveFlags) -> None:
        """Give somebody flags on an asset, with or without an end."""
        await self._granting.give(person, request)

    @for_people("ironflock.privileges.grant.take", TakeFlags)
    async def grant_take(self, person: Person, request: TakeFlags) -> None:
        """Take flags that somebody was given on an asset."""
        await self._granting.take(person, request)

    @for_people("ironflock.privileges.grant.list", ListGrants, is_reading=True)
    async def grant_list(self, person: Person, request: ListGrants) -> GrantPage:
        """The grants on an asset, for whoever has GRANT there; paged."""
        after = position_after(request.cursor)
        async with snapshot(self._database) as (connection, now):
            place = await domains.place_find(connection, request.kind, request.key)
            if place is None:
                raise NotFoundError(NOT_THERE)
            (await case_of(connection, person.account_key, place, now)).require("GRANT")
            rows = await grants.grant_list_on(
                connection, request.kind, request.key, after=after, limit=request.limit + 1, now=now
            )
        names = await self._people.names(row.account_key for row in rows)
        views = [_view(row, names.get(row.account_key, "")) for row in rows]
        shown, cursor = page(views, request.limit, lambda view: view.grant_key)
        return GrantPage(shown, cursor)

    @for_people("ironflock.privileges.default.set", SetDefaults)
    async def default_set(self, person: Person, request: SetDefaults) -> None:
        """Give every member of a project flags on everything of a kind; the owner alone may."""
        key = await self._projects.meant(person, request.project)
        await require(self._database, person, place_of(key), "READ")
        await self._granting.set_defaults(person, key, request)

    @for_people("ironflock.privileges.default.unset", UnsetDefaults)
    async def default_unset(self, person: Person, request: UnsetDefaults) -> None:
        """Take flags from every member of a project that were given to all of them; the owner alone may."""
        key = await self._projects.meant(person, request.project)
        await require(self._database, person, place_of(key), "READ")
        await self._granting.unset_defaults(person, key, request)

    @for_people("ironflock.privileges.default.list", NameProject, is_reading=True)
    async def default_list(self, person: Person, request: NameProject) -> DefaultList:
        """What every member of a project has by being one."""
        key = await self._projects.meant(person, request.project)
        await require(self._database, person, place_of(key), "READ")
        rows = await self._database.run(lambda connection: grants.default_list(connection, key))
        return DefaultList([DefaultView(row.kind, row.flag, row.ends_at) for row in rows])


def _view(row: GrantRow, login_name: str) -> GrantView:
    return GrantView(
        grant_key=row.grant_key,
        account_key=row.account_key,
        login_name=login_name,
        kind=row.kind,
        key=row.asset_key,
        flag=row.flag,
        ends_at=row.ends_at,
        is_visit=row.is_visit,
        given_by=row.given_by,
        given_at=row.given_at,
    )

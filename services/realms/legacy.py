"""How projects let containers of old SDKs in, whose credential is a serial number (decision 16).

Each change is told to the routers in its own transaction's news: what came so and may not any more ends. A date that is
over is a change like any other, made by this service.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from attrs import evolve

from services.realms.announcing import Announcing, legacy_changed_in_txn
from services.realms.drafts import draft
from services.realms.records.projects import Project
from services.realms.records.values import LegacyMode
from services.realms.store import projects as store
from shared import audit
from shared.database import Database
from shared.identities import Person
from shared.moments import rfc3339

AT_ONCE: Final = 100
ITSELF: Final = audit.Actor(audit.ActorKind.SERVICE, "realms")
OVER: Final = "the end that was set has come"


class LegacyModes:
    """Changes them."""

    def __init__(self, database: Database, announcing: Announcing) -> None:
        """Change `database`, and have it told by `announcing`."""
        self._database = database
        self._announcing = announcing

    async def choose(self, person: Person, before: Project, mode: LegacyMode, until: datetime | None) -> Project:
        """The project with that mode; nothing changes where it was so already."""
        after = evolve(before, legacy_mode=mode, legacy_until=until)
        async with self._database.transaction() as connection:
            if await store.project_set_legacy_mode(connection, before.project_key, mode, until):
                await audit.record(connection, _entry(person, before, after))
                await legacy_changed_in_txn(connection, before.project_key, mode)
        await self._announcing.hurry()
        return after

    async def end_due(self) -> None:
        """Make strict whose date is over.

        Raises:
            UnavailableError: The database is away.
        """
        async with self._database.transaction() as connection:
            for before in await store.project_lock_legacy_over(connection, AT_ONCE):
                after = evolve(before, legacy_mode=LegacyMode.STRICT, legacy_until=None)
                await store.project_set_legacy_mode(connection, before.project_key, LegacyMode.STRICT, None)
                await audit.record(connection, _over(before, after))
                await legacy_changed_in_txn(connection, before.project_key, LegacyMode.STRICT)


def _entry(person: Person, before: Project, after: Project) -> audit.Draft:
    said = list(_said((before, after)))
    return draft(
        person,
        audit.Action.PROJECT_LEGACY_MODE_CHANGED,
        audit.Asset("project", after.project_key),
        aspect=audit.Aspect.CREDENTIAL,
        project_key=after.project_key,
        before=said[0],
        after=said[1],
    )


def _over(before: Project, after: Project) -> audit.Draft:
    said = list(_said((before, after)))
    return audit.Draft(
        action=audit.Action.PROJECT_LEGACY_MODE_CHANGED,
        aspect=audit.Aspect.CREDENTIAL,
        actor=ITSELF,
        asset=audit.Asset("project", after.project_key),
        project_key=after.project_key,
        before=said[0],
        after=said[1],
        reason=OVER,
    )


def _said(projects: Iterable[Project]) -> Iterable[dict[str, Any]]:
    for each in projects:
        until = None if each.legacy_until is None else rfc3339(each.legacy_until)
        yield {"legacy_mode": each.legacy_mode.value, "legacy_until": until}

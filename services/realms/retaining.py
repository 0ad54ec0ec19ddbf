"""How long the rows of data backends are kept: said by people, done by fleetdb (decision 25).

What somebody says is recorded as intended, told to fleetdb, and recorded as done when fleetdb says that it works by it.
"""

from typing import Final

from attrs import evolve

from services.realms.drafts import draft
from services.realms.records.backends import BackendState, KnownBackend
from services.realms.records.retention import Change, Retained, Retention
from services.realms.rules.retention import kept, meant
from services.realms.store import retention as store
from services.realms.store.backends import backend_lock_in_txn, backend_tell_changed
from shared import audit
from shared.database import Connection, Database
from shared.errors import NotFoundError
from shared.identities import Person

LAST: Final = 2**53 - 1
NO_BACKEND: Final = "there is no such data backend"
DROPPED: Final = "the data backend was deleted meanwhile"
WHO_DOES_IT: Final = "fleetdb"


class Retaining:
    """Knows it, and has it changed."""

    def __init__(self, database: Database) -> None:
        """Look in `database`."""
        self._database = database

    async def retention_of(self, backend: KnownBackend) -> Retention:
        """How long the rows of each table are kept."""
        async with self._database.transaction() as connection:
            return await _shown(connection, backend.backend_key)

    async def keep_for(self, person: Person, backend: KnownBackend, table: str | None, keep_s: int | None) -> Retention:
        """Keep so many seconds of rows in `table`, or in all tables of the release; None is what the release says.

        Raises:
            NotFoundError: The backend is there no more, or has no such table.
            InvalidArgumentError: That is less than a chunk, or more than 100 years.
        """
        async with self._database.transaction() as connection:
            known = await backend_lock_in_txn(connection, backend.backend_key)
            if known is None or known.state in (BackendState.CLOSED, BackendState.DROPPED):
                raise NotFoundError(NO_BACKEND)
            standing = await store.retention_list(connection, known.backend_key)
            template = await store.template_find(connection, known.backend_key)
            asked = meant(kept(template, standing), table, keep_s)
            spans = {name: span for name, span in asked.items() if standing.get(name) != span}
            if spans:
                await _put(connection, person, known, {name: standing.get(name) for name in spans}, spans)
            return await _shown(connection, known.backend_key)

    async def note_retained(self, told: Retained) -> None:
        """Fleetdb works by what was said. Of no effect where that is known already."""
        async with self._database.transaction() as connection:
            known = await backend_lock_in_txn(connection, told.backend_key)
            if known is None:
                return
            for change in await store.retention_change_take(connection, known.backend_key, told.change_key):
                await audit.record(connection, _done(known, change))


async def abandon_in_txn(connection: Connection, backend: KnownBackend) -> None:
    """What was said of a backend that is deleted is never in force; its row is locked."""
    for change in await store.retention_change_take(connection, backend.backend_key, LAST):
        await audit.record(connection, evolve(_done(backend, change), outcome=audit.Outcome.FAILED, reason=DROPPED))


async def _put(
    connection: Connection,
    person: Person,
    backend: KnownBackend,
    before: dict[str, int | None],
    after: dict[str, int | None],
) -> None:
    for table, keep_s in after.items():
        if keep_s is None:
            await store.retention_delete(connection, backend.backend_key, table)
        else:
            await store.retention_put(connection, backend.backend_key, table, keep_s)
    await store.retention_change_insert(connection, backend.backend_key, person.account_key, after)
    entry = draft(
        person,
        audit.Action.BACKEND_RETENTION_CHANGED,
        audit.Asset("data_backend", backend.backend_key),
        aspect=audit.Aspect.RETENTION,
        project_key=backend.project_key,
        before={"keep_s": before},
        after={"keep_s": after},
        outcome=audit.Outcome.INTENDED,
    )
    await audit.record(connection, entry)
    await backend_tell_changed(connection, backend.project_key, backend.app_key, backend.stage)


async def _shown(connection: Connection, backend_key: int) -> Retention:
    said = await store.retention_list(connection, backend_key)
    tables = kept(await store.template_find(connection, backend_key), said)
    return Retention(backend_key, tables, await store.retention_is_in_force(connection, backend_key))


def _done(backend: KnownBackend, change: Change) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.BACKEND_RETENTION_CHANGED,
        aspect=audit.Aspect.RETENTION,
        actor=audit.Actor(audit.ActorKind.SERVICE, WHO_DOES_IT, on_behalf_of=change.account_key),
        asset=audit.Asset("data_backend", backend.backend_key),
        project_key=backend.project_key,
        after={"keep_s": change.spans},
    )

"""Exports: a person with `READ` on a data backend takes all rows of a table along.

What is asked for is recorded before the first row leaves, and how many rows there were when the last one has, or when
it ends before (decision 26). Whether the person may still do it is asked before each piece.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from attrs import frozen

from services.fleetdb.live import LiveRealm
from services.fleetdb.reading import Connecting
from services.fleetdb.records.exports import Exported, ExportTable, Head, Mark, Piece, Slice
from services.fleetdb.records.tables import Table
from services.fleetdb.sending import OCTETS_PER_S
from services.fleetdb.store import exports
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotFoundError, OverLimitError
from shared.flags import AssetKind
from shared.identities import Person
from shared.moments import rfc3339
from shared.names import lookup_name
from shared.procedures import Progress
from shared.rights.decision_point import Rights
from shared.rights.records import Asset, project_domain

AT_ONCE: Final = 8
LONGEST_S: Final = 6 * 3_600.0
ABSENT: Final = "the app is not installed there, or you may not see it"
TOO_MANY: Final = "too many exports are under way; try again later"


@frozen
class Sources:
    """What exports are made of: `realms` tells those that are served now, `connections` lends their backends'."""

    bus: Bus
    database: Database
    rights: Rights
    realms: Callable[[], list[LiveRealm]]
    connections: Connecting


class Exporting:
    """Sends them."""

    def __init__(self, sources: Sources) -> None:
        """From these."""
        self._from = sources
        self._under_way = 0

    async def send(self, person: Person, asked: ExportTable, progress: Progress) -> Exported:
        """Send the table's columns, and its rows oldest first.

        Rows that come while it runs may be in it or not.

        Raises:
            NotFoundError, NotAuthorizedError: There is no such backend or table; the flag is missing.
            OverLimitError: Too many are under way.
        """
        realm = await self._meant(person, asked)
        table = realm.offer.tables.get(asked.table)
        if table is None:
            raise NotFoundError(f"the app has no table {asked.table[:100]!r} there")
        if self._under_way >= AT_ONCE:
            raise OverLimitError(TOO_MANY)
        self._under_way += 1
        try:
            async with asyncio.timeout(LONGEST_S):
                return await self._send(person, realm, asked, progress)
        finally:
            self._under_way -= 1

    async def _send(self, person: Person, realm: LiveRealm, asked: ExportTable, progress: Progress) -> Exported:
        table, count, outcome = realm.offer.tables[asked.table], 0, audit.Outcome.FAILED
        await self._record_export(person, realm, asked, audit.Outcome.INTENDED, None)
        try:
            progress(Head(exports.columns_of(table)))
            async for piece in self._pieces(person, realm, table, asked):
                progress(Piece(piece.rows))
                count += len(piece.rows)
                await asyncio.sleep(piece.octets / OCTETS_PER_S)
            outcome = audit.Outcome.DONE
        finally:
            await self._record_export(person, realm, asked, outcome, count)
        return Exported(count)

    async def _pieces(self, person: Person, realm: LiveRealm, table: Table, asked: ExportTable) -> AsyncIterator[Slice]:
        mark: Mark | None = None
        while True:
            backend = realm.backend
            await self._require_read(person, realm)
            async with self._from.connections.connection(backend) as connection:
                piece = await exports.slice_after(connection, backend.schema, table, (asked.since, asked.until), mark)
            if piece.mark is None:
                return
            yield piece
            mark = piece.mark

    async def _meant(self, person: Person, asked: ExportTable) -> LiveRealm:
        """The realm of the app in a project that the person has to do with, whose rows they may read."""
        # Where the project requires a second factor, realms refuses those who have none.
        project = await self._from.bus.call(
            "ironflock.realms.project.resolve", account_key=person.account_key, project=asked.project
        )
        name = asked.app if isinstance(asked.app, int) else lookup_name(asked.app)
        for realm in self._from.realms():
            backend = realm.backend
            is_there = backend.project_key == project["project_key"] and backend.stage is asked.stage
            if is_there and name in (backend.app_key, backend.app_name):
                await self._require_read(person, realm)
                return realm
        await self._from.rights.settled()
        raise NotFoundError(ABSENT)

    async def _require_read(self, person: Person, realm: LiveRealm) -> None:
        key, domain = realm.backend.backend_key, project_domain(realm.backend.project_key)
        await self._from.rights.require(person, "READ", Asset(AssetKind.DATA_BACKEND, key), domain, absent=ABSENT)

    async def _record_export(
        self, person: Person, realm: LiveRealm, asked: ExportTable, outcome: audit.Outcome, rows: int | None
    ) -> None:
        backend = realm.backend
        about: dict[str, Any] = {"app_key": backend.app_key, "stage": backend.stage.value, "table": asked.table}
        span = {"since": asked.since, "until": asked.until}
        said = {name: moment and rfc3339(moment) for name, moment in span.items()}
        entry = audit.Draft(
            action=audit.Action.DATA_EXPORTED,
            aspect=audit.Aspect.READING,
            actor=audit.actor_of(person),
            asset=audit.Asset("data_backend", backend.backend_key),
            project_key=backend.project_key,
            after={**about, **said, "rows": rows},
            session=person.session or None,
            outcome=outcome,
        )
        await self._from.database.run(lambda connection: audit.record(connection, entry))

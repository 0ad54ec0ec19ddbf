"""Rows that go out: history, series, and transforms like tables."""

from collections.abc import AsyncGenerator
from typing import Any, Final

from attrs import frozen

from services.fleetdb.foreign_reads import ForeignReads, Read
from services.fleetdb.gates import Lane
from services.fleetdb.live import BOARDS, LiveRealm
from services.fleetdb.procedures.declaring import procedure
from services.fleetdb.reading import Reading
from services.fleetdb.records.calls import Asked
from services.fleetdb.rules.chunks import Rows
from services.fleetdb.rules.queries import history_query, series_query
from services.fleetdb.sending import answered

SERIES: Final = "series."
MAX_TIME_S: Final = 120.0


@frozen
class ReadProcedures:
    """`history.transformed.<table>` and `history.transformed.series.<table>`."""

    reading: Reading
    recorded: ForeignReads

    @procedure("history.transformed.", Lane.READS, max_time_s=MAX_TIME_S)
    async def history(self, realm: LiveRealm, asked: Asked) -> Any:
        """Rows as they are, or what they come to by buckets of time."""
        if asked.name.startswith(SERIES):
            return await self._series(realm, asked, asked.name.removeprefix(SERIES))
        table = realm.readable(asked.name, asked.caller)
        query, reader = history_query(asked.args), _reader(asked)
        if table.name in realm.offer.transforms:
            batches = _reversed(await self.reading.view(realm.backend, table, query, reader))
        else:
            batches = self.reading.stream(realm.backend, table, query, reader)
        return await _recorded(
            await self.recorded.about_to_read(realm, asked, table.name, query.span), table.name, batches
        )

    async def _series(self, realm: LiveRealm, asked: Asked, name: str) -> Any:
        table = realm.readable(name, asked.caller)
        realm.table(name)  # series are for tables alone
        query = series_query(asked.args)
        found = await self.reading.series(realm.backend, table, query, _reader(asked))
        return await _recorded(
            await self.recorded.about_to_read(realm, asked, name, query.span), name, _reversed(found)
        )


async def _recorded(read: Read, table: str, batches: AsyncGenerator[Rows]) -> Any:
    """The answer, written down before anything of it leaves."""
    try:
        answer, count = await answered(table, batches, read.progress, read.begin)
    except BaseException:
        await read.break_off()
        raise
    await read.end(count)
    return answer


def _reader(asked: Asked) -> str | None:
    """Whom a condition on the current user means: the account of a person, and nobody where an app reads."""
    return asked.caller.authid if asked.caller.role in BOARDS else None


async def _reversed(rows: Rows) -> AsyncGenerator[Rows]:
    yield rows[::-1]

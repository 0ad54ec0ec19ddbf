"""Carrying the rows of one backend to another cluster while it is worked with, until little is missing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from attrs import frozen

from services.fleetdb.records.backends import Backend
from services.fleetdb.records.moves import Place, Shape
from services.fleetdb.store import carrying as store
from services.fleetdb.store.catalog import has_timescale
from services.fleetdb.writing import Lending
from shared.database import Connection
from shared.errors import NotSupportedError

LOCK_MS: Final = 1_000
SUMMED: Final = "_ds"
HYPERTABLES: Final = "tables that TimescaleDB keeps cannot be moved yet"


@frozen
class Ends:
    """The backend where it is and where it will be, each with who lends connections to it there."""

    source: Backend
    target: Backend
    from_source: Lending
    from_target: Lending

    @asynccontextmanager
    async def connections(self) -> AsyncIterator[tuple[Connection, Connection]]:
        """One to each, on which each statement is a transaction by itself."""
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(self.from_source.connection(self.source))
            yield source, await stack.enter_async_context(self.from_target.connection(self.target))


class Carrying:
    """Does it for one backend; whoever does it again goes on from what stands on the target, but for sums."""

    def __init__(self, ends: Ends) -> None:
        """Nothing is done yet."""
        self._ends = ends
        self._schema = ends.source.schema
        self._shapes: list[Shape] = []
        self.rows = 0
        """Carried over so far, by this one."""

    async def prepare(self) -> None:
        """Make the tables on the target, and what finds new rows on the source.

        Raises:
            NotSupportedError: TimescaleDB keeps them.
        """
        async with self._ends.connections() as (source, target):
            if await has_timescale(source) or await has_timescale(target):
                raise NotSupportedError(HYPERTABLES)
            self._shapes = await store.shapes(source, self._schema)
            names = {shape.name for shape in self._shapes}
            async with target.transaction():
                await store.progress_make(target, self._schema)
                await self._drop_stale(target)
                for shape in self._shapes:
                    is_summed = f"{shape.name}{SUMMED}" in names
                    await store.shape_make(target, self._schema, shape, is_summed=is_summed)
            for shape in self._shapes:
                await store.search_ensure(source, self._schema, shape.name)

    async def carry(self) -> int:
        """Carry over what is missing by now; how many rows there were."""
        before = self.rows
        for shape in self._shapes:
            async with self._ends.connections() as (source, target):
                await store.spans_make(source, target, self._schema, shape.name)
                await self._carry_table(source, target, shape, await self._horizon(source, shape))
        return self.rows - before

    @asynccontextmanager
    async def completed(self, within_s: float) -> AsyncIterator[None]:
        """Carry over the rest; while the block runs every row is on the target, and none comes on the source.

        Where the block fails, rows come on the source again.

        Raises:
            TimeoutError: It took longer than that.
        """
        names = [shape.name for shape in self._shapes]
        async with self._ends.from_source.transaction(self._ends.source) as source:
            async with asyncio.timeout(within_s):
                await store.tables_lock(source, self._schema, names, LOCK_MS)
                self._check_same(await store.shapes(source, self._schema))
                async with self._ends.from_target.transaction(self._ends.target) as target:
                    for shape in self._shapes:
                        upto = await store.counted(source, self._schema, shape.name)
                        await self._carry_table(source, target, shape, upto)
                        await store.counters_carry(source, target, self._schema, shape)
                    await store.sums_carry(source, target, self._schema)
                    await store.erasures_carry(source, target, self._schema)
                await store.tables_close(source, self._schema, names)
            yield

    async def clear(self) -> None:
        """Nothing is on its way any more."""
        async with self._ends.from_target.transaction(self._ends.target) as target:
            await store.progress_drop(target, self._schema)

    async def _drop_stale(self, target: Connection) -> None:
        """What a try before has carried over and is another by now is carried over from the beginning.

        That is a table that has another shape; and each of sums, whose rows change in place between two tries.
        """
        there = {shape.name: shape for shape in await store.shapes(target, self._schema)}
        sums = {f"{shape.name}{SUMMED}" for shape in self._shapes}
        for shape in self._shapes:
            if shape.name in there and (there[shape.name] != shape or shape.name in sums):
                await store.shape_drop(target, self._schema, shape.name)

    async def _horizon(self, source: Connection, shape: Shape) -> int:
        """The number of the newest row of the table before which none is still to come."""
        async with source.transaction():
            await store.tables_lock(source, self._schema, [shape.name], LOCK_MS)
            return await store.counted(source, self._schema, shape.name)

    async def _carry_table(self, source: Connection, target: Connection, shape: Shape, upto: int) -> None:
        place = await store.progress_find(target, self._schema, shape.name) or Place(upto, None, is_first=True)
        while place.is_first:
            end = await store.piece_end(source, self._schema, shape.name, place.upto, place.after)
            reading = store.walked(self._schema, shape, place.upto, place.after, end)
            place = Place(place.upto, end, is_first=end is not None)
            await self._take(source, target, shape, reading, place)
        while place.upto < upto:
            after, place = place.upto, Place(min(upto, place.upto + store.PIECE), None, is_first=False)
            await self._take(source, target, shape, store.newer(self._schema, shape, after, place.upto), place)

    async def _take(self, source: Connection, target: Connection, shape: Shape, reading: object, place: Place) -> None:
        async with target.transaction():
            count = await store.carry(source, target, reading, self._schema, shape)
            await store.progress_set(target, self._schema, shape.name, place)
        self.rows += count

    def _check_same(self, shapes: Sequence[Shape]) -> None:
        """Refuse to end where a table was made or changed meanwhile: the next time it is known from the beginning."""
        if list(shapes) != self._shapes:
            raise TimeoutError("tables have changed meanwhile")

"""Rows that come in: by a call, one or many; or by the topics of older SDKs, of which nobody hears what became."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from attrs import frozen

from services.fleetdb.errors import Refusal
from services.fleetdb.foreign_reads import ForeignReads
from services.fleetdb.gates import Lane
from services.fleetdb.live import LiveRealm
from services.fleetdb.problems import Problems, Writer
from services.fleetdb.procedures.declaring import procedure, topic
from services.fleetdb.records.calls import Asked
from services.fleetdb.records.tables import Row, Table
from services.fleetdb.rules.chunks import pieces
from services.fleetdb.rules.rows import NOT_THIS_DEVICE, incoming, incoming_bulk
from services.fleetdb.rules.shapes import ERROR_LOGS
from services.fleetdb.writing import Writing
from shared.errors import PublicError


@frozen
class WriteProcedures:
    """`append`, `appendBulk`, and the raw topics; what `begin` begins is ended before the service stops."""

    writing: Writing
    problems: Problems
    recorded: ForeignReads
    begin: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

    @procedure("append.{project}.{app}.", Lane.WRITES)
    async def append(self, realm: LiveRealm, asked: Asked) -> dict[str, Any]:
        """Store one row."""
        table = realm.table(asked.name)
        await self._one(realm, table, asked)
        return {"success": True}

    @procedure("appendBulk.{project}.{app}.", Lane.WRITES)
    async def append_bulk(self, realm: LiveRealm, asked: Asked) -> dict[str, Any]:
        """Store many rows, all or none."""
        table = realm.table(asked.name)
        return {"success": True, "count": await self._many(realm, table, asked)}

    @topic("{project}.{app}.", Lane.WRITES)
    async def published(self, realm: LiveRealm, asked: Asked) -> None:
        """One row; what is no table here is a device's function, or nothing."""
        if realm.has_table(asked.name):
            await self._quietly(realm, asked, is_bulk=False)

    @topic("bulk.{project}.{app}.", Lane.WRITES)
    async def published_bulk(self, realm: LiveRealm, asked: Asked) -> None:
        """Many rows."""
        if realm.has_table(asked.name):
            await self._quietly(realm, asked, is_bulk=True)

    async def _quietly(self, realm: LiveRealm, asked: Asked, *, is_bulk: bool) -> None:
        table = realm.table(asked.name)
        try:
            await (self._many if is_bulk else self._one)(realm, table, asked)
        except (Refusal, PublicError) as error:
            by = Writer(await realm.device_of(asked.caller), asked.caller.authid)
            await self.problems.dropped(realm, f"what came for {table.name} was dropped", error, by)

    async def _one(self, realm: LiveRealm, table: Table, asked: Asked) -> None:
        device_key = await realm.device_of(asked.caller)
        try:
            row = incoming(table, asked.args, asked.kwargs, device_key=device_key, authid=asked.caller.authid)
        except Refusal as refusal:
            await self._noted(realm, asked, refusal)
            raise
        await self._kept(realm, table, [row], is_bulk=False)

    async def _many(self, realm: LiveRealm, table: Table, asked: Asked) -> int:
        device_key = await realm.device_of(asked.caller)
        try:
            rows: Sequence[Row] = incoming_bulk(
                table, asked.args, asked.kwargs, device_key=device_key, authid=asked.caller.authid
            )
        except Refusal as refusal:
            await self._noted(realm, asked, refusal)
            raise
        await self._kept(realm, table, rows, is_bulk=True)
        return len(rows)

    async def _kept(self, realm: LiveRealm, table: Table, rows: Sequence[Row], *, is_bulk: bool) -> None:
        """Store and tell, to the end: who calls may be gone meanwhile, and what is stored must be told."""
        keeping = self.begin(self._store(realm, table, rows, is_bulk=is_bulk))
        keeping.add_done_callback(_looked_at)
        await asyncio.shield(keeping)

    async def _store(self, realm: LiveRealm, table: Table, rows: Sequence[Row], *, is_bulk: bool) -> None:
        stored = await self.writing.append(realm.backend, table, rows)
        is_private = table.is_private or table.name == ERROR_LOGS
        if not is_bulk:
            realm.publish(f"transformed.{table.name}", stored[0], is_private=is_private)
            return
        for piece in pieces(stored):
            realm.publish(f"transformed.bulk.{table.name}", piece, is_private=is_private)

    async def _noted(self, realm: LiveRealm, asked: Asked, refusal: Refusal) -> None:
        if refusal.wire_args == (NOT_THIS_DEVICE,):
            await self.recorded.impersonated(realm, asked.caller)


def _looked_at(task: "asyncio.Task[None]") -> None:
    # Where the caller is gone, nobody else takes the error out.
    if not task.cancelled():
        task.exception()

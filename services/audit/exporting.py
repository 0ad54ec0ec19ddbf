"""An export: entries with their salts, and proofs against one head, so that the file verifies without us."""

import json
from typing import Any, Final

from services.audit.encoding import entry_line, spoken, tombstone_line
from services.audit.proofs import ProofMaker
from services.audit.reading import Reading, record_reading
from services.audit.records import Filter, Head, Question, Row, Tombstone
from services.audit.signing import Notary
from services.audit.store import entries as store
from services.audit.store import log
from shared.audit import Action, Outcome
from shared.database import Connection, Database
from shared.errors import UnavailableError
from shared.procedures import Progress
from shared.tlog.note import encode_base64

CHUNK: Final = 256


class Export:
    """One export, of one person."""

    def __init__(self, database: Database, reading: Reading, notary: Notary, question: Question) -> None:
        """Export what `question` asks for."""
        self._database = database
        self._reading = reading
        self._notary = notary
        self._question = question

    async def send(self, progress: Progress) -> None:
        """Send the lines; that it was begun is recorded before the first, how it ended after the last."""
        head = await self._begun()
        progress(_text(self._head_line(head)))
        maker, start, count = ProofMaker(head.size), 0, 0
        while start < head.size:
            lines, start = await self._chunk(maker, start, head.size)
            for line in lines:
                progress(_text(line))
            count += len(lines)
        await self._record(Outcome.DONE, count)
        progress(_text({"type": "end", "entries": count}))

    async def _begun(self) -> Head:
        await self._record(Outcome.INTENDED, None)
        head = await self._database.run(log.head)
        if head is None:
            raise UnavailableError("no head is published yet; try again in a moment")
        return head

    def _head_line(self, head: Head) -> dict[str, Any]:
        # Never all null: that would claim the whole log.
        asked = {**spoken(self._question.chosen), "reader": self._question.person.account_key}
        return {"type": "head", "checkpoint": head.note, "keys": self._notary.key_texts, "filter": asked}

    async def _chunk(self, maker: ProofMaker, start: int, end: int) -> tuple[list[dict[str, Any]], int]:
        """Lines from `start` on, and where the next chunk begins."""
        async with self._database.transaction() as connection:
            rows = await store.entries_from(connection, self._question, start=start, end=end, limit=CHUNK)
            upto = end if len(rows) < CHUNK else (rows[-1].leaf_index or 0) + 1
            graves = await self._tombstones(connection, start, upto)
            found: list[Row | Tombstone] = sorted([*rows, *graves], key=_index)
            proofs = await maker.inclusion(connection, [_index(each) for each in found])
        opened = iter(await self._reading.opened(rows))
        return [_line(each, proof, opened) for each, proof in zip(found, proofs, strict=True)], upto

    async def _tombstones(self, connection: Connection, start: int, end: int) -> list[Tombstone]:
        """Redacted entries tell only of which project they were: any other condition leaves them out."""
        if self._question.conditions != Filter() or self._question.scope.asset is not None:
            return []
        return await store.tombstones(connection, self._question.scope.projects, start=start, end=end)

    async def _record(self, outcome: Outcome, rows: int | None) -> None:
        async with self._database.transaction() as connection:
            await record_reading(connection, Action.AUDIT_LOG_EXPORTED, self._question, rows=rows, outcome=outcome)


def _index(found: Row | Tombstone) -> int:
    return found.leaf_index or 0


def _line(found: Row | Tombstone, proof: tuple[bytes, ...], opened: Any) -> dict[str, Any]:
    texts = [encode_base64(each) for each in proof]
    if isinstance(found, Tombstone):
        return tombstone_line(found, texts)
    return entry_line(found, texts, next(opened))


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))

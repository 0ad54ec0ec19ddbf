"""A live tail: what is published from now on, and what of it was read, recorded once a minute."""

import asyncio
from typing import Final

from services.audit.bell import Bell
from services.audit.reading import Reading, record_reading
from services.audit.records import Question, Row
from services.audit.store import entries as store
from services.audit.store import log
from shared.audit import Action
from shared.database import Connection, Database
from shared.procedures import Progress
from shared.rights.decision_point import Following

LOOK_S: Final = 1.0
SUMMED_S: Final = 60.0
CHUNK: Final = 256


class Tail:
    """One follower."""

    def __init__(self, database: Database, reading: Reading, bell: Bell, question: Question) -> None:
        """Follow what `question` asks for, as far as its person may read it at the time."""
        self._database = database
        self._reading = reading
        self._bell = bell
        self._question = question
        self._unrecorded = 0

    async def follow(self, progress: Progress, following: Following) -> None:
        """Send where it begins, then each entry, until it is cancelled; its last rows are recorded then.

        Raises:
            NotFoundError, NotAuthorizedError: The person may not read the project any more.
            UnavailableError: Nobody can say whether they may.
        """
        loop = asyncio.get_running_loop()
        try:
            position, summed = await self._size(), loop.time()
            progress({"following": {"size": position}})
            while True:
                await self._bell.heard(LOOK_S)
                if following.is_due():
                    self._question = await self._reading.question(self._question.person, self._question.chosen)
                position = await self._send_from(position, progress)
                if loop.time() - summed >= SUMMED_S:
                    await self._record()
                    summed = loop.time()
        finally:
            await asyncio.shield(self._record())

    async def _send_from(self, position: int, progress: Progress) -> int:
        """Send what was published since; the answer is where the next look begins."""
        end = await self._size()
        while position < end:
            rows = await self._chunk(position, end)
            for entry in await self._reading.shown(rows):
                progress({"entry": entry})
            # What tells of reading would otherwise cause the next record of reading, for ever.
            self._unrecorded += sum(row.action != Action.AUDIT_LOG_READ for row in rows)
            position = end if len(rows) < CHUNK else (rows[-1].leaf_index or 0) + 1
        return position

    async def _size(self) -> int:
        head = await self._database.run(log.head)
        return 0 if head is None else head.size

    async def _chunk(self, start: int, end: int) -> list[Row]:
        return await self._database.run(
            lambda connection: store.entries_from(connection, self._question, start=start, end=end, limit=CHUNK)
        )

    async def _record(self) -> None:
        rows, self._unrecorded = self._unrecorded, 0
        if rows:
            await self._database.run(lambda connection: self._recorded(connection, rows))

    async def _recorded(self, connection: Connection, rows: int) -> None:
        await record_reading(connection, Action.AUDIT_LOG_READ, self._question, rows=rows)

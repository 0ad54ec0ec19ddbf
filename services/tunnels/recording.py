"""Recordings of terminal visits: what comes from the device, sealed in parts while it comes.

A visit that is to be recorded and cannot be ends. Nobody writes its parts but the process that has the visit.
"""

import asyncio
import hashlib
from typing import Final

import psycopg
import structlog

from services.tunnels.records.recordings import Keeping, Recording
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Cause, Visit
from services.tunnels.rules.asciicast import Cast
from services.tunnels.store import recordings as store
from services.tunnels.visiting import OpenVisit
from shared.database import Database
from shared.errors import OverLimitError, PublicError, UnavailableError
from shared.keyring import DataKeys

PART_OCTETS: Final = 65_536
MAX_WAITING_OCTETS: Final = 4 << 20
"""Of what was seen and is not written down; whoever is behind by more is ended."""
PARTS_AT_ONCE: Final = 8
NO_ROOM: Final = (
    "this visit is to be recorded, and this project's recordings take all the room that they may: whoever operates the"
    " platform can give them more, and whoever has GRANT on the project can have this app recorded no more"
)
BROKEN: Final = "part of this recording could not be written"

log = structlog.get_logger()


class VisitRecording:
    """The recording of one visit."""

    def __init__(self, recordings: "Recordings", opened: OpenVisit, title: str) -> None:
        """Nothing was seen yet."""
        self._recordings = recordings
        self._opened = opened
        self._began_at = recordings.times.clock()
        self._cast = Cast(opened.visit.began_at.timestamp(), title)
        self._waiting = [self._cast.head]
        self._waiting_octets = len(self._cast.head)
        self._digest = hashlib.sha256()
        self._number = 0
        self._writing = asyncio.Lock()
        self._is_broken = False
        """Something could not be written: what follows would be no whole either."""

    def seen(self, octets: bytes) -> None:
        """The device said this."""
        line = self._cast.seen(self._recordings.times.clock() - self._began_at, octets)
        self._waiting.append(line)
        self._waiting_octets += len(line)
        if self._waiting_octets > MAX_WAITING_OCTETS:
            self._opened.end(Cause.NOT_RECORDED)

    async def write_down(self) -> None:
        """Write what waits; the visit ends where that fails."""
        try:
            async with self._writing:
                await self._write()
        except (PublicError, psycopg.Error):
            log.exception("tunnel_recording_not_written", visit_key=self._opened.visit.visit_key)
            self._opened.end(Cause.NOT_RECORDED)

    async def complete(self) -> None:
        """The visit is over: its entry in the log names the recording by its digest, or says that it is not whole."""
        self._recordings.forget_recording(self)
        visit_key, is_truncated = self._opened.visit.visit_key, self._cast.is_truncated
        try:
            async with self._writing:
                await self._write()
                sha256 = self._digest.hexdigest()
                await self._recordings.database.run(
                    lambda connection: store.recording_end(connection, visit_key, sha256, is_truncated=is_truncated)
                )
        except (PublicError, psycopg.Error):
            log.exception("tunnel_recording_not_completed", visit_key=visit_key)
            self._opened.recorded = {"is_whole": False}
        else:
            self._opened.recorded = {"is_whole": not is_truncated, "sha256": sha256, "octets": self._cast.octets}

    async def _write(self) -> None:
        if self._is_broken:
            raise UnavailableError(BROKEN)
        waiting, self._waiting, self._waiting_octets = "".join(self._waiting), [], 0
        self._is_broken = True
        for first in range(0, len(waiting), PART_OCTETS):
            await self._write_part(waiting[first : first + PART_OCTETS])
        self._is_broken = False

    async def _write_part(self, text: str) -> None:
        visit_key, number, octets = self._opened.visit.visit_key, self._number, self._cast.octets
        sealed = await self._recordings.keys.seal(text, place_of(visit_key, number))
        async with self._recordings.database.transaction() as connection:
            await store.recording_part_insert_in_txn(connection, visit_key, number, sealed, octets)
        self._digest.update(text.encode())
        self._number += 1


class Recordings:
    """All of them."""

    def __init__(self, database: Database, keys: DataKeys, times: Times, keeping: Keeping) -> None:
        """Kept in `database` as `keeping` says, sealed with `keys`."""
        self.database = database
        self.keys = keys
        self.times = times
        self._keeping = keeping
        self._going_on: set[VisitRecording] = set()

    async def is_recorded(self, tunnel: Tunnel | Visit) -> bool:
        """Whether visits to it are recorded: its project asks for its app, and it is raw tcp."""
        if tunnel.protocol != "tcp":
            return False
        key = tunnel.project_key
        return tunnel.app in await self.database.run(lambda connection: store.recorded_app_list(connection, key))

    async def begin_recording(self, opened: OpenVisit) -> VisitRecording | None:
        """The recording of a visit that is about to begin, None where it is not to be recorded.

        Raises:
            OverLimitError: There is no room for it: what is there is not given up for what comes.
            PublicError, psycopg.Error: It cannot be written; the visit must not begin.
        """
        visit = opened.visit
        if not await self.is_recorded(visit):
            return None
        key = visit.project_key
        taken = await self.database.run(lambda connection: store.recording_octets(connection, key))
        if taken >= self._keeping.octets:
            raise OverLimitError(NO_ROOM)
        await self.database.run(lambda connection: store.recording_insert(connection, visit))
        recording = VisitRecording(self, opened, f"visit {visit.visit_key} to {visit.app}:{visit.port}")
        self._going_on.add(recording)
        return recording

    def forget_recording(self, recording: VisitRecording) -> None:
        """Its visit is over."""
        self._going_on.discard(recording)

    async def write_down_all(self) -> None:
        """Write down what was seen. To be done several times a second."""
        await asyncio.gather(*(each.write_down() for each in list(self._going_on)))

    async def sweep_recordings(self) -> None:
        """Forget what is too old.

        Raises:
            PublicError: The database is away.
        """
        await self.database.run(lambda connection: store.recording_sweep(connection, self._keeping.days))

    async def part_of(self, recording: Recording, first: int) -> tuple[str, int | None]:
        """A piece of the asciicast from part `first` on, and the part that follows, if there is one.

        Raises:
            PublicError: The database is away.
        """
        key = recording.visit_key
        parts = await self.database.run(
            lambda connection: store.recording_part_list(connection, key, first=first, limit=PARTS_AT_ONCE + 1)
        )
        texts = [await self.keys.open(sealed, place_of(key, number)) for number, sealed in parts[:PARTS_AT_ONCE]]
        return "".join(texts), first + PARTS_AT_ONCE if len(parts) > PARTS_AT_ONCE else None


def place_of(visit_key: int, number: int) -> str:
    """Where a part lies, as it is sealed for."""
    return f"tunnels.recording_part/{visit_key}/{number}"

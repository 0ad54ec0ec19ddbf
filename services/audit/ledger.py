"""What was revoked, rotated and erased, in a file outside the database: a backup that is restored must not revive it.

A line is one entry of the log, as JSON, without anything that tells of a person; lines come in the order of the log.
What a crash kept from being written is read from the log at the next start. A line without a `leaf_index` came
from the ledger of a database that was restored over: it counts for whoever restores to before one of its `restores`.
Lines that the restored log knows stay where they were: retention may have taken from the log what they tell.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Final

import structlog

from services.audit.bell import Bell
from services.audit.records import Row
from services.audit.store import entries
from services.audit.store import log as entries_log
from shared.audit import Action
from shared.database import Connection, Database
from shared.moments import rfc3339

BATCH: Final = 10_000
"""Entries that are looked through at once, few of which the ledger has anything to say of."""
LOOK_S: Final = 1.0
TAIL_OCTETS: Final = 65_536
DONE: Final = "done"
# What takes something from somebody, or puts something in the place of what may be stolen.
KEPT: Final = frozenset(
    {
        Action.ACCOUNT_DISABLED, Action.ACCOUNT_ENABLED, Action.ACCOUNT_ERASED, Action.API_KEY_ENDED,
        Action.API_KEY_ROTATED, Action.APP_ACCESS_REVOKED, Action.APP_CREDENTIAL_ROTATED, Action.CLIENT_ENDED,
        Action.CONSENT_REVOKED, Action.DEVICE_CREDENTIAL_ENDED, Action.DEVICE_CREDENTIAL_ISSUED,
        Action.DEVICE_CREDENTIAL_MOVED,
        Action.FLAG_DEFAULT_UNSET, Action.FLAG_TAKEN, Action.LOCK_CREATED, Action.LOCK_ENDED, Action.MEMBERSHIP_LEFT,
        Action.MEMBERSHIP_REMOVED, Action.MEMBERSHIP_WITHDRAWN, Action.OWNERSHIP_TRANSFERRED, Action.PASSKEY_REMOVED,
        Action.PASSWORD_CHANGED, Action.PASSWORD_RESET, Action.RECOVERY_CODES_RENEWED, Action.RECOVERY_CODE_USED,
        Action.RIGHTS_ERASED, Action.SERVICE_ACCOUNT_ENDED, Action.TOTP_ENROLLED, Action.TOTP_REMOVED,
        Action.TUNNEL_UNPUBLISHED, Action.TUNNEL_WITHDRAWN, Action.UPSTREAM_UNLINKED,
    }
)  # fmt: skip

log = structlog.get_logger()


def line_of(row: Row) -> dict[str, Any] | None:
    """The line of an entry of the log; None where the ledger has nothing to say of it."""
    if row.action not in KEPT or row.outcome != DONE:
        return None
    return {
        "leaf_index": row.leaf_index,
        "at": rfc3339(row.recorded_at),
        "action": row.action,
        "kind": row.asset["kind"],
        "key": row.asset["key"],
        "project": row.project,
        "actor": row.actor["key"] if row.actor["kind"] == "person" else None,
        "before": _impersonal(row.before),
        "after": _impersonal(row.after),
    }


def _impersonal(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """`fields` without names and what is sealed for a person: keys, flags and moments are enough to replay it."""
    if fields is None:
        return None
    return {
        name: value for name, value in fields.items() if name not in ("name", "address", "reason") and _plain(value)
    }


def _plain(value: object) -> bool:
    return not isinstance(value, dict) and (not isinstance(value, list) or all(_plain(each) for each in value))


class LedgerFile:
    """The file; one process writes it."""

    def __init__(self, path: Path) -> None:
        """Keep it at `path`, made when absent."""
        self._path = path

    def position(self) -> int:
        """The leaf index from which on entries are not in it; of a line that a crash cut off nothing counts."""
        tail = TAIL_OCTETS
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                # Behind a restore there may be any number of lines that have no place.
                while (last := _last_index(file, max(0, size - tail))) is None and tail < size:
                    tail *= 2
        except FileNotFoundError:
            return 0
        return 0 if last is None else last + 1

    def append(self, lines: Iterable[dict[str, Any]]) -> None:
        """Put `lines` at its end; they are on the disk when this returns.

        Raises:
            OSError: They are not.
        """
        octets = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # What a crash cut off is ended, so that it spoils no line but its own; the entry is written again.
            is_cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            rest = (b"\n" if is_cut else b"") + octets
            while rest:  # of a disk that is nearly full the first write takes a part, and the next one fails
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _last_index(file: IO[bytes], start: int) -> int | None:
    """The place of the last line behind octet `start` that has one; the line there may be cut, and is none then."""
    file.seek(start)
    lines = file.read().split(b"\n")
    return next((index for line in reversed(lines[:-1]) if (index := _index(line)) is not None), None)


def _index(line: bytes) -> int | None:
    try:
        found = json.loads(line)["leaf_index"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None


class Keeping:
    """Follows the log, and writes down what a restore must know."""

    def __init__(self, database: Database, file: LedgerFile, bell: Bell) -> None:
        """Write into `file`."""
        self._database = database
        self._file = file
        self._bell = bell
        self._position: int | None = None

    async def step(self) -> None:
        """Write down what has come; wait for more, a second at most.

        Raises:
            UnavailableError, OSError: It could not be read, or not be written; it is tried again.
        """
        start = self._file.position() if self._position is None else self._position
        size = await self._database.run(entries_log.size)
        end = max(start, min(size, start + BATCH))
        rows = [] if end == start else await self._database.run(lambda each: _kept(each, start, end))
        lines = [line for row in rows if (line := line_of(row)) is not None]
        if lines:
            self._file.append(lines)
            log.info("ledger_written", lines=len(lines))
        self._position = end
        if end >= size:
            await self._bell.heard(LOOK_S)


async def _kept(connection: Connection, start: int, end: int) -> list[Row]:
    return await entries.entries_of(connection, KEPT, start=start, end=end)

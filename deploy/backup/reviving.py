"""What a restored database must not bring back to life (decision 33).

Sessions, tickets and codes end, and what was revoked, rotated and erased since the backup is so again, by the ledger
that was kept outside the database.

Each service says itself what that means in its tables: `services/<name>/restoring/`. `end.sql` always runs; with a
ledger `replay.sql`, which finds it in the table `ledger`; without one `suspend.sql`.
"""

import json
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen
from psycopg.types.json import Jsonb

from deploy.backup.errors import BackupError
from deploy.local.bootstrap import SCHEMAS
from deploy.local.state import REPOSITORY
from shared.moments import rfc3339

RESTORED: Final = "restored without a ledger: somebody must confirm that this was not taken out since"
"""The reason of each lock that stands since such a restore; `flockctl doctor` knows them by it."""
_TABLE: Final = (
    "CREATE TEMPORARY TABLE ledger (place bigint, at timestamptz, action text, kind text, key text, project bigint,"
    " actor bigint, before jsonb, after jsonb) ON COMMIT DROP"
)
_SIZE: Final = "SELECT coalesce(max(leaf_index) + 1, 0), now() FROM audit.leaf"
_RESTORES: Final = (
    "SELECT after ->> 'at' FROM audit.queue WHERE action = 'installation.restored'"
    " UNION SELECT after ->> 'at' FROM audit.entry WHERE action = 'installation.restored'"
)
_RECORD: Final = (
    "SELECT audit.record('installation.restored', 'existence', %s, %s, NULL, NULL, %s, NULL,"
    ' \'{"session": null, "address": null, "request": null}\', \'done\')'
)


@frozen
class Revived:
    """What was done to a restored database: what its log knew before, how many lines of the ledger were replayed, when.

    `at` is the moment of the restore by the database's clock (RFC 3339), which the log has of each: `restores`.
    """

    log_size: int
    restores: frozenset[str]
    replayed: int | None
    at: str


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The lines of a ledger.

    Raises:
        BackupError: It cannot be read, or a line of it is none; the last may have been cut off by a crash.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise BackupError(f"the ledger {path} cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line) if line else None
        except ValueError as error:
            if number == len(lines):
                break
            raise BackupError(f"the ledger {path} is damaged in line {number}") from error
        if entry is not None:
            found.append(_checked(entry, path, number))
    return found


def _checked(entry: Any, path: Path, number: int) -> dict[str, Any]:
    words = {"at", "action", "kind", "key"}
    if not isinstance(entry, dict) or not words <= entry.keys():
        raise BackupError(f"the ledger {path} is damaged in line {number}")
    if not _is_moments([entry["at"]]) or not _is_moments(entry.get("restores", [])):
        raise BackupError(f"the ledger {path} is damaged in line {number}")
    return entry


def _is_moments(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def since(lines: Sequence[dict[str, Any]], size: int, restores: frozenset[str]) -> list[dict[str, Any]]:
    """Those that a log does not know of.

    Args:
        lines: The ledger; what was carried over a restore has no place in the log, but the moments of those restores.
        size: How many entries the log has: later ones it does not know.
        restores: The moments of the restores that the log tells of: what was replayed by one of them is in the
            database, and what came after it must not be overruled.
    """
    return [line for line in lines if not _is_known(line, size, restores)]


def _is_known(line: dict[str, Any], size: int, restores: frozenset[str]) -> bool:
    place = line.get("leaf_index")
    return place < size if isinstance(place, int) else not restores.isdisjoint(line.get("restores", []))


def carried(lines: Sequence[dict[str, Any]], revived: Revived) -> bytes:
    """The ledger to go on with: all of it, in its order, for a restore to a moment before.

    What the log has an entry of keeps its place there, so that audit goes on behind it; what it has none of has no
    place, and tells that it was replayed now.
    """
    replayed = [] if revived.replayed is None else [revived.at]
    kept = [
        line
        if _is_known(line, revived.log_size, revived.restores)
        else {**line, "leaf_index": None, "restores": [*line.get("restores", []), *replayed]}
        for line in lines
    ]
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in kept)


def revive(
    connection: psycopg.Connection[Any], lines: Sequence[dict[str, Any]] | None, details: dict[str, Any]
) -> Revived:
    """Bring a restored control database into a state in which people may be let in; all of it, or nothing.

    Args:
        connection: The superuser's, in the control database.
        lines: The ledger; None where there is none.
        details: What the audit log is told of the restore.

    Raises:
        psycopg.Error: It does not have the schemas of this release.
    """
    with connection.transaction():
        size, at = connection.execute(_SIZE.encode()).fetchall()[0]
        restores = frozenset(row[0] for row in connection.execute(_RESTORES.encode()) if row[0] is not None)
        replayed = None if lines is None else since(lines, size, restores)
        _fill(connection, replayed or [])
        for schema in SCHEMAS:
            for name in ("end", "suspend" if replayed is None else "replay"):
                _run(connection, schema, name)
        actor = {"kind": "operator", "key": "flockctl", "credential": None, "on_behalf_of": None}
        count = None if replayed is None else len(replayed)
        after = {**details, "at": rfc3339(at), "replayed": count}
        asset = {"kind": "installation", "key": 1}
        connection.execute(_RECORD.encode(), [Jsonb(actor), Jsonb(asset), Jsonb(after)])
    return Revived(size, restores, count, rfc3339(at))


def _fill(connection: psycopg.Connection[Any], lines: Sequence[dict[str, Any]]) -> None:
    """Have the SQL of the services find them, in the order of time, in which ledgers of releases before may not be."""
    connection.execute(_TABLE.encode())
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ledger VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                [
                    place, line["at"], line["action"], line["kind"], str(line["key"]), line.get("project"),
                    line.get("actor"), _json(line.get("before")), _json(line.get("after")),
                ]
                for place, line in enumerate(sorted(lines, key=itemgetter("at")))
            ],
        )  # fmt: skip


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def _run(connection: psycopg.Connection[Any], schema: str, name: str) -> None:
    path = REPOSITORY / "services" / schema / "restoring" / f"{name}.sql"
    if path.exists():
        connection.execute(path.read_text(encoding="utf-8").replace("REASON", RESTORED).encode())

"""Backups and drills in the audit log, by the login that makes them."""

from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from deploy.backup.drilling import Drilled
from deploy.backup.errors import BackupError
from deploy.backup.manifest import Manifest
from deploy.backup.tools import tools_of
from deploy.local.state import StateFolder

_RECORD: Final = (
    "SELECT audit.record(%s, 'existence', %s, %s, NULL, NULL, %s, NULL,"
    ' \'{"session": null, "address": null, "request": null}\', %s)'
)
_ACTOR: Final = {"kind": "operator", "key": "flockctl", "credential": None, "on_behalf_of": None}
_ASSET: Final = {"kind": "installation", "key": 1}


def record_backup(state: StateFolder, made: Manifest) -> None:
    """That it was taken. Errors as `_record`."""
    after: dict[str, Any] = {"backup": made.backup_id, "kind": made.kind.value, "octets": made.octets}
    if made.absent:
        after["absent"] = list(made.absent)
    _record(state, "installation.backed_up", after, "done")


def record_drill(state: StateFolder, done: Drilled) -> None:
    """That it was tried, and how that went. Errors as `_record`."""
    after = {"backup": done.backup, "entries": done.log_size, "failures": list(done.failures)[:20]}
    _record(state, "installation.drilled", after, "failed" if done.failures else "done")


def _record(state: StateFolder, action: str, after: dict[str, Any], outcome: str) -> None:
    """Put it into the log's queue.

    Raises:
        BackupError: The database does not take it.
    """
    try:
        with tools_of(state).connect() as connection:
            connection.execute(_RECORD.encode(), [action, Jsonb(_ACTOR), Jsonb(_ASSET), Jsonb(after), outcome])
    except psycopg.Error as error:
        raise BackupError(f"it was done, but the audit log did not take it: {str(error).strip()}") from error

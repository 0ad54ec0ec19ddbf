"""Whether the key files at hand are those that what is stored was sealed by.

A file that was lost is never made anew silently: a new one would let everything start, and nothing that was sealed
before would ever open again.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from deploy.local.state import StateFolder

BY_AUTH: Final = "auth-"
"""How the names of auth's own data keys begin, by which keys of people were sealed before they had a file."""
# A sealed value begins with its version and the length of the name of its key. Source: shared/secrets.py.
_SEALED_BY: Final = (
    "SELECT DISTINCT convert_from(substring(sealed FROM 3 FOR get_byte(sealed, 1)), 'UTF8') FROM auth.person_key"
)
_IS_THERE: Final = "SELECT to_regclass(%s) IS NOT NULL"
IN_BACKUPS: Final = (
    "put it back: every backup has it among its files, which `age --decrypt` opens (<place>/<id>/files.tar.gz.age); or"
    " restore one"
)
IN_NO_BACKUP: Final = (
    "put it back; or, while `python -m deploy.local database` runs, give everybody their key again out of what lies"
    " beside the backups: `flockctl backup person-keys --from FOLDER --identity-file FILE` (what is lost where there is"
    " nothing, --accept-loss says)"
)


def master_files(state: StateFolder) -> dict[str, Path]:
    """The files of master keys, by the schema whose data keys they wrap."""
    return {
        "auth": state.master_keys,
        "devices": state.devices_master_keys,
        "fleetdb": state.fleetdb_master_keys,
        "tunnels": state.tunnels_master_keys,
    }


def key_files(state: StateFolder) -> tuple[Path, ...]:
    """Every file without which something stored would never open again."""
    return (*master_files(state).values(), state.person_keys)


def misfits(connection: psycopg.Connection[Any], state: StateFolder) -> dict[Path, str]:
    """The key files that do not open what is stored, or are not there, each with a sentence that says what to do."""
    found: dict[Path, str] = {}
    for schema, file in master_files(state).items():
        if not set(_wrapped_by(connection, schema)) <= _names_in(file):
            found[file] = f"{_lost(file)}, and what {schema} keeps sealed cannot be opened without it: {IN_BACKUPS}"
    if not set(_people_sealed_by(connection)) <= _names_in(state.person_keys):
        file = state.person_keys
        found[file] = f"{_lost(file)}, and what the audit log says of people opens by it alone: {IN_NO_BACKUP}"
    return found


def _lost(file: Path) -> str:
    return f"{file} is another file than the data were made with" if file.exists() else f"{file} is missing"


def _names_in(file: Path) -> set[str]:
    """The names of the keys in a file; none where it cannot be read."""
    try:
        return set(json.loads(file.read_text(encoding="utf-8"))["keys"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _wrapped_by(connection: psycopg.Connection[Any], schema: str) -> Iterator[str]:
    if _is_there(connection, f"{schema}.data_key"):
        query = sql.SQL("SELECT DISTINCT master_key_id FROM {}").format(sql.Identifier(schema, "data_key"))
        yield from (row[0] for row in connection.execute(query).fetchall())


def _people_sealed_by(connection: psycopg.Connection[Any]) -> Iterator[str]:
    if _is_there(connection, "auth.person_key"):
        names = (row[0] for row in connection.execute(_SEALED_BY.encode()).fetchall())
        yield from (name for name in names if not name.startswith(BY_AUTH))


def _is_there(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute(_IS_THERE.encode(), [table]).fetchone()
    return row is not None and bool(row[0])

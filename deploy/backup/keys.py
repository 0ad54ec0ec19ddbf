"""Master keys beside a restored database: a moment between a rotation and the next backup needs keys of both."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from deploy.backup.errors import UntrustedError
from deploy.local.fitting import master_files
from deploy.local.state import StateFolder
from shared.secrets import SecretsError, WrappedKey, parse_master_keys, unwrap


def merged(texts: Sequence[str]) -> str:
    """A file of master keys with all that are in `texts`, the oldest first; the newest says which one is active.

    Raises:
        UntrustedError: One is no file of master keys.
    """
    keys: dict[str, str] = {}
    for text in texts:
        try:
            parse_master_keys(text)
        except SecretsError as error:
            raise UntrustedError(f"what was backed up as master keys is none: {error}") from error
        keys |= json.loads(text)["keys"]
    return json.dumps({"active": json.loads(texts[-1])["active"], "keys": keys})


def unopened(connection: psycopg.Connection[Any], files: StateFolder) -> list[str]:
    """What is wrong with the data keys of a restored database: each that the master keys in `files` do not open."""
    failures = []
    for schema, file in master_files(files).items():
        table = sql.Identifier(schema, "data_key")
        rows = connection.execute(sql.SQL("SELECT key_id, master_key_id, wrapped FROM {}").format(table)).fetchall()
        for row in rows:
            try:
                unwrap(parse_master_keys(file.read_text(encoding="utf-8")), WrappedKey(*row))
            except (OSError, SecretsError) as error:
                failures.append(f"what {schema} sealed cannot be opened: {error}")
    return failures

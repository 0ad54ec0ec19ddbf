"""What a rotation does to what is stored: what an old key sealed is under the new one afterwards.

By whoever may write there: the superuser of one machine, or the service itself.
"""

from typing import Any, Final

import psycopg
from psycopg import sql

from shared.keyring import LOCK
from shared.secrets import MasterKeys, WrappedKey, rewrap

_FOLLOWED: Final = (
    "UPDATE auth.signing_key SET is_to_be_followed = true"
    " WHERE created_at = (SELECT max(created_at) FROM auth.signing_key)"
)


def rewrap_all(connection: psycopg.Connection[Any], schema: str, masters: MasterKeys) -> int:
    """Wrap every data key of `schema` by the active one of `masters`; returns how many there are.

    Raises:
        SecretsError: One was wrapped by a key that is not at hand; nothing was changed.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, schema])
        table = sql.Identifier(schema, "data_key")
        rows = connection.execute(sql.SQL("SELECT key_id, master_key_id, wrapped FROM {}").format(table)).fetchall()
        for row in rows:
            key = rewrap(masters, WrappedKey(*row))
            connection.execute(
                sql.SQL("UPDATE {} SET master_key_id = %s, wrapped = %s WHERE key_id = %s").format(table),
                [key.master_key_id, key.wrapped, key.key_id],
            )
    return len(rows)


def have_signing_key_followed(connection: psycopg.Connection[Any]) -> None:
    """Auth, which looks at its start, makes the next key for tokens; it signs once everybody can have heard of it."""
    connection.execute(_FOLLOWED)

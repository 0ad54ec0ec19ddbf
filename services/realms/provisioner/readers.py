"""Logins of people who read a data backend: every table of its owner, made and to be made, and nothing else."""

from typing import Any, Final

from psycopg import sql

from services.realms.provisioner.cluster import BACKEND_LOGIN, SETTINGS, ensure_role
from shared.database import Connection

SESSIONS_OF_READER: Final = 4
READS_ONLY: Final = {**SETTINGS, "default_transaction_read_only": "on"}
"""For comfort, as the others: what holds is that the login has no right to anything but SELECT."""


async def ensure_reader(connection: Connection, login: str, *, schema: str, database: str) -> None:
    """A login into that database alone; what it may read there is `let_read`'s."""
    await ensure_role(connection, login)
    await _run(connection, f"ALTER ROLE {{}} CONNECTION LIMIT {SESSIONS_OF_READER}", login)
    for group in (database, BACKEND_LOGIN):
        await _run(connection, "GRANT {} TO {} WITH INHERIT FALSE, SET FALSE, ADMIN FALSE", group, login)
    await _run(connection, "ALTER ROLE {} RESET ALL", login)  # whatever its holder has set meanwhile
    await _run(connection, "ALTER ROLE {} SET search_path = {}", login, schema)
    for name, value in READS_ONLY.items():
        await connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(sql.Identifier(login), sql.SQL(name), sql.Literal(value))
        )
    await _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", database, login)


async def let_read(inside: Connection, login: str, *, schema: str, owner: str) -> None:
    """Let `login` read what `owner` has in `schema`, now and later; `inside` is in the backend's database."""
    await _run(inside, "GRANT USAGE ON SCHEMA {} TO {}", schema, login)
    async with inside.transaction():
        # Only the owner can give what is theirs; we are a member for as long as that takes.
        await _run(inside, "GRANT {} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE, ADMIN FALSE", owner)
        await _run(inside, "SET LOCAL ROLE {}", owner)
        await _run(inside, "GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}", schema, login)
        await _run(inside, "ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}", schema, login)
        await inside.execute("RESET ROLE")
        await _run(inside, "REVOKE {} FROM CURRENT_USER GRANTED BY CURRENT_USER", owner)


async def open_reader(connection: Connection, login: str) -> None:
    """It can be logged in with."""
    await _run(connection, "ALTER ROLE {} LOGIN", login)


async def _run(connection: Connection, statement: str, *names: str) -> None:
    quoted: list[Any] = [sql.Identifier(name) for name in names]
    await connection.execute(sql.SQL(statement).format(*quoted))

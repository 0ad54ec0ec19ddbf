"""Logins of people who read data backends by SQL."""

from shared.database import Connection


async def reader_ensure(connection: Connection, backend_key: int, account_key: int, login_name: str) -> str:
    """The person's login at the backend: the one that they have, or from now on `login_name`."""
    cursor = await connection.execute(
        "INSERT INTO realms.reader (backend_key, account_key, login_name) VALUES (%s, %s, %s)"
        " ON CONFLICT (backend_key, account_key) DO NOTHING RETURNING login_name",
        [backend_key, account_key, login_name],
    )
    made = await cursor.fetchone()
    return str(made[0]) if made is not None else await _login_name(connection, backend_key, account_key)


async def reader_find(connection: Connection, backend_key: int, account_key: int) -> str | None:
    """The person's login at the backend, if they have one."""
    cursor = await connection.execute(
        "SELECT login_name FROM realms.reader WHERE backend_key = %s AND account_key = %s", [backend_key, account_key]
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def reader_list(connection: Connection, backend_key: int) -> list[str]:
    """Every such login at the backend."""
    cursor = await connection.execute("SELECT login_name FROM realms.reader WHERE backend_key = %s", [backend_key])
    return [str(row[0]) for row in await cursor.fetchall()]


async def _login_name(connection: Connection, backend_key: int, account_key: int) -> str:
    found = await reader_find(connection, backend_key, account_key)
    if found is None:
        raise LookupError("a reader that was there is gone")
    return found

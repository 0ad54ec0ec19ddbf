"""The SQL of logins, in fleetdb's own schema."""

from psycopg.rows import class_row

from services.fleetdb.records.logins import Login
from shared.database import Connection


async def login_find(connection: Connection, backend_key: int, epoch: int) -> Login | None:
    """The login of this epoch, its private key sealed."""
    async with connection.cursor(row_factory=class_row(Login)) as cursor:
        await cursor.execute(
            "SELECT backend_key, epoch, private_key, certificate, starts_at, ends_at FROM fleetdb.backend_login"
            " WHERE backend_key = %s AND epoch = %s",
            [backend_key, epoch],
        )
        return await cursor.fetchone()


async def login_upsert(connection: Connection, login: Login) -> None:
    """Keep `login`, its private key sealed, instead of the one of the same epoch."""
    await connection.execute(
        "INSERT INTO fleetdb.backend_login (backend_key, epoch, private_key, certificate, starts_at, ends_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (backend_key, epoch) DO UPDATE SET"
        " private_key = excluded.private_key, certificate = excluded.certificate,"
        " starts_at = excluded.starts_at, ends_at = excluded.ends_at",
        [login.backend_key, login.epoch, login.private_key, login.certificate, login.starts_at, login.ends_at],
    )


async def login_delete_before(connection: Connection, backend_key: int, epoch: int) -> None:
    """Forget the logins before `epoch`."""
    await connection.execute(
        "DELETE FROM fleetdb.backend_login WHERE backend_key = %s AND epoch < %s", [backend_key, epoch]
    )


async def login_delete(connection: Connection, backend_key: int) -> None:
    """Forget every login of the backend."""
    await connection.execute("DELETE FROM fleetdb.backend_login WHERE backend_key = %s", [backend_key])

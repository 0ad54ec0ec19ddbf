"""The SQL of the counters that slow guessing down."""

from psycopg.rows import class_row

from services.auth.records.throttling import Counter
from shared.database import Connection


async def throttle_lock_in_txn(connection: Connection, subject: bytes) -> Counter | None:
    """The counter of `subject`; whoever else wants it waits for this transaction, whether or not there is one yet."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(encode(%s, 'hex'), 0))", [subject])
    async with connection.cursor(row_factory=class_row(Counter)) as cursor:
        await cursor.execute(
            "SELECT failures, extract(epoch FROM now() - last_failed_at)::float8 AS quiet_s,"
            " greatest(0, extract(epoch FROM blocked_until - now()))::float8 AS blocked_s"
            " FROM auth.throttle WHERE subject = %s",
            [subject],
        )
        return await cursor.fetchone()


async def throttle_set(connection: Connection, subject: bytes, *, failures: int, blocked_s: float) -> None:
    """So many failures by now, and nothing more for `blocked_s` seconds."""
    await connection.execute(
        "INSERT INTO auth.throttle (subject, failures, last_failed_at, blocked_until)"
        " VALUES (%s, %s, now(), now() + make_interval(secs => %s)) ON CONFLICT (subject) DO UPDATE"
        " SET failures = excluded.failures, last_failed_at = now(), blocked_until = excluded.blocked_until",
        [subject, failures, blocked_s],
    )


async def throttle_clear(connection: Connection, subject: bytes) -> None:
    """It was the right one."""
    await connection.execute("DELETE FROM auth.throttle WHERE subject = %s", [subject])


async def throttle_sweep(connection: Connection, quiet_s: float) -> None:
    """Forget whatever has been quiet for so long."""
    await connection.execute(
        "DELETE FROM auth.throttle WHERE last_failed_at < now() - make_interval(secs => %s)", [quiet_s]
    )

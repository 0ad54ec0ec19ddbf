"""The SQL of messages that wait for their delivery."""

from uuid import UUID

from psycopg.rows import class_row

from services.auth.records.messages import GIVEN_UP_AFTER_S, WaitingMessage
from shared.database import Connection


async def message_insert(connection: Connection, message_id: UUID, account_key: int, sealed: bytes) -> None:
    """A message that is to be delivered now."""
    await connection.execute(
        "INSERT INTO auth.message (message_id, account_key, sealed) VALUES (%s, %s, %s)",
        [message_id, account_key, sealed],
    )


async def message_lock_due_in_txn(connection: Connection) -> WaitingMessage | None:
    """The message that has waited longest, its row locked; another process takes another one."""
    async with connection.cursor(row_factory=class_row(WaitingMessage)) as cursor:
        await cursor.execute(
            "SELECT message_id, sealed, attempts FROM auth.message WHERE next_attempt_at <= now()"
            " ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        return await cursor.fetchone()


async def message_postpone(connection: Connection, message_id: UUID, *, pause_s: float, failure: str) -> None:
    """It was not delivered; try again after `pause_s` seconds."""
    await connection.execute(
        "UPDATE auth.message SET attempts = attempts + 1, failure = %s,"
        " next_attempt_at = now() + make_interval(secs => %s) WHERE message_id = %s",
        [failure, pause_s, message_id],
    )


async def message_delete(connection: Connection, message_id: UUID) -> None:
    """It was delivered."""
    await connection.execute("DELETE FROM auth.message WHERE message_id = %s", [message_id])


async def message_give_up(connection: Connection) -> int:
    """Delete what could not be delivered for days; how many messages those were."""
    cursor = await connection.execute(
        "DELETE FROM auth.message WHERE created_at < now() - make_interval(secs => %s) RETURNING message_id",
        [GIVEN_UP_AFTER_S],
    )
    return len(await cursor.fetchall())


async def message_delete_all(connection: Connection, account_key: int) -> None:
    """Nothing is sent to an erased person any more."""
    await connection.execute("DELETE FROM auth.message WHERE account_key = %s", [account_key])

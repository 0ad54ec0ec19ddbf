"""The SQL of the gateway: answers that are kept by their request's key."""

from uuid import UUID

from attrs import frozen

from services.gateway.records import Kept
from shared.database import Connection


@frozen
class Place:
    """Where an answer is kept: for one credential of one account, under the key that its request came with."""

    account_key: int
    credential: str
    key: str


async def answer_begin(
    connection: Connection, place: Place, *, fingerprint: bytes, attempt: UUID, life_s: float, lease_s: float
) -> bool:
    """Whether the place is ours now: it was free, past its life, or left by a process that did not come to its end."""
    cursor = await connection.execute(
        """
        INSERT INTO gateway.answer AS kept (account_key, credential, key, fingerprint, attempt)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (account_key, credential, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, attempt = excluded.attempt, begun_at = now(), status = NULL,
            content = NULL
        WHERE kept.begun_at < now() - make_interval(secs => %s)
           OR (kept.status IS NULL AND kept.fingerprint = excluded.fingerprint
               AND kept.begun_at < now() - make_interval(secs => %s))
        RETURNING true
        """,
        [place.account_key, place.credential, place.key, fingerprint, attempt, life_s, lease_s],
    )
    return await cursor.fetchone() is not None


async def answer_find(connection: Connection, place: Place) -> Kept | None:
    """What is known of the request that came first."""
    cursor = await connection.execute(
        "SELECT fingerprint, status, content FROM gateway.answer"
        " WHERE account_key = %s AND credential = %s AND key = %s",
        [place.account_key, place.credential, place.key],
    )
    row = await cursor.fetchone()
    return None if row is None else Kept(fingerprint=row[0], status=row[1], content=row[2])


async def answer_count(connection: Connection, place: Place, *, limit: int) -> int:
    """How many answers the credential has kept, counted to `limit`."""
    cursor = await connection.execute(
        "SELECT count(*) FROM (SELECT FROM gateway.answer WHERE account_key = %s AND credential = %s LIMIT %s) AS kept",
        [place.account_key, place.credential, limit],
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def answer_finish(
    connection: Connection, place: Place, *, attempt: UUID, status: int, content: bytes | None
) -> None:
    """Keep the answer, if the place is still that attempt's."""
    await connection.execute(
        """
        UPDATE gateway.answer SET status = %s, content = %s
        WHERE account_key = %s AND credential = %s AND key = %s AND attempt = %s
        """,
        [status, content, place.account_key, place.credential, place.key, attempt],
    )


async def answer_forget(connection: Connection, place: Place, *, attempt: UUID) -> None:
    """Free the place, if it is still that attempt's."""
    await connection.execute(
        "DELETE FROM gateway.answer WHERE account_key = %s AND credential = %s AND key = %s AND attempt = %s",
        [place.account_key, place.credential, place.key, attempt],
    )


async def answer_sweep(connection: Connection, *, life_s: float, limit: int) -> int:
    """Forget up to `limit` answers that are past their life, and say how many they were."""
    cursor = await connection.execute(
        """
        DELETE FROM gateway.answer WHERE (account_key, credential, key) IN (
            SELECT account_key, credential, key FROM gateway.answer
            WHERE begun_at < now() - make_interval(secs => %s) LIMIT %s FOR UPDATE SKIP LOCKED
        )
        """,
        [life_s, limit],
    )
    return cursor.rowcount

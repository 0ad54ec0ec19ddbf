"""The log's own tables: what is moved into it, its tiles, its heads. Writing goes through functions alone."""

from typing import Final

from psycopg.rows import class_row

from services.audit.records import Batch, Head, Row
from shared.database import Connection
from shared.tlog.layout import Tile

FIELDS: Final = (
    "id, recorded_at, service, action, aspect, actor, asset, project, before, after, reason, source, outcome"
)


async def is_waiting(connection: Connection) -> bool:
    """Whether the queue holds anything."""
    cursor = await connection.execute("SELECT EXISTS (SELECT FROM audit.queue)")
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def pending(connection: Connection, most: int) -> list[Row]:
    """At most `most` entries of the queue, and the sole right to integrate until the transaction ends.

    None where another integrator has that right.
    """
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(f"SELECT {FIELDS} FROM audit.pending(%s)", [most])  # noqa: S608 - our own words
        return await cursor.fetchall()


async def size(connection: Connection) -> int:
    """How many leaves there are."""
    cursor = await connection.execute("SELECT coalesce(max(leaf_index) + 1, 0) FROM audit.leaf")
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def integrate(connection: Connection, batch: Batch) -> None:
    """Move `batch` from the queue into the log.

    Raises:
        psycopg.errors.IntegrityConstraintViolation: Log, queue or tiles are not what the batch was made from.
    """
    growths = batch.growths
    await connection.execute(
        "SELECT audit.integrate(%s, %s::bigint[], %s::bytea[], %s::bytea[], %s::smallint[], %s::bigint[],"
        " %s::integer[], %s::bytea[])",
        [
            batch.size,
            batch.ids,
            batch.salts,
            batch.commitments,
            [growth.level for growth in growths],
            [growth.index for growth in growths],
            [growth.width for growth in growths],
            [growth.addition for growth in growths],
        ],
    )


async def publish(connection: Connection, *, size: int, root: bytes, note: str) -> int:
    """Publish a head and return its number.

    Raises:
        psycopg.errors.IntegrityConstraintViolation: A larger one is published, or another one of this size.
    """
    cursor = await connection.execute("SELECT audit.publish(%s, %s, %s)", [size, root, note])
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def cosign(connection: Connection, *, checkpoint: int, line: str) -> None:
    """Keep a witness's signature line with the head `checkpoint`."""
    await connection.execute("SELECT audit.cosign(%s, %s)", [checkpoint, line])


async def head(connection: Connection) -> Head | None:
    """The newest head, with all its signatures."""
    async with connection.cursor(row_factory=class_row(Head)) as cursor:
        await cursor.execute(
            "SELECT number, size, root, published_at, note || coalesce((SELECT string_agg(line, '' ORDER BY line)"
            " FROM audit.cosignature WHERE checkpoint = number), '') AS note"
            " FROM audit.checkpoint ORDER BY number DESC LIMIT 1"
        )
        return await cursor.fetchone()


async def tile(connection: Connection, level: int, index: int) -> bytes | None:
    """The octets of a tile, as far as it has grown."""
    cursor = await connection.execute("SELECT hashes FROM audit.tile WHERE level = %s AND index = %s", [level, index])
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])


async def tiles(connection: Connection, wanted: list[Tile]) -> dict[tuple[int, int], bytes]:
    """The octets of some tiles, by level and index."""
    cursor = await connection.execute(
        "SELECT level, index, hashes FROM audit.tile WHERE (level, index) IN"
        " (SELECT * FROM unnest(%s::smallint[], %s::bigint[]))",
        [[tile.level for tile in wanted], [tile.index for tile in wanted]],
    )
    return {(row[0], row[1]): bytes(row[2]) for row in await cursor.fetchall()}


async def commitments(connection: Connection, start: int, end: int) -> list[bytes]:
    """The leaf data `[start, end)`, up to the first that is not there."""
    cursor = await connection.execute(
        "SELECT leaf_index, commitment FROM audit.leaf WHERE leaf_index >= %s AND leaf_index < %s ORDER BY leaf_index",
        [start, end],
    )
    rows = await cursor.fetchall()
    return [bytes(row[1]) for at, row in enumerate(rows) if row[0] == start + at]

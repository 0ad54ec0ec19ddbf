"""The SQL of terminals on devices."""

from uuid import UUID

from attrs import frozen
from psycopg.rows import class_row

from shared.database import Connection


@frozen
class OpenTerminals:
    """How many are open."""

    of_person: int
    of_device: int


@frozen
class LeftTerminal:
    """One that is over, and whose shell may not be."""

    terminal_id: UUID
    account_key: int
    device_key: int
    serial_number: UUID


async def terminal_count(connection: Connection, account_key: int, device_key: int) -> OpenTerminals:
    """Those of the person, on all devices, and those on the device, of all people."""
    cursor = await connection.execute(
        "SELECT count(*) FILTER (WHERE account_key = %s), count(*) FILTER (WHERE device_key = %s) FROM devices.terminal"
        " WHERE alive_until >= clock_timestamp() AND (account_key = %s OR device_key = %s)",
        [account_key, device_key, account_key, device_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("a count returned no row")
    return OpenTerminals(int(row[0]), int(row[1]))


async def terminal_take_over(connection: Connection, account_key: int, device_key: int) -> bool:
    """Whether a terminal of the person on the device has left its shell behind, which is now for who asks."""
    cursor = await connection.execute(
        "DELETE FROM devices.terminal WHERE account_key = %s AND device_key = %s AND alive_until < clock_timestamp()"
        " RETURNING terminal_id",
        [account_key, device_key],
    )
    return await cursor.fetchone() is not None


async def terminal_take_left(
    connection: Connection, process: UUID, *, left_for_s: float, for_s: float, limit: int
) -> list[LeftTerminal]:
    """At most `limit` that nobody has had for so long, on devices that are there; at `process` for `for_s` seconds."""
    async with connection.cursor(row_factory=class_row(LeftTerminal)) as cursor:
        await cursor.execute(
            "UPDATE devices.terminal t SET process = %s, alive_until = clock_timestamp() + make_interval(secs => %s)"
            " FROM (SELECT x.terminal_id, d.serial_number FROM devices.terminal x JOIN devices.device d"
            " USING (device_key) WHERE x.alive_until < clock_timestamp() - make_interval(secs => %s)"
            " AND d.status <> 'DISCONNECTED' ORDER BY x.alive_until LIMIT %s FOR UPDATE OF x SKIP LOCKED) left_one"
            " WHERE t.terminal_id = left_one.terminal_id"
            " RETURNING t.terminal_id, t.account_key, t.device_key, left_one.serial_number",
            [process, for_s, left_for_s, limit],
        )
        return await cursor.fetchall()


async def terminal_insert(
    connection: Connection, terminal: UUID, account_key: int, device_key: int, process: UUID, *, for_s: float
) -> bool:
    """It is open at `process`, which lives for `for_s` seconds; false where the person has one on the device."""
    cursor = await connection.execute(
        "INSERT INTO devices.terminal (terminal_id, account_key, device_key, process, alive_until)"
        " VALUES (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))"
        " ON CONFLICT (account_key, device_key) DO NOTHING RETURNING terminal_id",
        [terminal, account_key, device_key, process, for_s],
    )
    return await cursor.fetchone() is not None


async def terminal_extend(connection: Connection, terminal: UUID, *, for_s: float) -> None:
    """Its process lives."""
    await connection.execute(
        "UPDATE devices.terminal SET alive_until = clock_timestamp() + make_interval(secs => %s)"
        " WHERE terminal_id = %s",
        [for_s, terminal],
    )


async def terminal_end(connection: Connection, terminal: UUID, *, has_left_shell: bool) -> None:
    """It is over; where its shell is not, the next who opens one there ends it first."""
    if has_left_shell:
        await connection.execute(
            "UPDATE devices.terminal SET alive_until = clock_timestamp() - interval '1 s' WHERE terminal_id = %s",
            [terminal],
        )
    else:
        await connection.execute("DELETE FROM devices.terminal WHERE terminal_id = %s", [terminal])


async def terminal_process(connection: Connection, terminal: UUID, account_key: int) -> UUID | None:
    """At which process the person's terminal is; None where it is over, or another's."""
    cursor = await connection.execute(
        "SELECT process FROM devices.terminal WHERE terminal_id = %s AND account_key = %s"
        " AND alive_until >= clock_timestamp()",
        [terminal, account_key],
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]

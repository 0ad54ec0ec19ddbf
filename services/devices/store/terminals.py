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
class NewTerminal:
    """One that is opened: on the machine where `container` is empty; `agent_session` is of one that was left there."""

    terminal_id: UUID
    account_key: int
    device_key: int
    container: str
    agent_session: str


@frozen
class LeftTerminal:
    """One that is over, and whose shell may not be."""

    terminal_id: UUID
    account_key: int
    device_key: int
    container: str
    agent_session: str
    serial_number: UUID
    project_key: int


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


async def terminal_take_over(connection: Connection, account_key: int, device_key: int, container: str) -> str | None:
    """The agent's name of a shell that the person has left there, now for who asks; None where there is none."""
    cursor = await connection.execute(
        "DELETE FROM devices.terminal WHERE account_key = %s AND device_key = %s AND container = %s"
        " AND alive_until < clock_timestamp() RETURNING agent_session",
        [account_key, device_key, container],
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def terminal_name(connection: Connection, terminal: UUID, agent_session: str) -> None:
    """What the agent calls its shell."""
    await connection.execute(
        "UPDATE devices.terminal SET agent_session = %s WHERE terminal_id = %s", [agent_session, terminal]
    )


async def terminal_take_left(
    connection: Connection, process: UUID, *, left_for_s: float, for_s: float, limit: int
) -> list[LeftTerminal]:
    """At most `limit` that nobody has had for so long, on devices that are there; at `process` for `for_s` seconds."""
    async with connection.cursor(row_factory=class_row(LeftTerminal)) as cursor:
        await cursor.execute(
            "UPDATE devices.terminal t SET process = %s, alive_until = clock_timestamp() + make_interval(secs => %s)"
            " FROM (SELECT x.terminal_id, d.serial_number, d.project_key FROM devices.terminal x JOIN devices.device d"
            " USING (device_key) WHERE x.alive_until < clock_timestamp() - make_interval(secs => %s)"
            " AND d.status <> 'DISCONNECTED' ORDER BY x.alive_until LIMIT %s FOR UPDATE OF x SKIP LOCKED) left_one"
            " WHERE t.terminal_id = left_one.terminal_id"
            " RETURNING t.terminal_id, t.account_key, t.device_key, t.container, t.agent_session,"
            " left_one.serial_number, left_one.project_key",
            [process, for_s, left_for_s, limit],
        )
        return await cursor.fetchall()


async def terminal_forget_gone(connection: Connection) -> int:
    """Forget those that are over and whose device is out of the registry: no shell of theirs can be ended any more."""
    cursor = await connection.execute(
        "DELETE FROM devices.terminal t WHERE t.alive_until < clock_timestamp()"
        " AND NOT EXISTS (SELECT FROM devices.device d WHERE d.device_key = t.device_key)"
    )
    return cursor.rowcount


async def terminal_insert(connection: Connection, new: NewTerminal, process: UUID, *, for_s: float) -> bool:
    """It is open at `process`, which lives for `for_s` seconds; false where the person has one there."""
    cursor = await connection.execute(
        "INSERT INTO devices.terminal"
        " (terminal_id, account_key, device_key, container, agent_session, process, alive_until)"
        " VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))"
        " ON CONFLICT (account_key, device_key, container) DO NOTHING RETURNING terminal_id",
        [new.terminal_id, new.account_key, new.device_key, new.container, new.agent_session, process, for_s],
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

"""Clusters, and how many projects each has."""

from typing import Any, Final

from psycopg.rows import kwargs_row

from services.realms.records.clusters import Cluster, ClusterState
from shared.database import Connection

_CLUSTER: Final = (
    "SELECT c.cluster_key, c.name, c.region, c.state, c.capacity, c.host, c.port, c.reached_at,"
    " (SELECT count(*) FROM realms.project p WHERE p.cluster_key = c.cluster_key) AS projects FROM realms.cluster c"
)


def _cluster(**row: Any) -> Cluster:
    return Cluster(**{**row, "state": ClusterState(row["state"])})


async def cluster_insert(connection: Connection, name: str, region: str, capacity: int) -> None:
    """A new one, which is open.

    Raises:
        psycopg.errors.UniqueViolation: There is one of that name.
    """
    await connection.execute(
        "INSERT INTO realms.cluster (name, region, capacity) VALUES (%s, %s, %s)", [name, region, capacity]
    )


async def cluster_list(connection: Connection) -> list[Cluster]:
    """All but those that were forgotten, in the order in which they were added."""
    async with connection.cursor(row_factory=kwargs_row(_cluster)) as cursor:
        await cursor.execute(f"{_CLUSTER} WHERE c.forgotten_at IS NULL ORDER BY c.cluster_key".encode())
        return await cursor.fetchall()


async def cluster_lock_in_txn(connection: Connection) -> None:
    """Nobody else places a project, or changes a cluster, until the transaction ends."""
    await connection.execute("SELECT FROM realms.cluster ORDER BY cluster_key FOR NO KEY UPDATE")


async def cluster_find(connection: Connection, name: str) -> Cluster | None:
    """The one of that name, unless it was forgotten."""
    async with connection.cursor(row_factory=kwargs_row(_cluster)) as cursor:
        await cursor.execute(f"{_CLUSTER} WHERE c.forgotten_at IS NULL AND c.name = %s".encode(), [name])
        return await cursor.fetchone()


async def cluster_update(connection: Connection, cluster: Cluster, account_key: int) -> None:
    """Its state and capacity are these; where it begins to be emptied by this, by that person's will."""
    await connection.execute(
        "UPDATE realms.cluster SET drained_by = CASE WHEN %(state)s = 'draining' AND state <> 'draining'"
        " THEN %(account)s ELSE drained_by END,"
        " state = %(state)s, capacity = %(capacity)s WHERE cluster_key = %(cluster)s",
        {
            "state": cluster.state.value,
            "capacity": cluster.capacity,
            "account": account_key,
            "cluster": cluster.cluster_key,
        },
    )


async def cluster_set_forgotten(connection: Connection, cluster_key: int, heir_key: int) -> None:
    """It is known no more; new data of its projects come to the other one. Who makes some is waited for."""
    await connection.execute(
        "UPDATE realms.project SET cluster_key = %s WHERE cluster_key = %s", [heir_key, cluster_key]
    )
    await connection.execute(
        "UPDATE realms.cluster SET forgotten_at = clock_timestamp() WHERE cluster_key = %s", [cluster_key]
    )


async def cluster_drained_by(connection: Connection, cluster_key: int) -> int:
    """The account of whoever has it emptied."""
    cursor = await connection.execute("SELECT drained_by FROM realms.cluster WHERE cluster_key = %s", [cluster_key])
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        raise LookupError("nobody has it emptied")
    return int(row[0])


async def cluster_set_reached(connection: Connection, cluster_key: int, host: str, port: int) -> None:
    """The provisioner is at work there."""
    await connection.execute(
        "UPDATE realms.cluster SET host = %s, port = %s, reached_at = clock_timestamp() WHERE cluster_key = %s",
        [host, port, cluster_key],
    )


async def cluster_set_hypertables(connection: Connection, cluster_key: int, *, are_kept: bool) -> None:
    """Whether tables there are TimescaleDB's."""
    await connection.execute(
        "UPDATE realms.cluster SET keeps_hypertables = %s"
        " WHERE cluster_key = %s AND keeps_hypertables IS DISTINCT FROM %s",
        [are_kept, cluster_key, are_kept],
    )


async def cluster_list_with_hypertables(connection: Connection) -> set[int]:
    """The keys of those whose tables are TimescaleDB's."""
    cursor = await connection.execute("SELECT cluster_key FROM realms.cluster WHERE keeps_hypertables")
    return {int(row[0]) for row in await cursor.fetchall()}


async def database_unlooked(connection: Connection, cluster_key: int) -> str | None:
    """A project's database on a cluster of which nobody has noted yet whether its tables are TimescaleDB's."""
    cursor = await connection.execute(
        "SELECT d.database_name FROM realms.cluster c JOIN realms.backend b USING (cluster_key)"
        " JOIN realms.project_database d USING (project_key) WHERE c.cluster_key = %s AND c.keeps_hypertables IS NULL"
        " AND b.state = 'ready' LIMIT 1",
        [cluster_key],
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def cluster_list_reached(connection: Connection, within_s: float) -> set[int]:
    """The keys of those that the provisioner was at work on within the last `within_s` seconds."""
    cursor = await connection.execute(
        "SELECT cluster_key FROM realms.cluster WHERE reached_at > clock_timestamp() - make_interval(secs => %s)",
        [within_s],
    )
    return {int(row[0]) for row in await cursor.fetchall()}


async def cluster_key_of(connection: Connection, name: str) -> int | None:
    """The key of the cluster of that name; None where nobody has added it, or it was forgotten."""
    cursor = await connection.execute(
        "SELECT cluster_key FROM realms.cluster WHERE name = %s AND forgotten_at IS NULL", [name]
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])

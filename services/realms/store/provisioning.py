"""What the provisioner is to do, and what it has done."""

from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row, kwargs_row

from services.realms.records.backends import AWAITED, Certified, Job, JobKind
from shared.database import Connection

_JOB: Final = "job_key, kind, backend_key, account_key, epoch, public_key, is_begun, attempts, cluster_key"


_THERE: Final = (
    "coalesce({0}.cluster_key, (SELECT b.cluster_key FROM realms.backend b WHERE b.backend_key = {0}.backend_key))"
    " = %(cluster)s"
)
"""A job is done on the cluster that it says, or on its backend's."""


def _job(**row: Any) -> Job:
    return Job(**{**row, "kind": JobKind(row["kind"])})


async def job_insert(
    connection: Connection,
    kind: JobKind,
    backend_key: int,
    *,
    account_key: int | None = None,
    epoch: int | None = None,
    public_key: str | None = None,
    cluster_key: int | None = None,
) -> int:
    """Something is to be done, for that person, on that cluster or the backend's; returns the job's key."""
    cursor = await connection.execute(
        "INSERT INTO realms.provision_job (kind, backend_key, account_key, epoch, public_key, cluster_key)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING job_key",
        [kind.value, backend_key, account_key, epoch, public_key, cluster_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def job_find_certified(connection: Connection, job_key: int) -> Certified | None:
    """How the job ended, if it has."""
    async with connection.cursor(row_factory=class_row(Certified)) as cursor:
        await cursor.execute(
            "SELECT certificate, ends_at, error FROM realms.provision_job WHERE job_key = %s AND done_at IS NOT NULL",
            [job_key],
        )
        return await cursor.fetchone()


async def job_delete(connection: Connection, job_key: int) -> None:
    """Nobody waits for it any more."""
    await connection.execute("DELETE FROM realms.provision_job WHERE job_key = %s", [job_key])


async def job_list_due(connection: Connection, cluster_key: int, limit: int) -> list[Job]:
    """At most `limit` jobs on that cluster that are due, of each backend the oldest there.

    One that is to be done on another cluster keeps none waiting: that may be away for ever. Those come first that
    somebody waits for.
    """
    async with connection.cursor(row_factory=kwargs_row(_job)) as cursor:
        await cursor.execute(
            f"SELECT {_JOB} FROM realms.provision_job j WHERE done_at IS NULL AND due_at <= clock_timestamp()"  # noqa: S608
            f" AND {_THERE.format('j')} AND NOT EXISTS (SELECT FROM realms.provision_job e WHERE e.done_at IS NULL"
            f" AND e.backend_key = j.backend_key AND e.job_key < j.job_key AND {_THERE.format('e')})"
            " ORDER BY kind <> ALL (%(awaited)s), job_key LIMIT %(limit)s",
            {"cluster": cluster_key, "awaited": [kind.value for kind in AWAITED], "limit": limit},
        )
        return await cursor.fetchall()


async def job_delete_unbegun(connection: Connection, kind: JobKind, backend_key: int, cluster_key: int) -> bool:
    """Nothing of that kind is to be done on that cluster any more; False where it was begun, or is done."""
    cursor = await connection.execute(
        "DELETE FROM realms.provision_job WHERE kind = %s AND backend_key = %s AND cluster_key = %s"
        " AND NOT is_begun AND done_at IS NULL RETURNING job_key",
        [kind.value, backend_key, cluster_key],
    )
    return await cursor.fetchone() is not None


async def job_delete_on(connection: Connection, cluster_key: int) -> None:
    """Nothing is to be done on that cluster any more."""
    await connection.execute(
        f"DELETE FROM realms.provision_job j WHERE done_at IS NULL AND {_THERE.format('j')}",  # noqa: S608
        {"cluster": cluster_key},
    )


async def job_set_begun(connection: Connection, job_key: int) -> bool:
    """It is being done, and its intent is recorded; False where it was taken back."""
    cursor = await connection.execute(
        "UPDATE realms.provision_job SET is_begun = true WHERE job_key = %s RETURNING job_key", [job_key]
    )
    return await cursor.fetchone() is not None


async def job_set_done(connection: Connection, job_key: int, error: str | None = None) -> None:
    """It was done, or will never be, for the reason `error`."""
    await connection.execute(
        "UPDATE realms.provision_job SET done_at = clock_timestamp(), error = %s WHERE job_key = %s", [error, job_key]
    )


async def job_set_certified(connection: Connection, job_key: int, certificate: str, ends_at: datetime) -> None:
    """It was done: that is the certificate."""
    await connection.execute(
        "UPDATE realms.provision_job SET done_at = clock_timestamp(), certificate = %s, ends_at = %s"
        " WHERE job_key = %s",
        [certificate, ends_at, job_key],
    )


async def job_postpone(connection: Connection, job_key: int, *, most_s: float) -> None:
    """It failed: try again later, each time twice as late, `most_s` seconds at most."""
    await connection.execute(
        "UPDATE realms.provision_job SET attempts = attempts + 1, due_at = clock_timestamp()"
        " + make_interval(secs => least(%s, 0.5 * 2 ^ least(attempts, 20))) WHERE job_key = %s",
        [most_s, job_key],
    )


async def job_delete_done(connection: Connection, older_than_s: float) -> None:
    """Forget what was done long ago."""
    await connection.execute(
        "DELETE FROM realms.provision_job WHERE done_at < clock_timestamp() - make_interval(secs => %s)",
        [older_than_s],
    )


async def provisioner_set_alive(connection: Connection) -> None:
    """The provisioner is at work."""
    await connection.execute(
        "INSERT INTO realms.provisioner (alive_at) VALUES (clock_timestamp())"
        " ON CONFLICT (is_one) DO UPDATE SET alive_at = excluded.alive_at"
    )


async def provisioner_is_alive(connection: Connection, within_s: float) -> bool:
    """Whether it was at work within the last `within_s` seconds."""
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM realms.provisioner WHERE alive_at > clock_timestamp() - make_interval(secs => %s))",
        [within_s],
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def hint(connection: Connection) -> None:
    """Wake the provisioner, which looks by itself every other second."""
    await connection.execute("NOTIFY provision")

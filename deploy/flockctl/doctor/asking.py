"""What the database tells of itself, of the schemas and of the audit log, asked over verified TLS.

On one machine the superuser asks, in a cluster a login that reads these columns and nothing else (`DOCTOR`).
"""

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen

from deploy.backup.reviving import RESTORED
from deploy.flockctl.doctor.records import Cell, Clock, ClusterSeen, Database, KeptRows, Log, Outbox, SchemaVersion
from deploy.local.bootstrap import SCHEMAS, Server, connect
from deploy.local.fitting import misfits
from deploy.local.processes import DATABASE_NAME
from deploy.local.state import REPOSITORY, StateFolder
from shared.migrations import MigrationError, load
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.note import SignedNote


@frozen
class Asked:
    """What the database told, or nothing of it and why."""

    database: Database | None = None
    log: Log | None = None
    clock: Clock | None = None
    cells: tuple[Cell, ...] = ()
    problem: str = ""


PROGRAM_TIMEOUT_S: Final = 10
# What each service has still to tell another, and since when it has to.
OUTBOXES: Final[Mapping[str, str]] = {
    "devices.outbox": "SELECT count(*), extract(epoch FROM now() - min(due_at)) FROM devices.outbox",
    "devices.app_ending": "SELECT count(*), extract(epoch FROM now() - min(due_at)) FROM devices.app_ending",
    "realms.provision_job": "SELECT count(*), extract(epoch FROM now() - min(asked_at)) FROM realms.provision_job"
    " WHERE done_at IS NULL AND due_at < now() + interval '1 minute'",  # else it is to wait
    "auth.message": "SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM auth.message",
    "auth.logout_notice": "SELECT count(*), extract(epoch FROM now() - min(next_attempt_at)) FROM auth.logout_notice",
}
_SERVER: Final = """
SELECT current_setting('server_version_num')::int,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::int, current_setting('ssl') = 'on',
    (SELECT coalesce(array_agg(rolname::text ORDER BY rolname), '{}') FROM pg_roles WHERE rolsuper AND rolcanlogin),
    (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
    (SELECT max(age(datfrozenxid)) FROM pg_database),
    (SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::bigint FROM pg_replication_slots),
    EXISTS (SELECT FROM pg_replication_slots WHERE wal_status = 'lost')
"""
_INTENTS: Final = """
SELECT count(*) FROM audit.entry i WHERE i.outcome = 'intended' AND i.recorded_at < now() - interval '1 hour'
    AND i.recorded_at > now() - interval '30 days' AND NOT EXISTS (SELECT FROM audit.entry o
        WHERE o.asset ->> 'kind' = i.asset ->> 'kind' AND o.asset ->> 'key' = i.asset ->> 'key'
        AND o.leaf_index > i.leaf_index AND o.outcome IN ('done', 'failed'))
"""
_LEGACY: Final = (
    "SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM realms.project"
    " WHERE legacy_mode <> 'strict' AND legacy_until > now()"
)
_PUBLIC: Final = (
    "SELECT count(*) FROM tunnels.tunnel"
    " WHERE public_since IS NOT NULL AND (public_until IS NULL OR public_until > now())"
)
_LOCKS: Final = "SELECT count(*) FROM privileges.lock WHERE reason = %s AND (ends_at IS NULL OR ends_at > now())"
KEPT_ROWS: Final = (
    "SELECT c.name, count(*), extract(epoch FROM min(j.due_at) - now())::float FROM realms.provision_job j"
    " JOIN realms.cluster c USING (cluster_key) WHERE j.kind = 'leave' AND j.done_at IS NULL"
    " AND j.due_at > now() + interval '1 minute' GROUP BY c.name ORDER BY c.name"
)
"""Written by services/realms/restoring/end.sql; what failed is tried again sooner."""
_CELLS: Final = (
    "SELECT c.name, c.endpoint, (SELECT count(*) FROM realms.project p WHERE p.cell_key = c.cell_key)"
    " FROM realms.cell c ORDER BY c.cell_key"
)
_CLUSTERS: Final = """
SELECT c.name, EXISTS (SELECT FROM realms.backend b WHERE b.cluster_key = c.cluster_key AND b.state <> 'dropped'),
    extract(epoch FROM clock_timestamp() - c.reached_at)::float
FROM realms.cluster c WHERE c.forgotten_at IS NULL ORDER BY c.cluster_key
"""
_LOG: Final = """
SELECT (SELECT size FROM audit.checkpoint ORDER BY number DESC LIMIT 1),
    (SELECT coalesce(extract(epoch FROM now() - min(recorded_at)), 0)::float FROM audit.queue),
    (SELECT extract(epoch FROM max(c.published_at))::float FROM audit.cosignature s JOIN audit.checkpoint c
        ON c.number = s.checkpoint)
"""


@frozen
class Beside:
    """What lies beside the database, and is held against it.

    Args:
        program_version: Of the PostgreSQL that would be started, as `server_version_num` counts; None: not known.
        servers: The names of the database servers whose places are known here.
        audit_head: The newest head of the log that was signed; `audit_keys` what heads are verified with.
        keys: The folder with the key files that open what is stored; None where they are not at hand.
    """

    program_version: int | None
    servers: tuple[str, ...]
    audit_head: Path
    audit_keys: Path
    keys: StateFolder | None


def ask_database(server: Server, beside: Beside) -> Asked:
    """The database, the log in it, its clock, and the cells that placement knows."""
    try:
        with connect(server, DATABASE_NAME) as connection:
            found = _database(connection, beside), _log(connection, beside), _clock(connection)
            return Asked(*found, _cells(connection))
    except psycopg.Error as error:
        return Asked(problem=str(error).strip() or type(error).__name__)


def _one(connection: psycopg.Connection[Any], query: str, *values: Any) -> tuple[Any, ...]:
    row = connection.execute(query.encode(), values or None).fetchone()
    if row is None:
        raise psycopg.DataError("a query of one row had none")
    return tuple(row)


def _database(connection: psycopg.Connection[Any], beside: Beside) -> Database:
    version, taken, most, is_tls_on, superusers, oldest, age, held, is_lost = _one(connection, _SERVER)
    return Database(
        version=version,
        program_version=beside.program_version,
        connections=taken,
        max_connections=most,
        is_tls_on=is_tls_on,
        superusers=tuple(superusers),
        oldest_transaction_s=oldest,
        transaction_age=age,
        held_wal_octets=held,
        is_wal_lost=is_lost,
        schemas=tuple(_schema(connection, name) for name in SCHEMAS),
        outboxes=tuple(_outbox(connection, table, query) for table, query in OUTBOXES.items()),
        open_intents=_one(connection, _INTENTS)[0],
        legacy_projects=tuple(_one(connection, _LEGACY)[0]),
        public_tunnels=_one(connection, _PUBLIC)[0],
        locks_of_a_restore=_one(connection, _LOCKS, RESTORED)[0],
        kept_rows=tuple(KeptRows(*row) for row in connection.execute(KEPT_ROWS.encode()).fetchall()),
        misfits=() if beside.keys is None else tuple(misfits(connection, beside.keys).values()),
        clusters=_clusters(connection, beside.servers),
    )


def _cells(connection: psycopg.Connection[Any]) -> tuple[Cell, ...]:
    return tuple(Cell(*row) for row in connection.execute(_CELLS.encode()).fetchall())


def _clusters(connection: psycopg.Connection[Any], known: tuple[str, ...]) -> tuple[ClusterSeen, ...]:
    rows = connection.execute(_CLUSTERS.encode()).fetchall()
    return tuple(ClusterSeen(name, name in known, has_data, ago) for name, has_data, ago in rows)


def program_version(state: StateFolder) -> int | None:
    """The version of the PostgreSQL that would be started, as its `server_version_num` counts; None: not found."""
    programs = sorted(state.postgres.glob("program-*/bin/postgres"))
    if not programs:
        return None
    environment = {"LD_LIBRARY_PATH": str(programs[-1].parents[1] / "lib"), "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            [str(programs[-1]), "--version"],
            env=environment, capture_output=True, timeout=PROGRAM_TIMEOUT_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)\.(\d+)", done.stdout.decode())
    return None if found is None else int(found[1]) * 10_000 + int(found[2])


def _schema(connection: psycopg.Connection[Any], name: str) -> SchemaVersion:
    rows = connection.execute(f"SELECT number, digest FROM {name}.migration".encode()).fetchall()  # noqa: S608 - ours
    ran = dict(rows)
    try:
        known = load(REPOSITORY / "services" / name / "migrations")
    except MigrationError as error:
        return SchemaVersion(name, len(ran), 0, (str(error),))
    changed = tuple(each.name for each in known if ran.get(each.number, each.digest) != each.digest)
    return SchemaVersion(name, len(ran), len(known), changed)


def _outbox(connection: psycopg.Connection[Any], table: str, query: str) -> Outbox:
    waiting, oldest = _one(connection, query)
    return Outbox(table, waiting, float(oldest or 0.0))


def _log(connection: psycopg.Connection[Any], beside: Beside) -> Log:
    in_file = _size_of(beside.audit_head)  # first: one that is signed meanwhile is no database that went back
    size, oldest, cosigned = _one(connection, _LOG)
    return Log(size, in_file, oldest, _witnesses(beside.audit_keys), cosigned)


def _size_of(head: Path) -> int | None:
    try:
        return Checkpoint.parse(SignedNote.parse(head.read_bytes()).text).size
    except (OSError, TlogError):
        return None


def _witnesses(keys: Path) -> int:
    """How many keys of witnesses stand among those of the log: keys of other names than the log's, the first."""
    try:
        names = [line.partition("+")[0] for line in keys.read_text(encoding="utf-8").split()]
    except OSError:
        return 0
    return sum(1 for name in names if name != names[0])


def _clock(connection: psycopg.Connection[Any]) -> Clock:
    asked = time.time()  # noqa: TID251 - measures another clock against this one
    there = float(_one(connection, "SELECT extract(epoch FROM clock_timestamp())")[0])
    answered = time.time()  # noqa: TID251 - as above
    return Clock("the database", there - (asked + answered) / 2, (answered - asked) / 2)

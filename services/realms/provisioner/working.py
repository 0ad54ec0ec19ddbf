"""The provisioner at work: jobs in order, in steps that may be done again, and an eye on sessions that last too long.

Names are committed before the first step of a job, its end after the last one. Whatever happens in between, the job is
due again, finds what is there, and makes what is missing.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import psycopg
import structlog
from attrs import frozen

from services.realms.provisioner import cluster, dropping, readers
from services.realms.provisioner.certificates import Authority, certificate_for
from services.realms.records.backends import AWAITED, BackendState, Job, JobKind, KnownBackend
from services.realms.records.moves import Phase
from services.realms.store import backends, moves
from services.realms.store import provisioning as store
from services.realms.store.clusters import cluster_set_hypertables, cluster_set_reached, database_unlooked
from services.realms.store.readers import reader_find, reader_list
from shared import audit, tracing
from shared.database import Connection
from shared.errors import InvalidArgumentError

BATCH: Final = 50
RETIRED_AFTER_S: Final = 60.0
LONGEST_TRANSACTION_S: Final = 60.0
KEPT_S: Final = 3_600.0
MOST_S: Final = 30.0
STALE: Final = "stale_epoch"
NOT_READY: Final = "not_ready"
SUPERSEDED: Final = "superseded"
"""What shall be is something else by now: a later job does that."""
GONE: Final = (BackendState.CLOSED, BackendState.DROPPED)
UNFIT: Final = "unfit_key"
log = structlog.get_logger()


@frozen
class Surroundings:
    """What it reaches: connections to a cluster's database of that name, the CA of the logins, and the clock.

    `host` and `port` are those of the cluster, which people are shown.
    """

    cluster_key: int
    host: str
    port: int
    connect: Callable[[str], Awaitable[Connection]]
    authority: Callable[[], Authority]
    now: Callable[[], dt.datetime]


class Provisioner:
    """Does the jobs of one cluster."""

    def __init__(self, around: Surroundings, connection: Connection, server: Connection | None = None) -> None:
        """Work by `connection` to the control database, and by `server` to the cluster where that is another server.

        Nobody else uses either; the one to the cluster has its turn already (`cluster.take_turn`).
        """
        self._around = around
        self._connection = connection
        self._server = server or connection

    async def work(self) -> int:
        """Do what is due, and look around; returns how many jobs were at hand.

        Of those that nobody waits for, one at a time: making a database takes its time, and whoever waits for a
        certificate meanwhile gives up after some seconds.

        Raises:
            psycopg.OperationalError: The control database or the cluster is away.
        """
        if self._server is self._connection:
            await store.provisioner_set_alive(self._connection)
        jobs = await store.job_list_due(self._connection, self._around.cluster_key, BATCH)
        for job in jobs:
            await self._do(job)
            if job.kind not in AWAITED:
                break
        due = await backends.backend_list_with_old_login(self._connection, self._around.cluster_key, RETIRED_AFTER_S)
        for backend in due:
            await self._retire_login(backend)
        return len(jobs)

    async def watch(self) -> None:
        """End what data backends may not have open, forget jobs that are long done, and note where this is."""
        around = self._around
        await cluster_set_reached(self._connection, around.cluster_key, around.host, around.port)
        await self._look_for_hypertables()
        ended = await cluster.end_long_transactions(self._server, LONGEST_TRANSACTION_S)
        if ended:
            log.warning("long_transactions_ended", number=ended)
        closed = await cluster.end_closed_sessions(self._server)
        if closed:
            log.warning("sessions_of_closed_logins_ended", number=closed)
        await store.job_delete_done(self._connection, KEPT_S)

    async def _look_for_hypertables(self) -> None:
        """Note once, by one of its databases, whether tables here are TimescaleDB's: moves are refused then."""
        database = await database_unlooked(self._connection, self._around.cluster_key)
        if database is not None:
            async with await self._around.connect(database) as inside:
                are_kept = await cluster.keeps_hypertables(inside)
            await cluster_set_hypertables(self._connection, self._around.cluster_key, are_kept=are_kept)

    async def _do(self, job: Job) -> None:
        backend = await backends.backend_find(self._connection, job.backend_key)
        if backend is None:
            raise LookupError("a job names a backend that is not there")
        try:
            with tracing.worked(f"provision {job.kind.value}"):
                if not await self._begin(job, backend):
                    return
                await self._perform(job, backend)
        except (psycopg.Error, OSError) as error:
            if self._connection.closed or self._server.closed:
                raise
            log.warning("job_failed", job=job.kind.value, backend=job.backend_key, exc_info=error)
            await store.job_postpone(self._connection, job.job_key, most_s=MOST_S)
        else:
            log.info("job_done", job=job.kind.value, backend=job.backend_key)

    async def _perform(self, job: Job, backend: KnownBackend) -> None:
        performing = {
            JobKind.MAKE: self._make,
            JobKind.CLOSE: self._close,
            JobKind.CERTIFY: self._certify,
            JobKind.ROTATE: self._rotate,
            JobKind.RETIRE: self._retire,
            JobKind.ADMIT: self._admit,
            JobKind.DROP: self._drop_backend,
            JobKind.PLACE: self._place,
            JobKind.LEAVE: self._leave,
        }
        await performing[job.kind](job, backend)

    async def _begin(self, job: Job, backend: KnownBackend) -> bool:
        """Record what is going to be done, once; False where nobody wants it any more."""
        if job.is_begun:
            return True
        async with self._connection.transaction():
            is_wanted = await store.job_set_begun(self._connection, job.job_key)
            if is_wanted:
                await _record(self._connection, job, backend, audit.Outcome.INTENDED)
        return is_wanted

    @asynccontextmanager
    async def _ending(self, job: Job, error: str | None = None) -> AsyncIterator[KnownBackend]:
        """One transaction with the job's end; the backend in it is as it is now, and stays so."""
        async with self._connection.transaction():
            backend = await backends.backend_lock_in_txn(self._connection, job.backend_key)
            if backend is None:
                raise LookupError("a job names a backend that is not there")
            yield backend
            await store.job_set_done(self._connection, job.job_key, error)
            outcome = audit.Outcome.DONE if error is None else audit.Outcome.FAILED
            await _record(self._connection, job, backend, outcome, error)

    async def _make(self, job: Job, backend: KnownBackend) -> None:
        if backend.state in GONE:  # the app was uninstalled meanwhile
            async with self._ending(job, SUPERSEDED):
                return
        await self._make_whole(backend)
        async with self._ending(job):
            await backends.backend_set_state(
                self._connection, backend.backend_key, BackendState.READY, unless=BackendState.CLOSED
            )

    async def _close(self, job: Job, backend: KnownBackend) -> None:
        if backend.state is not BackendState.CLOSED:  # the app is installed again
            async with self._ending(job, SUPERSEDED):
                return
        for login in await self._logins_of(backend):
            await cluster.close_login(self._server, login)
        async with self._ending(job):
            return

    async def _place(self, job: Job, backend: KnownBackend) -> None:
        """Make it where it is going to; or, where it is, open the login of one that was closed, to read its rows."""
        if not backend.is_moving:  # it was given up meanwhile
            async with self._ending(job, SUPERSEDED):
                return
        await self._make_whole(backend)
        async with self._ending(job):
            if job.cluster_key != backend.cluster_key:
                await moves.backend_move_advance(self._connection, backend.backend_key, Phase.ASKED, Phase.PLACED)

    async def _leave(self, job: Job, backend: KnownBackend) -> None:
        """Delete what it has on a cluster that it is not on; the project's database too where it was the last one."""
        if backend.cluster_key != job.cluster_key:
            await self._erase(backend)
            if await moves.project_is_elsewhere(self._connection, backend.backend_key, self._around.cluster_key):
                await dropping.drop_database(self._server, backend.database_name)
        async with self._ending(job):
            await moves.backend_move_advance(self._connection, backend.backend_key, Phase.MOVED, Phase.DONE)
            await moves.backend_move_advance(self._connection, backend.backend_key, Phase.GIVEN_UP, Phase.BACK)

    async def _make_whole(self, backend: KnownBackend) -> None:
        await self._make_database(backend)
        await cluster.ensure_role(self._server, backend.owner_name)
        async with await self._around.connect(backend.database_name) as inside:
            await cluster.ensure_schema(inside, backend.schema_name, backend.owner_name)
            if await cluster.keeps_hypertables(inside):
                await cluster_set_hypertables(self._connection, self._around.cluster_key, are_kept=True)
        await self._open_login(backend, backend.login_name)

    async def _drop_backend(self, job: Job, backend: KnownBackend) -> None:
        await self._erase(backend)
        async with self._ending(job):
            return

    async def _erase(self, backend: KnownBackend) -> None:
        logins = await self._logins_of(backend)
        for login in logins:
            await cluster.close_login(self._server, login)
        if await cluster.has_database(self._server, backend.database_name):
            async with await self._around.connect(backend.database_name) as inside:
                if await cluster.has_role(self._server, backend.owner_name):
                    await dropping.drop_tables(inside, backend.schema_name, backend.owner_name)
                await dropping.drop_schema(inside, backend.schema_name)
                for role in (*logins, backend.owner_name):
                    if await cluster.has_role(self._server, role):
                        await dropping.drop_role(inside, role)

    async def _logins_of(self, backend: KnownBackend) -> list[str]:
        own = filter(None, (backend.login_name, backend.old_login_name, backend.next_login_name))
        return [*own, *await reader_list(self._connection, backend.backend_key)]

    async def _rotate(self, job: Job, backend: KnownBackend) -> None:
        if backend.next_login_name is None:  # it was done before the job's end was written down, or given up
            async with self._ending(job, None if backend.old_login_name else SUPERSEDED):
                return
        if backend.state in GONE:
            await cluster.close_login(self._server, backend.next_login_name)
            async with self._ending(job, SUPERSEDED):
                await backends.backend_set_next_login(self._connection, backend.backend_key, None)
            return
        if backend.old_login_name is not None:
            await self._retire_login(backend)
        await self._open_login(backend, backend.next_login_name)
        async with self._ending(job):
            await backends.backend_rotate(self._connection, backend.backend_key)

    async def _retire(self, job: Job, backend: KnownBackend) -> None:
        if backend.epoch == job.epoch:
            await self._retire_login(backend)
        await store.job_set_done(self._connection, job.job_key)

    async def _certify(self, job: Job, backend: KnownBackend) -> None:
        if backend.state is not BackendState.READY and not backend.is_moving:
            await store.job_set_done(self._connection, job.job_key, NOT_READY)
        elif backend.epoch != job.epoch:
            await store.job_set_done(self._connection, job.job_key, STALE)
        else:
            await self._sign(job, backend.login_name)

    async def _admit(self, job: Job, backend: KnownBackend) -> None:
        login = await reader_find(self._connection, backend.backend_key, job.account_key or 0)
        if backend.state is not BackendState.READY or login is None:
            await store.job_set_done(self._connection, job.job_key, NOT_READY)
            return
        schema, owner = backend.schema_name, backend.owner_name
        await readers.ensure_reader(self._server, login, schema=schema, database=backend.database_name)
        async with await self._around.connect(backend.database_name) as inside:
            await readers.let_read(inside, login, schema=schema, owner=owner)
        await readers.open_reader(self._server, login)
        await self._sign(job, login)

    async def _sign(self, job: Job, login: str) -> None:
        try:
            authority, now = self._around.authority(), self._around.now()
            certificate, ends_at = certificate_for(authority, login, job.public_key or "", now)
        except InvalidArgumentError:
            await store.job_set_done(self._connection, job.job_key, UNFIT)
        else:
            await store.job_set_certified(self._connection, job.job_key, certificate, ends_at)

    async def _make_database(self, backend: KnownBackend) -> None:
        # The role first: pg_hba.conf lets its members, of whom we are one, into the database of its name.
        await cluster.ensure_role(self._server, backend.database_name)
        await cluster.ensure_database(self._server, backend.database_name)
        await backends.project_database_set_ready(self._connection, backend.project_key)

    async def _open_login(self, backend: KnownBackend, login: str) -> None:
        await cluster.ensure_login(
            self._server,
            login,
            owner=backend.owner_name,
            schema=backend.schema_name,
            database=backend.database_name,
        )

    async def _retire_login(self, backend: KnownBackend) -> None:
        if backend.old_login_name is None:
            return
        await cluster.close_login(self._server, backend.old_login_name)
        is_gone = await cluster.drop_login(
            self._server, backend.old_login_name, database=backend.database_name, owner=backend.owner_name
        )
        if not is_gone:
            log.warning("old_login_kept", backend=backend.backend_key, epoch=backend.epoch - 1)
        await backends.backend_forget_old_login(self._connection, backend.backend_key)


async def _record(
    connection: Connection, job: Job, backend: KnownBackend, outcome: audit.Outcome, error: str | None = None
) -> None:
    """What is said of a job in the audit log; of certificates and of what follows a rotation nothing is."""
    tag = _tag(job.kind)
    if tag is None:
        return
    entry = audit.Draft(
        action=tag,
        aspect=audit.Aspect.CREDENTIAL if job.kind is JobKind.ROTATE else audit.Aspect.EXISTENCE,
        actor=audit.Actor(audit.ActorKind.SERVICE, "provisioner", on_behalf_of=job.account_key),
        asset=audit.Asset("data_backend", backend.backend_key),
        project_key=backend.project_key,
        after={"app_key": backend.app_key, "stage": backend.stage.value, "epoch": backend.epoch},
        reason=error,
        outcome=outcome,
    )
    await audit.record(connection, entry)


def _tag(kind: JobKind) -> audit.Action | None:
    tags = {
        JobKind.MAKE: audit.Action.BACKEND_PROVISIONED,
        JobKind.CLOSE: audit.Action.BACKEND_CLOSED,
        JobKind.ROTATE: audit.Action.BACKEND_ROTATED,
        JobKind.DROP: audit.Action.BACKEND_DROPPED,
        JobKind.PLACE: audit.Action.BACKEND_PLACED,
        JobKind.LEAVE: audit.Action.BACKEND_VACATED,
    }
    return tags.get(kind)

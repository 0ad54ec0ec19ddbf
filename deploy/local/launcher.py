"""One run of the platform: everything started in its order, kept running, stopped in the opposite order."""

import contextlib
import datetime as dt
import os
from collections.abc import Callable
from typing import Final

import psycopg
from attrs import frozen
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from deploy.local.bootstrap import SUPERUSER, bootstrap, bootstrap_cluster, connect
from deploy.local.endpoints import write_endpoints
from deploy.local.errors import PlatformError
from deploy.local.files import tail
from deploy.local.fitting import misfits
from deploy.local.health import are_all_ready
from deploy.local.postgres import postgres_process
from deploy.local.preparation import Prepared
from deploy.local.processes import DATABASE_NAME, SECOND_POSTGRES, Process
from deploy.local.readiness import is_live
from deploy.local.records import (
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    PlatformRecord,
    ProcessRecord,
    write_record,
)
from deploy.local.renewal import Renewal, Surroundings
from deploy.local.retiring import finish, left_over
from deploy.local.settings import LocalSettings
from deploy.local.state import StateFolder
from deploy.local.superuser import settle
from deploy.local.supervision import Supervisor
from deploy.local.survivors import birth
from shared.secrets import SecretsError

DATABASE_TIMEOUT_S: Final = 60.0
ROUTER_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.1
MIGRATE_TRIES: Final = 3
RENEWAL_CHECK_S: Final = 60.0


class LaunchError(PlatformError):
    """A part that the others need did not start; the text names it and its log."""


@frozen
class Plan:
    """What is run besides the database; nothing of it when only that is wanted.

    The router begins beside the database, which it does not need; services when there are schemas.
    """

    migrate: Process | None
    routers: tuple[Process, ...]
    services: tuple[Process, ...]


@frozen
class Shell:
    """What reaches out of the launcher: the clock and the terminal."""

    now: Callable[[], dt.datetime]
    say: Callable[[str], None]


class Launcher:
    """Starts, watches and stops the processes of one platform."""

    def __init__(
        self, reactor: ReactorBase, settings: LocalSettings, prepared: Prepared, plan: Plan, shell: Shell
    ) -> None:
        """Prepare to run `plan` on what `prepared` holds."""
        self._reactor = reactor
        self._settings = settings
        self._prepared = prepared
        self._plan = plan
        self._shell = shell
        self._state = StateFolder(settings.state)
        self._phase = STARTING
        self._supervisor = Supervisor(IReactorProcess(reactor), self._state.log, self._tell)
        around = Surroundings(
            IReactorTime(reactor),
            shell.now,
            shell.say,
            renewed=self._reload_databases,
            changed=self._write_record,
        )
        self._renewal = Renewal(self._state.ca, prepared.orders, around)
        self._starting: Deferred[None] | None = None
        self._database_problem = ""

    def begin(self) -> Deferred[None]:
        """Start everything; the result comes when all is healthy.

        Raises:
            LaunchError: A part that the others need did not start.
        """
        self._starting = Deferred.fromCoroutine(self._start())
        return self._starting

    async def stop(self) -> None:
        """End everything: the services, then the routers, then PostgreSQL."""
        self._enter(STOPPING)
        if self._starting is not None:
            self._starting.cancel()
        self._renewal.stop()
        services = [self._supervisor.stop(service.name) for service in self._plan.services]
        await gatherResults([Deferred.fromCoroutine(each) for each in services])
        routers = [self._supervisor.stop(router.name) for router in self._plan.routers]
        await gatherResults([Deferred.fromCoroutine(each) for each in routers])
        await self._supervisor.stop("postgres")
        await self._supervisor.stop(SECOND_POSTGRES)
        self._enter(STOPPED)

    async def _start(self) -> None:
        self._state.endpoints.unlink(missing_ok=True)  # it comes back when what it says is true
        self._enter(STARTING)
        for router in self._plan.routers:
            self._supervisor.add(router)
        await self._start_database()
        if self._plan.services:
            await deferToThread(self._check_keys)
        await self._migrate()
        if self._plan.services:
            for sentence in await deferToThread(self._finish_rotations):
                self._shell.say(sentence)
        await self._routers_live()
        for service in self._plan.services:
            self._supervisor.add(service)
        if self._plan.services:
            await self._until(self._all_ready)
            write_endpoints(self._state.endpoints, self._settings)
        self._enter(RUNNING)

    async def _start_database(self) -> None:
        self._supervisor.add(postgres_process(self._prepared.cluster))
        if self._prepared.second is not None:
            self._supervisor.add(postgres_process(self._prepared.second.cluster, SECOND_POSTGRES))
        self._renewal.start(min(RENEWAL_CHECK_S, self._settings.certificate_life_s / 10))
        if not await self._until(self._bootstrapped, DATABASE_TIMEOUT_S):
            reason = f"postgres could not be set up within {DATABASE_TIMEOUT_S:.0f} s"
            log = self._state.log / "postgres.log"
            raise LaunchError(f"{reason} ({self._database_problem}); the end of {log}:\n{tail(log)}")

    def _check_keys(self) -> None:
        """Let pass where every key file opens what was sealed by it; one that was made just now does not stay.

        Raises:
            LaunchError: One does not; nothing but the databases and the routers was started.
        """
        with connect(self._prepared.server, DATABASE_NAME) as connection:
            before = misfits(connection, self._state)
            for file in self._prepared.made:
                if file in before:
                    file.unlink()
            found = misfits(connection, self._state)
        if found:
            raise LaunchError("\n".join(found.values()))

    def _finish_rotations(self) -> list[str]:
        """End rotations that were cut off, now that no service has read the key files; what was done, in sentences."""
        said = list[str]()
        try:
            if left_over(self._state):
                with connect(self._prepared.server, DATABASE_NAME) as connection:
                    said.extend(finish(connection, self._state))
        except (PlatformError, SecretsError, psycopg.Error) as error:
            said.append(f"a rotation of keys that was cut off is still to be ended: {error}")
        return said

    async def _migrate(self) -> None:
        if self._plan.migrate is None:
            return
        for _ in range(MIGRATE_TRIES):
            status = await self._supervisor.run_once(self._plan.migrate)
            if status == 0:
                return
            self._shell.say(f"migrate ended (status {status})")
            await deferLater(self._reactor, POLL_S)
        log = self._state.log / "migrate.log"
        raise LaunchError(f"the schemas could not be brought up to date; the end of {log}:\n{tail(log)}")

    async def _routers_live(self) -> None:
        """Give the routers a moment: services that find them there need no second try.

        Live, not ready: one is ready only when the services have joined it.
        """
        ports = [self._settings.ports.operations[each.name] for each in self._plan.routers]
        ca = self._state.ca_certificate
        await self._until(lambda: all(is_live(port, ca) for port in ports), ROUTER_TIMEOUT_S)

    async def _until(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Ask again and again, in a thread, whether `condition` holds; false when `seconds` are over before it does."""
        end = None if seconds is None else self._reactor.seconds() + seconds
        while not await deferToThread(condition):
            if end is not None and self._reactor.seconds() >= end:
                return False
            await deferLater(self._reactor, POLL_S)
        return True

    def _bootstrapped(self) -> bool:
        """Set the database up, unless it does not answer (yet); what it said is kept for the person at the terminal."""
        try:
            settle(self._prepared.server, self._state.database_secrets / SUPERUSER)
            bootstrap(self._prepared.server, self._prepared.passwords)
            if self._prepared.second is not None:
                settle(self._prepared.second.server, self._state.second_secrets / SUPERUSER)
                bootstrap_cluster(self._prepared.second.server, self._prepared.second.passwords)
        except psycopg.Error as error:
            self._database_problem = str(error).strip()
            return False
        return True

    def _reload_databases(self) -> None:
        for name in ("postgres", SECOND_POSTGRES):
            self._supervisor.hang_up(name)

    def _all_ready(self) -> bool:
        return are_all_ready(self._settings.ports, self._state)

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._write_record()

    def _tell(self, change: str) -> None:
        self._shell.say(change)
        self._write_record()

    def _write_record(self) -> None:
        processes = tuple(
            ProcessRecord(each.name, each.pid, birth(each.pid), each.since, each.restarts)
            for each in self._supervisor.report()
        )
        with contextlib.suppress(OSError):  # a full disk must not end the supervision
            port_base, problem = self._settings.ports.base, self._renewal.problem
            record = PlatformRecord(self._phase, os.getpid(), port_base, processes, problem)
            write_record(self._state.processes, record)

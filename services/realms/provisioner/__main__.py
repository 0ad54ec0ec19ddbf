"""Starts the provisioner: settings, its connection, and work until it is told to stop."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
from typing import Any, Final

import psycopg
import structlog

from services.realms.provisioner import cluster, settings
from services.realms.provisioner.certificates import AuthorityError, load_authority
from services.realms.provisioner.working import Provisioner, Surroundings
from shared.database import Connection, connection_arguments
from shared.logging import configure
from shared.settings import Settings, SettingsError

LOOK_EVERY_S: Final = 2.0
WATCH_EVERY_S: Final = 10.0
PAUSE_S: Final = 1.0
STATEMENT_TIMEOUT_MS: Final = 120_000
LOCK_TIMEOUT_MS: Final = 10_000
EXIT_SETTINGS: Final = 78  # EX_CONFIG of sysexits.h

log = structlog.get_logger()


def arguments(found: settings.ProvisionerSettings) -> dict[str, Any]:
    """What it connects with; making a database takes longer than what a service does."""
    options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
    return {**connection_arguments(found.database), "options": options}


async def run(found: settings.ProvisionerSettings) -> None:
    """Work for ever; a database that is away is asked again."""
    given = arguments(found)

    async def connect(database: str) -> Connection:
        return await psycopg.AsyncConnection.connect(**{**given, "dbname": database})

    authority = load_authority(found.ca_certificate, found.ca_key)
    around = Surroundings(connect, found.database.name, authority, lambda: dt.datetime.now(dt.UTC))
    while True:
        tell_alive(found)
        try:
            async with await connect(found.database.name) as connection:
                await connection.execute("SET lock_timeout = 0")
                await cluster.take_turn(connection)
                await connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}".encode())
                await connection.execute("LISTEN provision")
                await work(found, Provisioner(around, connection), connection)
        except psycopg.OperationalError as error:
            log.warning("database_lost", exc_info=error)
        await asyncio.sleep(PAUSE_S)


def tell_alive(found: settings.ProvisionerSettings) -> None:
    """Let whoever looks at the file's time see that this process goes on."""
    if found.alive is not None:
        found.alive.touch()


async def work(found: settings.ProvisionerSettings, provisioner: Provisioner, connection: Connection) -> None:
    """Do what is due, then wait until something is said to be, or for a while."""
    watched = -WATCH_EVERY_S
    while True:
        tell_alive(found)
        if asyncio.get_running_loop().time() >= watched + WATCH_EVERY_S:
            await provisioner.watch()
            watched = asyncio.get_running_loop().time()
        if await provisioner.work():
            continue
        async for _ in connection.notifies(timeout=LOOK_EVERY_S, stop_after=1):
            pass


async def main() -> None:
    """Work until SIGTERM or Ctrl-C; what is under way then is done again by the next one."""
    found = settings.read(Settings("PROVISIONER", os.environ))
    working = asyncio.create_task(run(found))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    log.info("service_started")
    with contextlib.suppress(asyncio.CancelledError):
        await working
    log.info("service_stopped")


if __name__ == "__main__":
    configure("provisioner")
    try:
        asyncio.run(main())
    except (SettingsError, AuthorityError) as error:
        log.error("service_settings_refused", reason=str(error))  # noqa: TRY400 - the reason is all
        sys.exit(EXIT_SETTINGS)

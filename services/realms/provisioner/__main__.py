"""Starts the provisioner: settings, its connection, and work until it is told to stop."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
from typing import Final

import shared.unspoken  # noqa: F401 - before what it speaks of

# isort: split
import psycopg
import structlog

from services.realms.provisioner import cluster, settings
from services.realms.provisioner.certificates import Authorities, AuthorityError
from services.realms.provisioner.places import LOCK_TIMEOUT_MS, Place, connected
from services.realms.provisioner.working import Provisioner, Surroundings
from services.realms.store.clusters import cluster_key_of
from shared.clusters import FIRST
from shared.database import Connection
from shared.errors import UnavailableError
from shared.logging import configure
from shared.settings import Settings, SettingsError
from shared.trace_settings import begin_traces

LOOK_EVERY_S: Final = 2.0
WATCH_EVERY_S: Final = 10.0
PAUSE_S: Final = 1.0
EXIT_SETTINGS: Final = 78  # EX_CONFIG of sysexits.h

log = structlog.get_logger()


async def run(found: settings.ProvisionerSettings) -> None:
    """Work for ever on every cluster, each by itself: one that is away is no other's concern."""
    authorities = Authorities(found.ca_certificate, found.ca_key)
    working: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            for name in (FIRST, *found.clusters.names()):
                if name not in working:
                    working[name] = group.create_task(keep_working(Place(name, found), authorities))
            await asyncio.sleep(LOOK_EVERY_S)


async def keep_working(place: Place, authorities: Authorities) -> None:
    """Work on one cluster for ever; a database that is away is asked again."""
    while True:
        tell_alive(place)
        try:
            async with await connected(place.found.database, place.found.database.name) as control:
                await work_on(place, authorities, control)
        except (psycopg.OperationalError, UnavailableError) as error:
            log.warning("database_lost", cluster=place.name, exc_info=error)
        await asyncio.sleep(PAUSE_S)


async def work_on(place: Place, authorities: Authorities, control: Connection) -> None:
    """Wait for the turn there, then work until a connection is lost, or until nobody knows the cluster."""
    server = control if place.is_first else await place.connect(place.found.database.name)
    try:
        await server.execute("SET lock_timeout = 0")
        await cluster.take_turn(server)
        await server.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}".encode())
        await control.execute("LISTEN provision")
        where, key = place.settings(), await cluster_key_of(control, place.name)
        if key is None:  # nobody has added it yet
            return
        around = Surroundings(
            cluster_key=key,
            host=where.host,
            port=where.port,
            connect=place.connect,
            authority=authorities.current,
            now=lambda: dt.datetime.now(dt.UTC),
        )
        await work(place, Provisioner(around, control, server), control)
    finally:
        await server.close()


async def work(place: Place, provisioner: Provisioner, control: Connection) -> None:
    """Do what is due, then wait until something is said to be, or for a while."""
    watched = -WATCH_EVERY_S
    while True:
        tell_alive(place)
        if asyncio.get_running_loop().time() >= watched + WATCH_EVERY_S:
            await provisioner.watch()
            watched = asyncio.get_running_loop().time()
        if await provisioner.work():
            continue
        async for _ in control.notifies(timeout=LOOK_EVERY_S, stop_after=1):
            pass


def tell_alive(place: Place) -> None:
    """Let whoever looks at the file's time see that this process goes on."""
    if place.is_first and place.found.alive is not None:
        place.found.alive.touch()


async def main() -> None:
    """Work until SIGTERM or Ctrl-C; what is under way then is done again by the next one."""
    found = settings.read(Settings("PROVISIONER", os.environ))
    end_traces = begin_traces("provisioner", found.traces)
    working = asyncio.create_task(run(found))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    log.info("service_started")
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await working
    finally:
        end_traces()
    log.info("service_stopped")


if __name__ == "__main__":
    configure("provisioner")
    try:
        asyncio.run(main())
    except (SettingsError, AuthorityError) as error:
        log.error("service_settings_refused", reason=str(error))  # noqa: TRY400 - the reason is all
        sys.exit(EXIT_SETTINGS)

"""The shell of a service: settings in, listeners and bus up, an orderly end on SIGTERM or Ctrl-C.

Import this before anything imports `twisted.internet.reactor`: it installs the asyncio reactor, which psycopg needs.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from twisted.internet import asyncioreactor

LOOP: Final = asyncio.new_event_loop()
asyncioreactor.install(LOOP)
import_module("shared.unspoken")  # before what it speaks of

import structlog  # noqa: E402 - the reactor comes first
from attrs import frozen  # noqa: E402
from joserfc.jwk import KeySetSerialization  # noqa: E402
from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import Deferred  # noqa: E402
from twisted.internet.interfaces import IReactorCore, IReactorTime  # noqa: E402

from shared import ops  # noqa: E402
from shared.assertions import Assertions  # noqa: E402
from shared.bus import Bus  # noqa: E402
from shared.cells import Cell, parse_cells  # noqa: E402
from shared.database import Database, DatabaseSettings, database_settings  # noqa: E402
from shared.errors import CellAwayError, PublicError  # noqa: E402
from shared.health import Health  # noqa: E402
from shared.identities import service_role  # noqa: E402
from shared.logging import configure  # noqa: E402
from shared.overlap import values  # noqa: E402
from shared.session import BusCredential  # noqa: E402
from shared.settings import Settings, SettingsError  # noqa: E402
from shared.tls import ServerOptions, server_options  # noqa: E402
from shared.trace_settings import begin_traces, trace_settings  # noqa: E402

PROBE_INTERVAL_S: Final = 2.0
RETRY_S: Final = 5.0
"""After a failure a loop that is done each hour must not leave its process ill for an hour."""
FIRST_RETRY_S: Final = 0.25
"""After the first failure, each further one doubling it: most mean that others are just starting."""
STOP_TIMEOUT_S: Final = 12.0
EXIT_SETTINGS: Final = 78  # EX_CONFIG of sysexits.h
LOCAL: Final = "127.0.0.1"

log = structlog.get_logger()


@frozen
class CommonSettings:
    """What every service has; the `inside` certificate is for who belongs to the installation: probes, metrics."""

    ca: Path
    certificate: Path
    key: Path
    inside_certificate: Path
    inside_key: Path
    ops_port: int
    ops_bind: str


@frozen
class BusSettings:
    """Where the routers are and who the service is there."""

    cells: tuple[Cell, ...]
    credential: BusCredential


def common_settings(settings: Settings) -> CommonSettings:
    """`CA_FILE`, `TLS_CERTIFICATE`, `TLS_KEY`, `INSIDE_TLS_CERTIFICATE`, `INSIDE_TLS_KEY`, `OPS_PORT`, `OPS_BIND`.

    Without an inside certificate there is one for all.
    """
    certificate, key = settings.path("TLS_CERTIFICATE"), settings.path("TLS_KEY")
    trace_settings(settings)  # known here, acted upon by `run`
    return CommonSettings(
        ca=settings.path("CA_FILE"),
        certificate=certificate,
        key=key,
        inside_certificate=settings.path("INSIDE_TLS_CERTIFICATE", certificate),
        inside_key=settings.path("INSIDE_TLS_KEY", key),
        ops_port=settings.port("OPS_PORT"),
        ops_bind=settings.text("OPS_BIND", LOCAL),
    )


def bus_settings(settings: Settings, name: str, ca: Path) -> BusSettings:
    """`BUS_URL`, the list of cells, and the file of `BUS_SECRET_FILE`."""
    try:
        cells = parse_cells(settings.text("BUS_URL"))
    except ValueError as error:
        raise SettingsError(f"BUS_URL {error}") from error
    secret, *_ = values(settings.secret("BUS_SECRET"))
    return BusSettings(cells, BusCredential(service_role(name), secret, ca))


def service_database_settings(settings: Settings, name: str, ca: Path) -> DatabaseSettings:
    """The database of service `name`, under its own login."""
    return database_settings(settings, service_role(name), ca)


def assertions_for(bus: Bus, name: str, now: Callable[[], float]) -> Assertions:
    """The memory in which service `name` verifies assertions; `now` gives Unix seconds."""

    async def keys() -> KeySetSerialization:
        return cast(KeySetSerialization, await bus.call("ironflock.auth.assertion.keys"))

    return Assertions(name, keys, now)


def make_bus(settings: BusSettings, health: Health) -> Bus:
    """The service's bus on this process's reactor."""
    return Bus(cast(IReactorCore, reactor), settings.credential, settings.cells, health)


async def forever(name: str, once: Callable[[], Awaitable[object]], health: Health, *, pause_s: float) -> None:
    """Do `once` again and again, whatever happens to it; health's part `name` tells how the last time went.

    A loop that ends in silence is worse than one that fails aloud: a refusal is a reason, anything else an incident.

    Args:
        pause_s: Seconds between two times; after a failure `FIRST_RETRY_S`, after more of them `RETRY_S` at most, yet
            no longer than between any two.
    """
    retry_s = FIRST_RETRY_S
    while True:
        pause, retry_s = min(max(pause_s, FIRST_RETRY_S), retry_s), min(2 * retry_s, RETRY_S)
        try:
            await once()
        except CellAwayError as error:  # which the bus has as a part of its own: in the others all is well
            log.info("loop_left_a_cell_out", loop=name, reason=error.message)
            health.set(name, ok=True)
        except PublicError as error:
            log.warning("loop_refused", loop=name, reason=error.message)
            health.set(name, ok=False, reason=error.message)
        except Exception as error:
            log.exception("loop_failed", loop=name)
            health.set(name, ok=False, reason=f"failed ({type(error).__name__}); it goes on, the log says more")
        else:
            health.set(name, ok=True)
            pause, retry_s = pause_s, FIRST_RETRY_S
        await asyncio.sleep(pause)


def probe_forever(database: Database, health: Health) -> Coroutine[Any, Any, None]:
    """Keep health's `database` part true to life."""
    return forever("database probe", database.probe, health, pause_s=PROBE_INTERVAL_S)


def server_tls(settings: CommonSettings) -> ServerOptions:
    """TLS for this process's listeners."""
    return server_options(settings.certificate, settings.key)


def inside_tls(settings: CommonSettings) -> ServerOptions:
    """TLS for the listeners that only the installation itself talks to."""
    return server_options(settings.inside_certificate, settings.inside_key)


def listen_ops(settings: CommonSettings, health: Health) -> None:
    """Open the operators' listener of this process."""
    ops.listen(cast(IReactorTime, reactor), settings.ops_port, settings.ops_bind, inside_tls(settings), health)


def run(name: str, start: Callable[[Settings], Coroutine[Any, Any, Callable[[], Awaitable[None]]]]) -> None:
    """Run service `name` until it is told to stop.

    Args:
        start: Brings the service up and returns what brings it down in order.
    """
    configure(name)
    core = cast(Any, reactor)
    failed: list[BaseException] = []
    endings: list[Callable[[], None]] = []

    async def begin() -> None:
        try:
            settings = Settings(name.upper(), os.environ)
            endings.append(begin_traces(name, trace_settings(settings)))
            stop = await start(settings)
        except Exception as error:  # noqa: BLE001 - whatever stops the start must end the process, said once
            failed.append(error)
            core.callLater(0, core.stop)
            return
        core.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(LOOP.create_task(_stopped(stop))))
        log.info("service_started")

    # The reactor fires its start before the loop runs: the task waits for it there.
    starting = LOOP.create_task(begin())
    core.run()
    starting.cancel()
    for end in endings:
        end()
    if failed:
        _explain(failed[0])


async def _stopped(stop: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await stop()
    except TimeoutError:
        log.warning("service_stop_timed_out")
    log.info("service_stopped")


def _explain(error: BaseException) -> None:
    if isinstance(error, SettingsError):
        log.error("service_settings_refused", reason=str(error))
        sys.exit(EXIT_SETTINGS)
    log.error("service_not_started", exc_info=error)
    sys.exit(1)

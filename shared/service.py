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
# autobahn has numpy wherever it is there, for UBJSON and flatbuffers: 9 MiB a process for what no service speaks.
for unspoken in ("bjdata", "autobahn.flatbuffers", "autobahn.wamp.message_fbs"):
    sys.modules[unspoken] = None  # type: ignore[assignment]

import structlog  # noqa: E402 - the reactor comes first
from attrs import frozen  # noqa: E402
from joserfc.jwk import KeySetSerialization  # noqa: E402
from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import Deferred  # noqa: E402
from twisted.internet.interfaces import IReactorCore, IReactorTime  # noqa: E402

from shared import ops  # noqa: E402
from shared.assertions import Assertions  # noqa: E402
from shared.bus import Bus  # noqa: E402
from shared.database import Database, DatabaseSettings, database_settings  # noqa: E402
from shared.errors import PublicError  # noqa: E402
from shared.health import Health  # noqa: E402
from shared.identities import service_role  # noqa: E402
from shared.logging import configure  # noqa: E402
from shared.session import BusCredential  # noqa: E402
from shared.settings import Settings, SettingsError  # noqa: E402
from shared.tls import ServerOptions, server_options  # noqa: E402
from shared.trace_settings import trace_settings  # noqa: E402

PROBE_INTERVAL_S: Final = 2.0
RETRY_S: Final = 5.0
"""After a failure a loop that is done each hour must not leave its process ill for an hour."""
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
    """Where the routers are (a list of cells) and who the service is there."""

    urls: tuple[str, ...]
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
    """`BUS_URL`, a list separated by commas, and the file of `BUS_SECRET_FILE`."""
    urls = tuple(url.strip() for url in settings.text("BUS_URL").split(",") if url.strip())
    if not urls or any(not url.startswith("wss://") for url in urls):
        raise SettingsError("BUS_URL must be a list of wss:// URLs")
    return BusSettings(urls, BusCredential(service_role(name), settings.secret("BUS_SECRET"), ca))


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
    return Bus(cast(IReactorCore, reactor), settings.credential, settings.urls, health)


async def forever(name: str, once: Callable[[], Awaitable[object]], health: Health, *, pause_s: float) -> None:
    """Do `once` again and again, whatever happens to it; health's part `name` tells how the last time went.

    A loop that ends in silence is worse than one that fails aloud: a refusal is a reason, anything else an incident.

    Args:
        pause_s: Seconds between two times; after a failure `RETRY_S` at most.
    """
    while True:
        pause = min(pause_s, RETRY_S)
        try:
            await once()
        except PublicError as error:
            log.warning("loop_refused", loop=name, reason=error.message)
            health.set(name, ok=False, reason=error.message)
        except Exception as error:
            log.exception("loop_failed", loop=name)
            health.set(name, ok=False, reason=f"failed ({type(error).__name__}); it goes on, the log says more")
        else:
            health.set(name, ok=True)
            pause = pause_s
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
            endings.extend(_traced(name, settings))
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


def _traced(name: str, settings: Settings) -> list[Callable[[], None]]:
    """Send traces, where the settings say so; what ends that."""
    found = trace_settings(settings)
    if found is None:
        return []
    return [import_module("shared.trace_export").begin(name, found)]


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

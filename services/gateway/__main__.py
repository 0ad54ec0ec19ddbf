"""Starts the gateway."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from services.gateway import settings
from services.gateway.calling import Calling
from services.gateway.entrance import Entrance, Limits
from services.gateway.evaluating import Evaluating
from services.gateway.keeping import Keeping
from services.gateway.limiting import Limiter
from services.gateway.procedures.authzen import Configuration, Decisions
from services.gateway.procedures.docs import Docs
from services.gateway.procedures.rest import Rest
from services.gateway.procedures.site import Root
from services.gateway.records import Rate
from services.gateway.serving import Serving
from shared.database import Database
from shared.health import Health
from shared.https import listen_https
from shared.settings import Settings

IDLE_TIMEOUT_S: Final = 30
SWEEPING_PAUSE_S: Final = 10.0
PERIOD_S: Final = 60.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring the gateway up."""
    read = settings.read(environment)
    health = Health("https", "database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    keeping = Keeping(database)
    root, entrance = Root(read.agent_updates, read.agent_version), Entrance(Calling(bus), _limits(read))
    root.add_rest(Rest(Serving(entrance, keeping, bus.task), bus.spawn), Docs())
    root.add_authzen(Decisions(Evaluating(entrance), bus.spawn), Configuration(read.url))
    await database.open()
    service.listen_ops(read.common, health)
    sweeping = service.forever("answers", keeping.sweep, health, pause_s=SWEEPING_PAUSE_S)
    loops = [asyncio.create_task(loop) for loop in (service.probe_forever(database, health), sweeping)]
    tls = service.server_tls(read.common)
    port = listen_https(tls, read.port, read.bind, root, idle_timeout_s=IDLE_TIMEOUT_S, proxies=read.proxies)
    health.set("https", ok=True)
    bus.start()

    async def stop() -> None:
        port.stopListening()
        await bus.stop()
        for loop in loops:
            loop.cancel()
        await database.close()

    return stop


def _limits(read: settings.GatewaySettings) -> Limits:
    requests, failures = Rate(read.requests_per_minute, PERIOD_S), Rate(read.failures_per_minute, PERIOD_S)
    return Limits(Limiter(requests, time.monotonic), Limiter(failures, time.monotonic))


if __name__ == "__main__":
    service.run("gateway", start)

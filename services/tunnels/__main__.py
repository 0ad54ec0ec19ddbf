"""Starts tunnels."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from twisted.internet import reactor

from services.tunnels import settings
from services.tunnels.assembly import Base, Listening, Parts, Seen, Shape, Ways, assemble, ways_of
from services.tunnels.declared import DeclaredPorts
from services.tunnels.edge_news import EdgeNews
from services.tunnels.procedures.agents import AgentProcedures
from services.tunnels.procedures.tunnels import TunnelProcedures
from services.tunnels.procedures.visits import VisitProcedures
from services.tunnels.records.times import Times
from services.tunnels.rules.tunnels import Places
from services.tunnels.rules.visits import Bounds
from services.tunnels.web_sign_in import Provider
from services.tunnels.web_visitors import listen_visitors
from shared.database import Database
from shared.health import Health
from shared.rights.decision_point import Rights
from shared.settings import Settings

VISITS_PAUSE_S: Final = 0.2
DEPARTURES_PAUSE_S: Final = 0.05
PORTS_PAUSE_S: Final = 60.0
MENDING_PAUSE_S: Final = 10.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring tunnels up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    rights = Rights(bus, health, now=time.time, clock=time.monotonic)
    base = Base(bus, database, rights, Times(lambda: datetime.now(UTC), time.monotonic))
    bounds = Bounds(read.visit_life_s, read.visit_idle_s)
    shape = Shape(Places(read.domain, read.public_port), read.raw_ports, bounds)
    declared = DeclaredPorts(database, read.domain)
    news = EdgeNews(bus, database, declared)
    parts = assemble(base, Seen(news, declared), shape)
    ways = ways_of(base, parts, news, declared, listening_of(read))
    assertions = service.assertions_for(bus, "tunnels", time.time)
    for surface in (TunnelProcedures, VisitProcedures):
        bus.serve(surface(parts), assertions)
    bus.serve(AgentProcedures(parts))
    await database.open()
    service.listen_ops(read.common, health)
    tls = service.server_tls(read.common)
    ports = (
        ways.edge.listen(tls, read.edge_port, read.bind),
        listen_visitors(tls, read.visitors_port, read.bind, ways.inside, ways.web),
    )
    loops = [asyncio.create_task(loop) for loop in _loops(parts, ways, database, health)]
    bus.start()

    async def stop() -> None:
        for port in ports:
            port.stopListening()
        ways.raw_ports.stop()
        parts.visiting.stop()
        ways.edge.close()
        for loop in loops:
            loop.cancel()
        await bus.stop()
        await database.close()

    return stop


def _loops(parts: Parts, ways: Ways, database: Database, health: Health) -> tuple[Coroutine[Any, Any, None], ...]:
    return (
        service.probe_forever(database, health),
        service.forever("visits", parts.visiting.keep_true, health, pause_s=VISITS_PAUSE_S),
        service.forever("mending", parts.visiting.mend, health, pause_s=MENDING_PAUSE_S),
        service.forever("departures", ways.departures.keep_true, health, pause_s=DEPARTURES_PAUSE_S),
        service.forever("ports", ways.port_keeping.keep, health, pause_s=PORTS_PAUSE_S),
        service.forever("raw ports", ways.raw_ports.keep_true, health, pause_s=VISITS_PAUSE_S),
    )


def listening_of(read: settings.TunnelsSettings) -> Listening:
    """Where and how it listens."""
    return Listening(reactor, read.bind, Provider(read.issuer, str(read.common.ca)), read.is_bound_to_address)


if __name__ == "__main__":
    service.run("tunnels", start)

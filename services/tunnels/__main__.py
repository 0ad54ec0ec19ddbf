"""Starts tunnels."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from twisted.internet import reactor
from twisted.internet.interfaces import IListeningPort

from services.tunnels import settings
from services.tunnels.assembly import Base, Listening, Parts, Seen, Shape, Ways, assemble, ways_of
from services.tunnels.declared import DeclaredPorts
from services.tunnels.edge_news import EdgeNews
from services.tunnels.plugin_front import PluginResource, listen_plugin
from services.tunnels.procedures.agents import AgentProcedures
from services.tunnels.procedures.devices import DeviceProcedures
from services.tunnels.procedures.recordings import RecordingProcedures
from services.tunnels.procedures.tunnels import TunnelProcedures
from services.tunnels.procedures.visits import VisitProcedures
from services.tunnels.records.times import Times
from services.tunnels.rules.tunnels import Places
from services.tunnels.rules.visits import Bounds
from services.tunnels.web_sign_in import Provider
from services.tunnels.web_visitors import listen_visitors
from shared.bus import Bus
from shared.database import Database
from shared.health import Health
from shared.keyring import DataKeys
from shared.rights.decision_point import Rights
from shared.settings import Settings

VISITS_PAUSE_S: Final = 0.2
DEPARTURES_PAUSE_S: Final = 0.05
NODES_PAUSE_S: Final = 2.0
SWEEP_PAUSE_S: Final = 3_600.0
PORTS_PAUSE_S: Final = 60.0
MENDING_PAUSE_S: Final = 10.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring tunnels up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    rights = Rights(bus, health, now=time.time, clock=time.monotonic)
    keys = DataKeys(read.masters, database, "tunnels")
    base = Base(bus, database, rights, Times(lambda: datetime.now(UTC), time.monotonic), keys)
    shape = _shape_of(read)
    declared = DeclaredPorts(database, read.domain)
    news = EdgeNews(bus, database, declared)
    parts = assemble(base, Seen(news, declared), shape)
    ways = ways_of(base, parts, news, declared, listening_of(read))
    assertions = service.assertions_for(bus, "tunnels", time.time)
    for surface in (TunnelProcedures, VisitProcedures, RecordingProcedures):
        bus.serve(surface(parts), assertions)
    for others in (AgentProcedures, DeviceProcedures):
        bus.serve(others(parts))
    await database.open()
    await keys.load()
    service.listen_ops(read.common, health)
    ports = _listen(read, ways, bus)
    loops = [asyncio.create_task(loop) for loop in _loops(parts, ways, database, health)]
    bus.start()

    async def stop() -> None:
        for port in ports:
            port.stopListening()
        ways.raw_ports.stop()
        parts.visiting.stop()
        ways.close()
        for loop in loops:
            loop.cancel()
        await bus.stop()
        await database.close()

    return stop


def _shape_of(read: settings.TunnelsSettings) -> Shape:
    bounds = Bounds(read.visit_life_s, read.visit_idle_s)
    return Shape(Places(read.domain, read.public_port), read.raw_ports, bounds, read.keeping)


def _listen(read: settings.TunnelsSettings, ways: Ways, bus: Bus) -> list[IListeningPort]:
    tls = service.server_tls(read.common)
    ports = [
        ways.edge.listen(tls, read.edge_port, read.bind, read.proxies),
        listen_visitors(tls, read.visitors_port, read.bind, ways.inside, ways.web, proxies=read.proxies),
    ]
    if read.fleet is not None and ways.nodes is not None:
        front = PluginResource(bus, ways.nodes, read.fleet)
        ports.append(listen_plugin(service.inside_tls(read.common), read.frps_port, read.frps_bind, front, reactor))
    return ports


def _loops(parts: Parts, ways: Ways, database: Database, health: Health) -> list[Coroutine[Any, Any, None]]:
    loops = [
        service.probe_forever(database, health),
        service.forever("visits", parts.visiting.keep_true, health, pause_s=VISITS_PAUSE_S),
        service.forever("recordings", parts.recordings.write_down_all, health, pause_s=VISITS_PAUSE_S),
        service.forever("old recordings", parts.recordings.sweep_recordings, health, pause_s=SWEEP_PAUSE_S),
        service.forever("mending", parts.visiting.mend, health, pause_s=MENDING_PAUSE_S),
        service.forever("departures", ways.departures.keep_true, health, pause_s=DEPARTURES_PAUSE_S),
        service.forever("ports", ways.port_keeping.keep, health, pause_s=PORTS_PAUSE_S),
        service.forever("raw ports", ways.raw_ports.keep_true, health, pause_s=VISITS_PAUSE_S),
    ]
    if ways.nodes is not None:
        loops.append(service.forever("nodes", ways.nodes.keep_true, health, pause_s=NODES_PAUSE_S))
    return loops


def listening_of(read: settings.TunnelsSettings) -> Listening:
    """Where and how it listens."""
    provider, ca = Provider(read.issuer, read.issuer_ca), read.common.ca
    return Listening(reactor, read.bind, provider, read.is_bound_to_address, ca, read.fleet)


if __name__ == "__main__":
    service.run("tunnels", start)

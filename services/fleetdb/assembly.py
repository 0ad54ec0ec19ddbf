"""The parts of fleetdb, put together in the one order that fits; the tests put the same ones together."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from attrs import evolve, frozen

from services.fleetdb.authority import RealmsAuthority
from services.fleetdb.connections import Connections, ForReading
from services.fleetdb.followers import Followers
from services.fleetdb.foreign_reads import ForeignReads
from services.fleetdb.joining import Surroundings
from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.making import Making
from services.fleetdb.moving import Moving
from services.fleetdb.pools import ConnectionSettings
from services.fleetdb.problems import Problems
from services.fleetdb.procedures.access import AccessProcedures
from services.fleetdb.procedures.declaring import declared
from services.fleetdb.procedures.locations import LocationProcedures
from services.fleetdb.procedures.reads import ReadProcedures
from services.fleetdb.procedures.reveals import RevealProcedures
from services.fleetdb.procedures.writes import WriteProcedures
from services.fleetdb.reading import Reading
from services.fleetdb.realms import Realms
from services.fleetdb.resealing import Resealing
from services.fleetdb.retention import Retention
from services.fleetdb.revealing import Revealing
from services.fleetdb.rules.backends import place_of
from services.fleetdb.secrets import Secrets
from services.fleetdb.settings import FleetdbSettings
from services.fleetdb.taking import Backing, Taking
from services.fleetdb.tending import Tending
from services.fleetdb.transform_news import TransformNews
from services.fleetdb.transforms import Transforms
from services.fleetdb.writing import Writing
from shared.bus import Bus
from shared.database import Database

JOINS_AT_ONCE: Final = 8


@frozen
class Times:
    """What the parts ask of the outside: the time in UTC, seconds that only go forward, numbers from 0 to 1."""

    now: Callable[[], datetime]
    clock: Callable[[], float]
    jitter: Callable[[], float]


@frozen
class Base:
    """What stands before the parts: the bus, the control database, the data keys."""

    bus: Bus
    database: Database
    keyring: Keyring


@frozen
class Parts:
    """What the service is made of."""

    connections: Any
    transforms: Transforms
    tending: Tending
    resealing: Resealing
    followers: Followers
    realms: Realms
    moving: Moving | None = None


def assemble(bus: Bus, database: Database, settings: FleetdbSettings, times: Times) -> Parts:
    """All of them."""
    keyring = Keyring(settings.masters, database)
    cluster = settings.cluster
    where = ConnectionSettings(cluster.host, cluster.port, cluster.ca, cluster.connections, cluster.others)
    logins = Logins(database, keyring, RealmsAuthority(bus), times.now)
    connections = Connections(where, logins)
    base = Base(bus, database, keyring)
    parts = assemble_on(base, connections, times, for_reading=ForReading(connections))
    moving = Moving(
        RealmsAuthority(bus),
        connections,
        lambda: Connections(where, logins),
        alone_with=parts.tending.alone_with,
        find=parts.realms.find,
        reseal_anew=parts.resealing.begin_anew,
    )
    return evolve(parts, moving=moving)


def assemble_on(base: Base, connections: Any, times: Times, *, for_reading: Any = None) -> Parts:
    """All of them, over these connections to data backends; those who only read over others, where there are any."""
    reads = for_reading or connections
    bus, database, secrets = base.bus, base.database, Secrets(base.keyring)
    writing, reading = Writing(connections, secrets), Reading(reads)
    recorded = ForeignReads(database, times.clock)
    problems = Problems(writing, times.now, times.clock)
    realms: list[Realms] = []
    surfaces = (
        WriteProcedures(writing, problems, recorded, bus.task),
        ReadProcedures(reading, recorded),
        RevealProcedures(Revealing(reading, secrets, times.clock)),
        AccessProcedures(lambda: realms[0].backends),
        LocationProcedures(writing, times.now),
    )
    marked = tuple(each for surface in surfaces for each in declared(surface))
    joins = {cell.name: asyncio.Semaphore(JOINS_AT_ONCE) for cell in bus.cells}
    around = Surroundings(bus, marked, joins, times.jitter)
    news = TransformNews(problems, lambda backend: realms[0].find(place_of(backend)))
    transforms = Transforms(database, reads, reading, news)
    taking = Taking(Backing(connections, RealmsAuthority(bus)), Making(connections), writing, transforms)
    realms.append(Realms(around, taking, times.clock))
    resealing = Resealing(database, connections, secrets)
    tending = Tending(lambda: realms[0].realms, Retention(connections), resealing, times.now)
    return Parts(connections, transforms, tending, resealing, Followers(bus, database, realms[0]), realms[0])

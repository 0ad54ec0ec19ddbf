"""How costs grow: each part makes one thing many, and says what that costs at sizes a decade apart.

Nothing here has a reference or a bar: what is wanted is the slope, by which an installation is planned
(`deploy/README.md`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

from services.fleetdb.reading import Reading
from services.fleetdb.rules.queries import history_query, series_query
from tests.bench import log
from tests.bench.crowds import crowd_of, decided, holdings_known, middle_us, over_the_bus
from tests.bench.figures import P99, percentile
from tests.bench.fleet import people
from tests.bench.growth import Curve, curve
from tests.bench.keeper import Keeper
from tests.bench.processes import cpu_s, pss_octets
from tests.bench.reads import BEGAN_S, BUCKETS
from tests.bench.realm_component import OURS, RealmComponent
from tests.bench.rounds import pause, say
from tests.bench.routers import MIB, our_router, reference_router
from tests.bench.scale import Scale
from tests.bench.wamp_socket import CALL
from tests.bench.writes import DEVICE, SERIAL, World, world_of
from tests.harness.published_log import PublishedLog
from tests.harness.running import RunningPlatform
from tests.integration.database import Postgres

JOINING_AT_ONCE: Final = 8
IDLE_S: Final = 5.0
FIRST_REALMS: Final = 3
FIRST_SESSIONS: Final = 20
"""The first ones pay for what the interpreter loads and keeps."""
PAGE: Final = 4_096
MIDDLE: Final = 0.5
PROOFS: Final = 100
NEWEST: Final = 100
FILL_ROWS: Final = (
    "INSERT INTO readings (device_key, authid, tsp, name, force, temperature, number, is_on)"
    " SELECT %(device)s, %(serial)s, to_timestamp(%(began)s + n), 'press ' || n %% 10, n * 0.37, n * 0.5, n, n %% 2 = 0"
    " FROM generate_series(%(first)s::bigint, %(last)s) n"
)
FILL_DEVICES: Final = (
    "INSERT INTO devices.device (project_key, name, name_canonical, serial_number, state)"
    " SELECT %s, name, name, gen_random_uuid(), 'registered'"
    " FROM generate_series(%s::bigint, %s) n, format('press-%%s', n) name"
)
SIZE_OF: Final = "SELECT pg_total_relation_size(%s::regclass)"
SIZE_OF_SCHEMA: Final = (
    "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %s AND c.relkind = 'r'"
)


class _Points:
    """Costs as they are measured, by what they are of."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._found: dict[tuple[str, str], list[tuple[int, float]]] = {}

    def add(self, size: int, what: str, unit: str, cost: float) -> None:
        """One more."""
        self._found.setdefault((what, unit), []).append((size, cost))
        say(f"{size:,} {self._subject}: {what} {cost:.3g} {unit}")

    def curves(self) -> list[Curve]:
        """All of them."""
        return [curve(self._subject, what, unit, points) for (what, unit), points in self._found.items()]


def sessions(scale: Scale, folder: Path) -> list[Curve]:
    """Devices that are connected and say nothing: what they cost the router."""
    found, held = _Points("connected devices"), FIRST_SESSIONS
    with our_router(folder) as router, Keeper() as keeper, ThreadPoolExecutor(JOINING_AT_ONCE) as joining:
        for session in joining.map(router.device, range(1, held + 1)):
            keeper.hold(session)
        pause(scale.settle_s)
        empty = pss_octets(router.worker)
        for size in scale.sweep.sessions:
            for session in joining.map(router.device, range(held + 1, FIRST_SESSIONS + size + 1)):
                keeper.hold(session)
            held = FIRST_SESSIONS + size
            pause(scale.settle_s)
            before = cpu_s(router.worker)
            pause(IDLE_S)
            used = cpu_s(router.worker) - before
            assert not keeper.lost, f"{keeper.lost} sessions were lost"
            found.add(size, "router memory above an empty one", "MiB", _above(router.worker, empty))
            found.add(size, "router CPU a second, idle", "ms", max(used / IDLE_S, 1e-4) * 1000)
    return found.curves()


def _above(process: int, empty: int) -> float:
    """MiB; a page at least, so that there is a logarithm."""
    return max(pss_octets(process) - empty, PAGE) / MIB


def realms(scale: Scale, folder: Path) -> list[Curve]:
    """Data realms: what they cost the router, and what starting them all takes."""
    component = f"{RealmComponent.__module__}.{RealmComponent.__qualname__}"
    found, total = _Points("data realms"), 0.0
    with reference_router(folder, 1, component) as router, router.device(1) as caller:
        caller.request(CALL, {}, OURS, [1, 1 + FIRST_REALMS])
        there, empty = 1 + FIRST_REALMS, pss_octets(router.worker)
        for size in scale.sweep.realms:
            upto = 1 + FIRST_REALMS + size
            total += caller.request(CALL, {}, OURS, [there, upto])[3][0]
            there = upto
            pause(scale.settle_s)
            caller.take()  # pings
            found.add(size, "starting them all", "s", total)
            found.add(size, "router memory above an empty one", "MiB", _above(router.worker, empty))
    return found.curves()


def rows(scale: Scale, folder: Path) -> list[Curve]:
    """Rows of one table of an app: reading the newest, all of them, writing one more; before the bus."""
    del folder
    found = _Points("rows of a table")
    with ExitStack() as ending:
        server = Postgres()
        ending.callback(server.remove)
        server.start()
        runner = ending.enter_context(asyncio.Runner())
        world = runner.run(world_of(server))
        there = 0
        for size in scale.sweep.rows:
            found.add(size, "disk, with indexes", "MiB", _filled(server, world, there, size) / MIB)
            there = size
            for what, work in _works(world, size).items():
                found.add(size, what, "ms", runner.run(_middle_ms(work, scale)))
        runner.run(world.connections.close())
    return found.curves()


def _filled(server: Postgres, world: World, there: int, size: int) -> int:
    """Octets of the table, with its partitions, when it has `size` rows."""
    told = {"device": DEVICE, "serial": SERIAL, "began": BEGAN_S, "first": there, "last": size - 1}
    path = f"-c search_path={world.backend.schema}"
    with server.connect(dbname=world.backend.database, options=path) as connection:
        connection.execute(FILL_ROWS, told)
        connection.execute("ANALYZE readings")
        row = connection.execute(SIZE_OF_SCHEMA, [world.backend.schema]).fetchone()
    return int(row[0]) if row else 0


def _works(world: World, size: int) -> dict[str, Callable[[], Awaitable[Any]]]:
    reading = Reading(world.connections)
    newest = history_query(({"limit": NEWEST},))
    metrics = [{"ref": "force", "method": method} for method in ("AVG", "MAX")]
    span = [BEGAN_S * 1_000, (BEGAN_S + size) * 1_000]
    series = series_query(({"metrics": metrics, "limit": BUCKETS, "timeRange": span},))
    return {
        "the newest 100": lambda: reading.history(world.backend, world.table, newest, None),
        "a series over all": lambda: reading.series(world.backend, world.table, series, None),
        "appending one": lambda: world.append(1),
    }


async def _middle_ms(work: Callable[[], Awaitable[Any]], scale: Scale) -> float:
    """How long `work` takes, in the middle: as often as fits, and `rounds` times at least."""
    taken: list[float] = []
    until = time.perf_counter() + scale.sweep.seconds
    while (start := time.perf_counter()) < until or len(taken) < scale.sweep.rounds:
        await work()
        taken.append(time.perf_counter() - start)
    return median(taken) * 1000


def devices(scale: Scale, platform: RunningPlatform) -> list[Curve]:
    """Devices of one project, in the registry: a person's calls about them."""
    found, there = _Points("registered devices"), 0
    with people(platform) as person, platform.database() as connection:
        project = person.call("ironflock.realms.project.create", name="bench-sweep")["project_key"]
        first = person.call("ironflock.devices.device.create", project=project, name="first")["device_key"]
        asked: dict[str, Callable[[], Any]] = {
            "device.show": lambda: person.call("ironflock.devices.device.show", device=first),
            "device.list, a page of 100": lambda: person.call(
                "ironflock.devices.device.list", project=project, limit=100
            ),
            "device.list, one by a part of its name": lambda: person.call(
                "ironflock.devices.device.list", project=project, name="irst"
            ),
        }
        for size in scale.sweep.devices:
            connection.execute(FILL_DEVICES, [project, there + 1, size - 1])
            connection.execute("ANALYZE devices.device")
            there = size - 1
            for what, work in asked.items():
                found.add(size, what, "ms", middle_us(work, scale.sweep.seconds) / 1000)
            row = connection.execute(SIZE_OF, ["devices.device"]).fetchone()
            found.add(size, "disk, with indexes", "MiB", (row[0] if row else 0) / MIB)
    return found.curves()


def grants(scale: Scale, platform: RunningPlatform) -> list[Curve]:
    """Grants of one project: a check, and what a decision point reads of one person."""
    found, seconds = _Points("grants of a project"), scale.sweep.seconds
    for size in scale.sweep.grants:
        crowd = crowd_of(platform, size)
        with platform.database() as connection:
            connection.execute("ANALYZE privileges.held_flag, privileges.member, privileges.asset, privileges.domain")
        found.add(size, "flag.check over the bus", "us", over_the_bus(platform, crowd, seconds))
        found.add(size, "a decision in process, p99", "us", decided(platform, crowd, seconds, P99))
        found.add(size, "reading what a person holds", "us", holdings_known(platform, crowd, seconds))
    return found.curves()


def entries(scale: Scale, platform: RunningPlatform) -> list[Curve]:
    """Entries of the audit log: making leaves of them, proving one, verifying all."""
    found, total = _Points("audit entries"), 0.0
    with people(platform) as person:
        person.call("ironflock.realms.project.create", name="bench-entries")
    for size in scale.sweep.entries:
        began = time.perf_counter()
        log.grow(platform, size)
        total += time.perf_counter() - began
        found.add(size, "integrating them all", "s", total)
        found.add(
            size, "an inclusion proof over the bus", "ms", percentile(log.proofs(platform, PROOFS), MIDDLE) * 1000
        )
        found.add(size, "verifying them all over HTTPS", "s", _verified_s(platform))
        with platform.database() as connection:
            row = connection.execute(SIZE_OF_SCHEMA, ["audit"]).fetchone()
        found.add(size, "disk, with indexes", "MiB", float(row[0] if row else 0) / MIB)
    return found.curves()


def _verified_s(platform: RunningPlatform) -> float:
    published = PublishedLog(platform)
    began = time.perf_counter()
    assert published.verified().is_well, "the log does not verify"
    return time.perf_counter() - began


ALONE: Final[dict[str, Callable[[Scale, Path], list[Curve]]]] = {"sessions": sessions, "realms": realms, "rows": rows}
ON_PLATFORM: Final[dict[str, Callable[[Scale, RunningPlatform], list[Curve]]]] = {
    "devices": devices,
    "grants": grants,
    "entries": entries,
}
NAMES: Final = (*ALONE, *ON_PLATFORM)

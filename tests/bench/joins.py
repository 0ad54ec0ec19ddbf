"""WAMP-CRA joins over TLS: the whole platform, secrets decrypted from PostgreSQL, against static users of Crossbar."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.consumption import consumption
from tests.bench.figures import Row, at_least, ratio_row
from tests.bench.fleet import REALM, Device, devices_address
from tests.bench.load import Load
from tests.bench.processes import cpu_s
from tests.bench.rounds import interleave, pairs, pause
from tests.bench.routers import Router, reference_router
from tests.bench.scale import Scale
from tests.bench.wamp_socket import Address, ClosedError, WampSocket
from tests.harness.running import RunningPlatform

NAME: Final = "joins"
BAR: Final = at_least(0.80)
MEASURED_AT_ONCE: Final = 10
MIN_SECONDS: Final = 0.5
DIALS: Final = 100
AGAIN_S: Final = 0.05

Join = Callable[[int], WampSocket]


def run(scale: Scale, folder: Path, platform: RunningPlatform, devices: Sequence[Device]) -> list[Row]:
    """The rows of each number of clients that join at once."""
    address, worker = devices_address(platform), platform.pid("router")

    def join_ours(number: int) -> WampSocket:
        device = devices[number]
        return _dial(address).join(REALM, device.authid, device.secret)

    before = consumption(platform)

    def measure(router: int, join: Join, at_once: int) -> Load:
        pause(scale.settle_s)  # presence may still have ends of our side's sessions to write
        return _joins(router, join, len(devices), at_once, max(scale.seconds, MIN_SECONDS))

    with reference_router(folder / "reference", len(devices)) as router:
        results = interleave(
            scale.at_once,
            scale.rounds,
            lambda at_once: measure(worker, join_ours, at_once),
            lambda at_once: measure(router.worker, _join_reference(router), at_once),
        )
    joined = sum(ours.answers for each in results.values() for ours, _ in each)
    note = consumption(platform).note(before, "a join and its end", joined)
    return [row for at_once in scale.at_once for row in _rows(at_once, results[at_once], note)]


def joins_a_second(rows: Sequence[Row]) -> float:
    """The rate of our side that the reconnect storm is measured by."""
    return median(row.ours for row in rows if row.bar is not None and row.ours is not None)


def _dial(address: Address) -> WampSocket:
    """A connection; who is closed at accept (an address has 32 handshakes at once) dials again, as agents do."""
    for _ in range(DIALS):
        try:
            return WampSocket.connect(address)
        except ClosedError:
            pause(AGAIN_S)
    return WampSocket.connect(address)


def _join_reference(router: Router) -> Join:
    return lambda number: router.device(number + 1)


def _rows(at_once: int, results: list[tuple[Load, Load]], note: str) -> list[Row]:
    what = f"WAMP-CRA joins over TLS, {at_once} at once"
    bar = BAR if at_once == MEASURED_AT_ONCE else None
    return [
        ratio_row(NAME, what, "/s", pairs(results, lambda load: load.rate), bar, note=note if bar else ""),
        ratio_row(NAME, f"{what}: p99", "ms", pairs(results, lambda load: load.p99_ms)),
        ratio_row(NAME, f"{what}: router CPU", "us", pairs(results, lambda load: load.router_us)),
    ]


def _joins(worker: int, join: Join, principals: int, at_once: int, seconds: float) -> Load:
    """Join and leave, `at_once` clients each with principals of its own, for `seconds`."""
    latencies: list[float] = []
    cpu, began = cpu_s(worker), time.perf_counter()
    deadline = began + seconds

    def work(first: int) -> None:
        for number in cycle(range(first, principals, at_once)):
            start = time.perf_counter()
            if start >= deadline:
                return
            with join(number) as session:
                latencies.append(time.perf_counter() - start)
                assert session.authrole in {"device", "everyone"}, session.authrole

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(work, range(at_once)))
    return Load(len(latencies), time.perf_counter() - began, cpu_s(worker) - cpu, latencies)

"""Data realms against bare ones of Crossbar: how long a start takes, and what a realm holds, as they grow many.

Each side has a node of its own, in which realms are started one after the other; ours as the first session of an app
has it started, with the roles of the table, the reference with one static role.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.bench.figures import Row, at_most, ratio_row, slope
from tests.bench.processes import KIB, pss_octets
from tests.bench.realm_component import BARE, OURS, RealmComponent
from tests.bench.rounds import interleave, pairs, pause
from tests.bench.routers import reference_router
from tests.bench.scale import Scale
from tests.bench.wamp_socket import CALL

NAME: Final = "realms"
BAR: Final = at_most(3.0)
FIRST: Final = 3
"""Before anything is counted: the first ones pay for what the interpreter loads and keeps."""


@frozen
class Grown:
    """How long a realm took in each stretch, in ms; the node's memory at each end, in octets, by how many there are."""

    times: tuple[float, ...]
    memory: tuple[tuple[float, float], ...]


def run(scale: Scale, folder: Path) -> list[Row]:
    """The rows: both figures over all, and of each stretch."""
    numbers = iter(range(1_000_000))

    def grow(procedure: str) -> Grown:
        return _grown(folder / str(next(numbers)), procedure, scale)

    results = interleave([NAME], scale.session_rounds, lambda _: grow(OURS), lambda _: grow(BARE))[NAME]
    memory = "router memory a realm"
    rows = [
        ratio_row(NAME, "realm start", "ms", pairs(results, lambda grown: grown.times[-1]), BAR),
        ratio_row(NAME, memory, "KiB", pairs(results, lambda grown: slope(grown.memory) / KIB), BAR),
    ]
    for at, size in enumerate(scale.realms):
        between = f"from {scale.realms[at - 1] if at else 0} to {size} realms"
        rows.append(ratio_row(NAME, f"realm start, {between}", "ms", pairs(results, _time(at))))
        rows.append(ratio_row(NAME, f"{memory}, {between}", "KiB", pairs(results, _stretch(at))))
    return rows


def _time(at: int) -> Callable[[Grown], float]:
    return lambda grown: grown.times[at]


def _stretch(at: int) -> Callable[[Grown], float]:
    return lambda grown: slope(grown.memory[at : at + 2]) / KIB


def _grown(folder: Path, procedure: str, scale: Scale) -> Grown:
    component = f"{RealmComponent.__module__}.{RealmComponent.__qualname__}"
    with reference_router(folder, 1, component) as router, router.device(1) as caller:
        there, times, memory = 1, list[float](), list[tuple[float, float]]()
        for size in (0, *scale.realms):
            upto = 1 + FIRST + size
            took = caller.request(CALL, {}, procedure, [there, upto])[3][0]
            if size:
                times.append(took * 1000 / (upto - there))
            there = upto
            pause(scale.settle_s)
            caller.take()  # pings
            memory.append((float(size), float(pss_octets(router.worker))))
        return Grown(tuple(times), tuple(memory))

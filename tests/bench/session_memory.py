"""What an idle device session costs the router: the slope of its memory over the number of sessions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from tests.bench.figures import Row, at_most, ratio_row, slope
from tests.bench.keeper import Keeper
from tests.bench.processes import KIB, pss_octets
from tests.bench.rounds import interleave, pairs, pause
from tests.bench.routers import Router, our_router, reference_router
from tests.bench.scale import Scale

NAME: Final = "memory"
BAR: Final = at_most(1.1)
JOINING_AT_ONCE: Final = 8
FIRST_SESSIONS: Final = 20
"""Before anything is counted: the first ones pay for what the interpreter loads and keeps."""

Points = list[tuple[float, float]]


def run(scale: Scale, folder: Path) -> list[Row]:
    """The rows: the whole slope, and that of each stretch."""
    numbers = iter(range(1_000_000))
    sizes = scale.sessions

    def ours(_: str) -> Points:
        return _points(our_router(folder / str(next(numbers))), sizes, scale.settle_s)

    def reference(_: str) -> Points:
        return _points(
            reference_router(folder / str(next(numbers)), FIRST_SESSIONS + max(sizes)), sizes, scale.settle_s
        )

    results = interleave([NAME], scale.session_rounds, ours, reference)[NAME]
    what = "router memory an idle device session"
    rows = [ratio_row(NAME, what, "KiB", pairs(results, lambda points: slope(points) / KIB), BAR)]
    for at, size in enumerate(sizes):
        between = f"{what}, from {sizes[at - 1] if at else 0} to {size} sessions"
        rows.append(ratio_row(NAME, between, "KiB", pairs(results, _stretch(at))))
    return rows


def _stretch(at: int) -> Callable[[Points], float]:
    return lambda points: slope(points[at : at + 2]) / KIB


def _points(router: AbstractContextManager[Router], sizes: tuple[int, ...], settle_s: float) -> Points:
    """Sessions and octets of the router's memory, from none to the last of `sizes`."""
    with router as running, Keeper() as keeper, ThreadPoolExecutor(JOINING_AT_ONCE) as joining:
        held, points = 0, []
        for size in (FIRST_SESSIONS, *(FIRST_SESSIONS + size for size in sizes)):
            for session in joining.map(running.device, range(held + 1, size + 1)):
                keeper.hold(session)
            held = size
            pause(settle_s)
            assert not keeper.lost, f"{keeper.lost} sessions were lost"
            points.append((float(size - FIRST_SESSIONS), float(pss_octets(running.worker))))
        return points

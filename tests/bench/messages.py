"""Calls and acknowledged publications through the router, our role object deciding each, against a static role.

On realm1 the caller is the service `devices`, the callee a device with a procedure below its own serial; the publisher
is the device, on its own log topic, which nobody has subscribed: the least work besides deciding, so the hardest case
for us. On a data realm all of them are apps: a device function is called, and a table's topic published.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from tests.bench.figures import Row, at_least, at_most, ratio_row
from tests.bench.load import Demand, Load, calls, publications
from tests.bench.rounds import interleave, pairs
from tests.bench.routers import Router, our_router, reference_router, serial_of
from tests.bench.scale import Scale
from tests.bench.wamp_socket import REGISTER, WampSocket

NAME: Final = "messages"
DEVICE: Final = 7
OTHER: Final = 8
MEASURED_OCTETS: Final = 100
FEW, MANY = 1, 64
RATE: Final = at_least(0.97)
TAIL: Final = at_most(1.15)
WARM_UP_S: Final = 0.2


@frozen
class Case:
    """One kind of request, how many at once, and how large."""

    is_call: bool
    at_once: int
    octets: int
    is_of_apps: bool = False

    @property
    def title(self) -> str:
        """As the table names it."""
        size = "" if self.has_bar else f", {self.octets} octets"
        kind = "RPC calls" if self.is_call else "acknowledged publishes"
        return f"{kind}{' of apps' if self.is_of_apps else ''}, {self.at_once} at once{size}"

    def demand(self, seconds: float) -> Demand:
        """What is asked of a closed loop."""
        return Demand(bytes(self.octets), self.at_once, seconds)

    @property
    def has_bar(self) -> bool:
        """Whether the bar is about this size; the others show how the cost grows."""
        return self.octets == MEASURED_OCTETS


class Side:
    """One router with the sessions that load it."""

    def __init__(self, router: Router, ending: ExitStack, *, is_of_apps: bool) -> None:
        """Join, and register the procedure."""
        self._router = router
        caller = router.app(OTHER) if is_of_apps else router.service("devices")
        self._caller: WampSocket = ending.enter_context(caller)
        self._device: WampSocket = ending.enter_context(router.app(DEVICE) if is_of_apps else router.device(DEVICE))
        self._procedure = f"1.{DEVICE}.26.DEV.bench" if is_of_apps else f"re.mgmt.{serial_of(DEVICE)}.bench"
        self._topic = "1.26.bench" if is_of_apps else f"reswarm.logs.{serial_of(DEVICE)}.bench"
        self._device.request(REGISTER, {}, self._procedure)

    def measure(self, case: Case, seconds: float) -> Load:
        """One measurement."""
        self._device.take()  # pings that came while the other side was measured
        self._caller.take()
        if case.is_call:
            return calls(self._router.worker, self._caller, self._device, self._procedure, case.demand(seconds))
        return publications(self._router.worker, self._device, self._caller, self._topic, case.demand(seconds))


def run(scale: Scale, folder: Path) -> list[Row]:
    """The rows."""
    cases = [
        Case(is_call, at_once, octets)
        for is_call in (True, False)
        for at_once in (FEW, MANY)
        for octets in (scale.payloads if at_once == MANY else (MEASURED_OCTETS,))
    ]
    of_apps = [evolve(case, is_of_apps=True) for case in cases if case.has_bar]
    with ExitStack() as ending:
        routers = (
            ending.enter_context(our_router(folder / "ours")),
            ending.enter_context(reference_router(folder / "reference", OTHER)),
        )
        return [row for some in (cases, of_apps) for row in _compared(scale, routers, some)]


def _compared(scale: Scale, routers: tuple[Router, Router], cases: list[Case]) -> list[Row]:
    with ExitStack() as ending:
        # Not before both run: nobody reads a session, or answers its pings, while a router starts.
        ours, reference = (Side(router, ending, is_of_apps=cases[0].is_of_apps) for router in routers)
        interleave(
            cases[:1], 1, lambda case: ours.measure(case, WARM_UP_S), lambda case: reference.measure(case, WARM_UP_S)
        )
        found = interleave(
            cases,
            scale.rounds,
            lambda case: ours.measure(case, scale.seconds),
            lambda case: reference.measure(case, scale.seconds),
        )
    return [row for case in cases for row in _rows(case, found[case])]


def _rows(case: Case, results: list[tuple[Load, Load]]) -> Iterator[Row]:
    rate, tail = (RATE, TAIL) if case.has_bar else (None, None)
    title = case.title
    yield ratio_row(NAME, title, "/s", pairs(results, lambda load: load.rate), rate, by_mean=True)
    yield ratio_row(NAME, f"{title}: p99", "ms", pairs(results, lambda load: load.p99_ms), tail)
    yield ratio_row(NAME, f"{title}: router CPU", "us", pairs(results, lambda load: load.router_us))

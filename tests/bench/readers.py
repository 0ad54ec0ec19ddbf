"""Subscribers that never read: what they make the router hold, however many there are.

Apps of one data realm subscribe a topic and read nothing more; another app publishes to it again and again, each time
when the router has taken the last one; once also messages as long as an app's may be. What a peer has not taken waits
in the router until its guard ends whoever has most: `waiting_in_all` is 256 MiB. Measured is how far the router's
memory goes above what it was with all of them idle.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Final, Self

from attrs import frozen

from tests.bench.figures import Row, at_most, plain_row
from tests.bench.keeper import Keeper
from tests.bench.processes import pss_octets
from tests.bench.rounds import pause, say
from tests.bench.routers import MIB, Router, our_router
from tests.bench.scale import Scale
from tests.bench.wamp_socket import PUBLISH, ClosedError, WampSocket

NAME: Final = "readers"
MEASURED: Final = 10_000
BAR: Final = at_most(512.0)
"""Twice `waiting_in_all`: what waits is counted twice a second, and held as plain text and as TLS records."""
TOPIC: Final = "bench.data"
SUBSCRIBE: Final = 32
FLOOD_S: Final = 60.0
JOINING_AT_ONCE: Final = 8
LOOK_EVERY_S: Final = 0.02


@frozen
class Flood:
    """So many messages of so many octets."""

    messages: int
    octets: int


MANY: Final = Flood(64, 65_536)
LONG: Final = Flood(2, 15_000_000)
"""An app's message may have 16 MiB."""
SUBSCRIBERS_OF_LONG: Final = 100


@frozen
class Flooded:
    """MiB of the router above its memory before, at most and in the end; how many messages it took."""

    most: float
    left: float
    messages: int


def run(scale: Scale, folder: Path) -> list[Row]:
    """The rows of each number of subscribers; each has a router of its own."""
    rows: list[Row] = []
    for size, flood in [(size, MANY) for size in scale.readers] + [(SUBSCRIBERS_OF_LONG, LONG)]:
        found = _flooded(folder / f"{size}-{flood.octets}", size, flood, scale.settle_s)
        say(f"{size:,} subscribers that never read: {found}")
        bar = BAR if size == MEASURED or flood is LONG else None
        note = f"{found.messages} messages of {flood.octets:,} octets; {found.left:.0f} MiB above in the end"
        what = f"router memory, {size:,} never-reading subscribers{', long messages' if flood is LONG else ''}"
        rows.append(plain_row(NAME, what, "MiB", [found.most], bar, note=note))
    return rows


def _flooded(folder: Path, size: int, flood: Flood, settle_s: float) -> Flooded:
    with ExitStack() as ending:
        router = ending.enter_context(our_router(folder))
        sessions = _subscribed(router, size, ending)
        for session in sessions:
            ending.callback(session.close)
        publisher = ending.enter_context(router.app(size + 1))
        pause(settle_s)
        before = pss_octets(router.worker)
        with _Watched(router.worker) as watched:
            messages = _published(publisher, flood)
            pause(settle_s)
        left = pss_octets(router.worker) - before
        return Flooded((watched.most - before) / MIB, left / MIB, messages)


def _subscribed(router: Router, size: int, ending: ExitStack) -> list[WampSocket]:
    """Sessions that answered pings while the others came, and do nothing any more."""

    def subscribed(number: int) -> WampSocket:
        session = router.app(number)
        session.request(SUBSCRIBE, {}, TOPIC)
        return session

    joining = ending.enter_context(ThreadPoolExecutor(JOINING_AT_ONCE))
    with Keeper() as keeper:
        for session in joining.map(subscribed, range(1, size + 1)):
            keeper.hold(session)
        assert not keeper.lost, f"{keeper.lost} sessions were lost"
        return keeper.release()


def _published(publisher: WampSocket, flood: Flood) -> int:
    """How many messages the router took, until it has had enough of them or the time is over."""
    until, message = time.perf_counter() + FLOOD_S, bytes(flood.octets)
    for number in range(flood.messages):
        try:
            publisher.request(PUBLISH, {"acknowledge": True}, TOPIC, [message])
        except ClosedError:
            return number
        if time.perf_counter() > until:
            return number + 1
    return flood.messages


class _Watched:
    """The most memory that a process has had."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._is_over = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self.most = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            self.most = max(self.most, pss_octets(self._process))

"""The live feed of changes: one event on the system realm for each, followed by every watch of every process.

The event names the device and its project only; each process reads the row itself, so that the feed never shows more
than the registry. A watch that does not keep up is ended: it begins anew with a snapshot.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from attrs import frozen
from autobahn.wamp.exception import TransportLost
from autobahn.wamp.types import PublishOptions
from prometheus_client import Gauge

from shared.bus import Bus
from shared.errors import OverLimitError, UnavailableError
from shared.identities import SYSTEM_REALM
from shared.session import BusSession

TOPIC: Final = "ironflock.devices.device.changed"
QUEUE_LENGTH: Final = 1_000
MOST_UNTOLD: Final = 10_000
"""So many changes are kept while no router is there; what is beyond watches see when they show everything anew."""
MAX_WATCHES: Final = 1_000

watching = Gauge("ironflock_devices_watches", "Watches that are open in this process")


@frozen
class Change:
    """Something of this device changed; it may be gone."""

    device_key: int
    project_key: int


class Watch:
    """One follower of some projects, with a bounded queue."""

    def __init__(self) -> None:
        """Follow nothing yet."""
        self._project_keys: frozenset[int] = frozenset()
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue(QUEUE_LENGTH)
        self._waiting: set[Change] = set()
        self._is_woken = False
        self._fell_behind = False
        self._is_interrupted = False

    def follow(self, project_keys: frozenset[int]) -> bool:
        """Follow `project_keys`; returns whether they are others than before."""
        is_other, self._project_keys = project_keys != self._project_keys, project_keys
        return is_other

    def interrupt(self) -> None:
        """Changes may have been missed."""
        self._is_interrupted = True

    def wake(self) -> None:
        """Have the follower look up now: something else than a device changed."""
        if not self._is_woken:
            self._is_woken = True
            with suppress(asyncio.QueueFull):  # then it looks up anyway
                self._queue.put_nowait(None)

    def offer(self, change: Change) -> None:
        """Take `change` if it is of a followed project."""
        if change.project_key not in self._project_keys or change in self._waiting:  # it comes once a cell
            return
        try:
            self._queue.put_nowait(change)
            self._waiting.add(change)
        except asyncio.QueueFull:
            self._fell_behind = True

    async def next_change(self, timeout_s: float) -> Change | None:
        """The next change, None where there is none in time, or where the follower is to look up.

        Raises:
            OverLimitError: The follower did not keep up.
            UnavailableError: Changes may have been missed: a new watch begins with what is.
        """
        change = None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                change = await self._queue.get()
        if change is not None:
            self._waiting.discard(change)
        self._is_woken &= change is not None
        if self._fell_behind:
            raise OverLimitError("this watch did not keep up with the changes; watch again")
        if self._is_interrupted:
            raise UnavailableError("the feed of changes was interrupted; watch again")
        return change


class Feed:
    """Tells of changes, and lets them be watched."""

    def __init__(self, bus: Bus) -> None:
        """Publish and listen over `bus`."""
        self._bus = bus
        self._watches: set[Watch] = set()
        self._untold: set[Change] = set()
        watching.set_function(lambda: len(self._watches))
        bus.on_join(SYSTEM_REALM, self._subscribe)

    def tell(self, change: Change) -> None:
        """Let every process know, at once or as soon as a router is there again."""
        is_told = [_told(session, change) for session in self._bus.sessions(SYSTEM_REALM)]
        if not any(is_told) and len(self._untold) < MOST_UNTOLD:
            self._untold.add(change)

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """A watch, open while the block runs.

        Raises:
            OverLimitError: Too many are watching.
        """
        if len(self._watches) >= MAX_WATCHES:
            raise OverLimitError("too many are watching; try again later")
        watch = Watch()
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    async def _subscribe(self, session: BusSession) -> None:
        def changed(device_key: Any, project_key: Any) -> None:
            if isinstance(device_key, int) and isinstance(project_key, int):
                for watch in set(self._watches):
                    watch.offer(Change(device_key=device_key, project_key=project_key))

        await session.subscribe(changed, TOPIC).asFuture(asyncio.get_running_loop())
        # Whoever tells may have been in this cell alone: what is heard in others does not make up for it.
        for watch in set(self._watches):
            watch.interrupt()
        untold, self._untold = self._untold, set()
        for change in untold:
            self.tell(change)


def _told(session: BusSession, change: Change) -> bool:
    """Whether the router of that session took it."""
    try:
        session.publish(TOPIC, change.device_key, change.project_key, options=PublishOptions(exclude_me=False))
    except TransportLost:
        return False
    return True

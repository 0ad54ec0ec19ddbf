"""The live feed of alerts: what changed is told to every process over the system realm, and by it to who follows.

An event names the alert and its project only, each process reads the rest itself. A row says what was not told yet, so
that nothing is missed where the bus was away.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from autobahn.wamp.exception import TransportLost
from autobahn.wamp.types import PublishOptions

from services.devices.alerts.alerting import Alerting
from services.devices.reaching import NO_PROJECT
from services.devices.records.alerts import AlertChanged, AlertSnapshot
from services.devices.records.devices import READ, Project
from services.devices.rules import devices as rules
from services.devices.store import alerts as store
from shared.bus import AWAY, Bus
from shared.database import Database
from shared.errors import OverLimitError, UnavailableError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM, Person
from shared.nudge import Nudge
from shared.paging import fitting_rows
from shared.procedures import Progress
from shared.rights.decision_point import Rights
from shared.rights.records import Asset
from shared.session import BusSession

TOPIC: Final = "ironflock.devices.alert.changed"
LOOK_EVERY_S: Final = 1.0
RIGHTS_EVERY_S: Final = 0.5
BATCH: Final = 500
MAX_FOLLOWERS: Final = 1_000
QUEUE_LENGTH: Final = 1_000
SNAPSHOT_LIMIT: Final = 10_000


class _Follower:
    """One watch of a project."""

    def __init__(self, project_key: int) -> None:
        """Nothing has been heard."""
        self.project_key = project_key
        self._queue: asyncio.Queue[int | None] = asyncio.Queue(QUEUE_LENGTH)
        self._waiting: set[int] = set()
        self._is_late = False
        self._is_interrupted = False

    def hear(self, alert_key: int) -> None:
        """An alert has changed."""
        if alert_key in self._waiting:  # it comes once a cell
            return
        try:
            self._queue.put_nowait(alert_key)
            self._waiting.add(alert_key)
        except asyncio.QueueFull:
            self._is_late = True

    def interrupt(self) -> None:
        """Changes may have been missed."""
        self._is_interrupted = True

    def wake(self) -> None:
        """It is time to look."""
        with suppress(asyncio.QueueFull):  # then it looks anyway
            self._queue.put_nowait(None)

    async def next(self) -> int | None:
        """The next alert that changed; None where there is none within half a second, or it is time to look.

        Raises:
            OverLimitError: The follower did not keep up.
            UnavailableError: Changes may have been missed.
        """
        if self._is_late:
            raise OverLimitError("this watch did not keep up with the changes; watch again")
        if self._is_interrupted:
            raise UnavailableError("the feed of alerts was interrupted; watch again")
        with suppress(TimeoutError):
            async with asyncio.timeout(RIGHTS_EVERY_S):
                alert_key = await self._queue.get()
                self._waiting.discard(alert_key or 0)
                return alert_key
        return None


class AlertFeed:
    """Tells of changes, and lets them be followed."""

    def __init__(self, bus: Bus, database: Database, rights: Rights, alerting: Alerting) -> None:
        """Tell over `bus` what `alerting` keeps in `database`."""
        self._bus = bus
        self._database = database
        self._rights = rights
        self._followers: set[_Follower] = set()
        self._nudge = Nudge()
        alerting.on_change(self._nudge.give)
        bus.on_join(SYSTEM_REALM, self._subscribe)

    async def keep_up(self) -> None:
        """Wait until something may have changed, a second at most, and tell of it.

        Raises:
            PublicError: A part is away; it is told later.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        while await self.tell_untold():
            pass

    async def tell_untold(self) -> int:
        """Tell of some changes; returns of how many."""
        untold = await self._database.run(lambda connection: store.untold_list(connection, limit=BATCH))
        sessions = self._bus.sessions(SYSTEM_REALM)
        if untold and not sessions:
            raise UnavailableError(AWAY)
        for session in sessions:
            for alert_key, project_key, _ in untold:
                with suppress(TransportLost):
                    session.publish(TOPIC, alert_key, project_key, options=PublishOptions(exclude_me=False))
        if untold:
            await self._database.run(lambda connection: store.told_set(connection, untold))
        return len(untold)

    async def run(self, person: Person, project: Project, progress: Progress) -> None:
        """Tell through `progress` what is open in the project, then each change, until the caller ends it.

        Raises:
            NotFoundError, NotAuthorizedError: They may not see it any more.
            OverLimitError: The caller does not keep up, or too many are watching.
            UnavailableError: Changes, of alerts or of rights, may have been missed: watch again.
        """
        key = project.project_key
        with self._follow(key) as follower, self._rights.follow(person.account_key, follower.wake) as following:
            await self._require(person, key)
            await self._show_all(key, progress)
            while True:
                alert_key = await follower.next()
                if following.is_due():
                    await self._require(person, key)
                if alert_key is not None:
                    await self._show(alert_key, progress)

    async def _require(self, person: Person, project_key: int) -> None:
        whole = Asset(AssetKind.PROJECT, project_key)
        await self._rights.require(person, READ, whole, rules.domain(project_key), absent=NO_PROJECT)

    async def _show_all(self, project_key: int, progress: Progress) -> None:
        rest = await self._database.run(
            lambda connection: store.alert_list(connection, project_key, None, after=0, limit=SNAPSHOT_LIMIT)
        )
        while (fitting := max(1, fitting_rows(rest))) < len(rest):
            progress(AlertSnapshot(rest[:fitting], more=True))
            rest = rest[fitting:]
        progress(AlertSnapshot(rest))

    async def _show(self, alert_key: int, progress: Progress) -> None:
        alert = await self._database.run(lambda connection: store.alert_find(connection, alert_key))
        if alert is not None:
            progress(AlertChanged(alert))

    @contextmanager
    def _follow(self, project_key: int) -> Iterator[_Follower]:
        if len(self._followers) >= MAX_FOLLOWERS:
            raise OverLimitError("too many are watching; try again later")
        follower = _Follower(project_key)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def _subscribe(self, session: BusSession) -> None:
        def changed(alert_key: Any, project_key: Any) -> None:
            for follower in [each for each in self._followers if each.project_key == project_key]:
                follower.hear(alert_key)

        await session.subscribe(changed, TOPIC).asFuture(asyncio.get_running_loop())
        # Whoever tells may have been in this cell alone: what is heard in others does not make up for it.
        for follower in set(self._followers):
            follower.interrupt()

"""A person's watch: the devices that they may see, then each change, narrowed and widened as their rights change.

What they hold is followed by the stream of rights, so that a flag that is taken is taken from an open watch within the
second; realms is asked which projects there are only when they hold something in a new one, and twice a minute.
"""

from typing import Final

from services.devices.feed import Change, Feed, Watch
from services.devices.reaching import Reaching
from services.devices.records.devices import Changed, Deleted, Reach, Snapshot
from services.devices.rules import devices as rules
from services.devices.store import devices as store
from shared.database import Database
from shared.errors import NotFoundError
from shared.identities import Person
from shared.paging import fitting_rows
from shared.procedures import Progress
from shared.rights.decision_point import Rights
from shared.rights.records import DomainKind

SNAPSHOT_LIMIT: Final = 100_000
LOOK_EVERY_S: Final = 0.5
LOOK_FOR_PROJECTS_EVERY_S: Final = 30.0
LOOK_AGAIN_AFTER_S: Final = 1.0
"""Realms hears of a new right when we do, and perhaps a little later."""
SHOW_ANEW_EVERY_S: Final = 600.0
"""Of a change by a process that died before it told of it nobody else tells."""
NOTHING_LEFT: Final = "there is nothing left here that you may see"


class Watching:
    """Opens watches."""

    def __init__(self, database: Database, reaching: Reaching, rights: Rights, feed: Feed) -> None:
        """Show what `database` has, as far as `reaching` says."""
        self.database = database
        self.reaching = reaching
        self.rights = rights
        self._feed = feed

    async def run(self, person: Person, project: int | str | None, progress: Progress) -> None:
        """Tell through `progress` until the caller ends it.

        Raises:
            NotFoundError: There is nothing left to see.
            OverLimitError: The caller does not keep up, or too many are watching.
            UnavailableError: Changes, of devices or of rights, may have been missed: watch again.
        """
        with self._feed.watch() as watch, self.rights.follow(person.account_key, watch.wake) as following:
            view = View(self, person, project, watch, progress)
            await view.open()
            while True:
                change = await watch.next_change(LOOK_EVERY_S)
                if following.is_due() or view.is_over_due():
                    await view.adjust()
                if change is not None:
                    await view.tell(change)


class View:
    """What one watch shows now."""

    def __init__(
        self, watching: Watching, person: Person, project: int | str | None, watch: Watch, progress: Progress
    ) -> None:
        """Nothing is shown yet."""
        self._watching = watching
        self._rights = watching.rights
        self._person = person
        self._project = project
        self._watch = watch
        self._progress = progress
        self._projects = frozenset[int]()
        self._held = frozenset[int]()
        self._reach: Reach | None = None
        self._seen: set[int] = set()
        self._ends_at: float | None = None
        self._look_at = 0.0
        self._show_anew_at = 0.0

    async def open(self) -> None:
        """Show all there is."""
        await self._look_for_projects(LOOK_FOR_PROJECTS_EVERY_S)
        await self._show()

    def is_over_due(self) -> bool:
        """Whether something that is shown rests on what has ended by itself, or it is time to look anew."""
        now = self._rights.now()
        return now >= min(self._look_at, self._show_anew_at) or (self._ends_at is not None and now >= self._ends_at)

    async def adjust(self) -> None:
        """Show what may be seen now: first without what was taken, then with what was given."""
        before = self._held
        await self._show()
        if self._held - before:
            await self._look_for_projects(LOOK_AGAIN_AFTER_S)
            await self._show()
        elif self._rights.now() >= self._look_at:
            await self._look_for_projects(LOOK_FOR_PROJECTS_EVERY_S)
            await self._show()

    async def tell(self, change: Change) -> None:
        """Tell of one device, if it is shown, or was."""
        device = await self._watching.database.run(lambda connection: store.device_find(connection, change.device_key))
        if self._reach is None:
            return
        is_whole = self._reach.is_whole(change.project_key)
        is_there = device is not None and device.project_key == change.project_key
        if device is not None and is_there and self._reach.has(device.project_key, device.device_key, device.groups):
            if not is_whole:
                self._seen.add(device.device_key)
            self._progress(Changed(device=rules.public(device)))
        elif is_whole or change.device_key in self._seen:
            self._seen.discard(change.device_key)
            self._progress(Deleted(deleted=change.device_key))

    async def _look_for_projects(self, again_s: float) -> None:
        self._projects = await self._watching.reaching.project_keys(self._person, self._project)
        self._look_at = self._rights.now() + again_s

    async def _show(self) -> None:
        """Show what is seen by what is held now, where that is something else than before, or was shown long ago."""
        holdings = await self._rights.holdings(self._person.account_key)
        self._held = frozenset(each.key for each in holdings.standings if each.kind is DomainKind.PROJECT)
        reach = await self._watching.reaching.devices_in(self._person, self._projects)
        self._ends_at = self._rights.next_end(self._person.account_key)
        if reach == self._reach:
            if self._rights.now() >= self._show_anew_at:
                await self._show_all(reach)
            return
        is_new_to_come = self._project is None and self._held - self._projects
        if self._reach is not None and not reach.every_project and not is_new_to_come:
            raise NotFoundError(NOTHING_LEFT)
        self._reach = reach
        self._watch.follow(reach.every_project)
        await self._show_all(reach)

    async def _show_all(self, reach: Reach) -> None:
        """A snapshot, in as many answers as it needs."""
        self._show_anew_at = self._rights.now() + SHOW_ANEW_EVERY_S
        devices = await self._watching.database.run(
            lambda connection: store.device_list(connection, reach, after=0, limit=SNAPSHOT_LIMIT)
        )
        self._seen = {device.device_key for device in devices if not reach.is_whole(device.project_key)}
        rest = [rules.public(device) for device in devices]
        while (fitting := max(1, fitting_rows(rest))) < len(rest):
            self._progress(Snapshot(devices=rest[:fitting], more=True))
            rest = rest[fitting:]
        self._progress(Snapshot(devices=rest))

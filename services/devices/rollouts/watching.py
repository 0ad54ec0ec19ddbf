"""A person's watch of one rollout: what it is, then each change of it and its devices, until it ended or was stopped.

Every change counts up the rollout's revision, whichever process made it, so that a look at one row twice a second says
whether there is something to tell; what a turn was in between is not told.
"""

from typing import Final

from prometheus_client import Gauge

from services.devices.records.rollouts import Rollout, RolloutNews
from services.devices.rollouts.rollouts import Rollouts
from services.devices.store import rollouts as store
from shared.database import Database
from shared.errors import OverLimitError
from shared.identities import Person
from shared.procedures import Progress
from shared.rights.decision_point import Rights

LOOK_EVERY_S: Final = 0.5
MAX_WATCHES: Final = 200
MOST_TURNS: Final = 1_000
TOO_MANY: Final = "too many are watching rollouts; try again later"

watching = Gauge("ironflock_devices_rollout_watches", "Watches of rollouts that are open in this process")


class RolloutWatching:
    """Opens watches of rollouts."""

    def __init__(self, database: Database, rights: Rights, rollouts: Rollouts) -> None:
        """Show what `database` has, as far as `rollouts` lets people see it."""
        self._database = database
        self._rights = rights
        self._rollouts = rollouts
        self._open = 0
        watching.set_function(lambda: self._open)

    async def run(self, person: Person, rollout_key: int, progress: Progress) -> None:
        """Tell through `progress` until the rollout has ended or was stopped, or the caller ends it.

        Raises:
            NotFoundError: There is no such rollout, or they may not see it any more.
            OverLimitError: Too many are watching.
            UnavailableError: Changes of rights cannot be heard of: watch again.
        """
        if self._open >= MAX_WATCHES:
            raise OverLimitError(TOO_MANY)
        self._open += 1
        try:
            with self._rights.follow(person.account_key) as following:
                rollout = await self._rollouts.find(person, rollout_key)
                told, is_over = await self._tell(person, rollout, 0, progress)
                while not is_over:
                    if await following.changed(LOOK_EVERY_S):
                        await self._rollouts.find(person, rollout_key)  # which refuses whoever lost the right
                    rollout = await self._rollouts.again(rollout)
                    if rollout.revision > told:
                        told, is_over = await self._tell(person, rollout, told, progress)
        finally:
            self._open -= 1

    async def _tell(self, person: Person, rollout: Rollout, since: int, progress: Progress) -> tuple[int, bool]:
        """Tell what is new since that revision; up to which one it told, and whether nothing more is to come."""
        key = rollout.rollout_key
        turns = await self._database.run(lambda one: store.turn_list_changed(one, key, since=since, limit=MOST_TURNS))
        shown = await self._rollouts.named(person, rollout, turns if since else [])
        news = RolloutNews(await self._rollouts.shown(rollout), shown)
        progress(news)
        is_stopped = rollout.state == "stopped" and not any(wave.ordered for wave in news.rollout.waves)
        return rollout.revision, is_stopped or rollout.ended_at is not None

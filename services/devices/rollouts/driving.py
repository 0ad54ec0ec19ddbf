"""Rollouts go on by themselves: whoever has the lease of one judges its turns, and has it do what is next.

Each step is one transaction under the rollout's row, with the wish of a device and what the log says of it: a process
that dies anywhere leaves all of a step or nothing, and another one takes over when the lease is over.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, assert_never
from uuid import uuid4

import structlog
from attrs import evolve, frozen

from services.devices.alerts.alerting import Alerting
from services.devices.records.alerts import Trouble
from services.devices.records.apps import AppOnDevice
from services.devices.records.rollouts import Rollout
from services.devices.rollouts.turns import Driver, Turns
from services.devices.rules import rollouts as rollout_rules
from services.devices.rules.rollouts import Act
from services.devices.store import rollouts as store
from services.devices.store.app_states import state_list_of
from services.devices.store.devices import clock
from shared import audit
from shared.database import Connection, Database
from shared.errors import PublicError
from shared.nudge import Nudge

LOOK_EVERY_S: Final = 0.5
MOST_ROLLOUTS: Final = 200
BATCH: Final = 20
"""Turns between two looks at what became of the ones before, so that a budget stops soon."""
STEPS_AT_ONCE: Final = 10
"""Of one rollout, before the others are looked at."""
SERVICE: Final = audit.Actor(audit.ActorKind.SERVICE, "devices")

log = structlog.get_logger()


class RolloutDriving:
    """Has them go on."""

    def __init__(self, database: Database, turns: Turns, alerting: Alerting) -> None:
        """Drive the rollouts of `database` by `turns`, as a process of its own."""
        self._database = database
        self._turns = turns
        self._alerting = alerting
        self._driver = Driver(uuid4())
        self._nudge = Nudge()

    def wake(self) -> None:
        """A rollout was changed: look now."""
        self._nudge.give()
        self._alerting.wake()

    async def goes_on(self, connection: Connection, rollout: Rollout) -> None:
        """With the transaction of `connection`: somebody has seen to the rollout that had stopped."""
        trouble = _trouble(rollout)
        await self._alerting.resolve(connection, trouble.kind, trouble.project_key, trouble.subject)

    async def keep_up(self) -> None:
        """Wait until something may be due, half a second at most, and have every rollout go on.

        Raises:
            PublicError: One of them could not, after all others have.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        keys = await self._database.run(
            lambda connection: store.rollout_list_under_way(connection, limit=MOST_ROLLOUTS)
        )
        failed: PublicError | None = None
        for key in keys:
            try:
                await self._drive(key)
            except PublicError as error:
                log.warning("rollout_held_up", rollout_key=key, reason=error.message)
                failed = error
        if failed is not None:
            raise failed

    async def _drive(self, rollout_key: int) -> None:
        for _ in range(STEPS_AT_ONCE):
            found = await self._look(rollout_key)
            if found is None:
                return
            if found.act is Act.ORDER:
                await self._give_turns(found)
            elif found.act not in (Act.END_WAVE, Act.NEXT_WAVE):
                return
        self._nudge.give()

    async def _look(self, rollout_key: int) -> "_Look | None":
        """Judge the turns, and do what is next where that is no turn; None where another process drives it."""
        async with self._database.transaction() as connection:
            rollout = await self._driver.locked(connection, rollout_key)
            if rollout is None:
                return None
            now = await clock(connection)
            if rollout.state != "aborting":
                await _judge(connection, rollout, now)
            tallies = await store.wave_list(connection, rollout)
            act = rollout_rules.next_act(rollout, tallies, now)
            await _do(connection, rollout, act, now)
            if act is Act.STOP:
                await self._alerting.raise_(connection, _trouble(rollout))
        if act is Act.STOP:
            self._alerting.wake()
        return _Look(rollout, act, rollout.pace.at_once - sum(each.ordered for each in tallies))

    async def _give_turns(self, look: "_Look") -> None:
        rollout = look.rollout
        if rollout.state == "aborting":
            turns = await self._database.run(
                lambda one: store.turn_list_of(one, rollout.rollout_key, ("ordered", "done", "failed"))
            )
            for turn in turns[:BATCH]:
                await self._turns.take_back(self._driver, rollout, turn)
            return
        limit = min(BATCH, look.room)
        for turn in await self._database.run(lambda one: store.turn_list_due(one, rollout, limit=limit)):
            await self._turns.give(self._driver, rollout, turn)


@frozen
class _Look:
    """What is next for a rollout, and how many more may have their turn at the same time."""

    rollout: Rollout
    act: Act
    room: int


async def _judge(connection: Connection, rollout: Rollout, now: datetime) -> None:
    turns = await store.turn_list_of(connection, rollout.rollout_key, ("ordered",))
    turns += await store.turn_list_failed_late(connection, rollout)
    apps: dict[int, AppOnDevice] = {}
    if turns and rollout.aim.app_key is not None and rollout.aim.stage is not None:
        keys = [turn.device_key for turn in turns]
        apps = await state_list_of(connection, rollout.aim.app_key, rollout.aim.stage, keys)
    for turn in turns:
        found = rollout_rules.verdict(rollout, turn, apps.get(turn.device_key), now)
        if found is not None:
            await store.turn_set(connection, turn, found.state, found.reason)


async def _do(connection: Connection, rollout: Rollout, act: Act, now: datetime) -> None:
    match act:
        case Act.END_WAVE:
            await store.rollout_set(connection, evolve(rollout, wave_ended_at=now))
        case Act.NEXT_WAVE:
            await store.rollout_set(connection, evolve(rollout, wave=rollout.wave + 1, wave_ended_at=None))
        case Act.STOP:
            stopped = evolve(rollout, state="stopped", reason=rollout_rules.OVER_BUDGET)
            await store.rollout_set(connection, stopped)
            await audit.record(connection, draft_of(stopped, audit.Action.ROLLOUT_STOPPED, SERVICE, {}))
        case Act.END:
            ended = evolve(rollout, state="aborted" if rollout.state == "aborting" else "done")
            await store.rollout_set(connection, ended)
            await audit.record(connection, draft_of(ended, audit.Action.ROLLOUT_ENDED, SERVICE, {}))
        case Act.ORDER | Act.HOLD:
            pass
        case _:
            assert_never(act)


def _trouble(rollout: Rollout) -> Trouble:
    """What is told of a rollout that stops."""
    return Trouble(
        "rollout_stopped",
        rollout.project_key,
        f"rollout/{rollout.rollout_key}",
        {"name": str(rollout.rollout_key), "reason": rollout_rules.OVER_BUDGET},
    )


def draft_of(rollout: Rollout, action: audit.Action, actor: audit.Actor, told: Mapping[str, Any]) -> audit.Draft:
    """An entry about the rollout as it is now; `told` is what else is to be said of it."""
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.STATE,
        actor=actor,
        asset=audit.Asset("rollout", rollout.rollout_key),
        project_key=rollout.project_key,
        after={"state": rollout.state, "wave": rollout.wave, **told},
        reason=rollout.reason,
    )

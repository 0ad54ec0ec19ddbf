"""What people do with rollouts."""

from collections import Counter

from services.devices.assembly import Parts
from services.devices.records.rollouts import (
    AbortRollout,
    ListRollouts,
    NameRollout,
    Plan,
    PlanRollout,
    ResumeRollout,
    RolloutDetails,
    RolloutPage,
    ShownRollout,
    ShowRollout,
    StartRollout,
)
from services.devices.rules import rollouts as rollout_rules
from shared.identities import MAX_KEY, Person
from shared.paging import page, position_after
from shared.procedures import Progress, for_people


class RolloutProcedures:
    """Devices' procedures about rollouts."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._rollouts = parts.rollouts.rollouts
        self._watching = parts.rollouts.watching

    @for_people("ironflock.devices.rollout.plan", PlanRollout, is_reading=True, is_narrowing=True)
    async def rollout_plan(self, person: Person, request: PlanRollout) -> Plan:
        """What a rollout would do: which devices in which wave, and which in none and why (`READ` on the project)."""
        after = position_after(request.cursor)
        planned = await self._rollouts.plan(person, request)
        rest = [device for device in planned.devices if device.device_key > after]
        devices, cursor = page(rest[: request.limit + 1], request.limit, lambda device: device.device_key)
        return Plan(
            digest=planned.digest,
            version=None if planned.aim.release is None else planned.aim.release.version,
            flags=planned.flags,
            needs_develop=planned.needs_develop,
            waves=planned.sizes,
            budget=rollout_rules.count_of(request.pace.budget, sum(planned.sizes)),
            left_out=dict(Counter(each.left_out for each in planned.devices if each.left_out is not None)),
            devices=devices,
            next=cursor,
        )

    @for_people("ironflock.devices.rollout.start", StartRollout, is_narrowing=True)
    async def rollout_start(self, person: Person, request: StartRollout) -> ShownRollout:
        """Start a rollout (`READ` on the project, and on each device the flag of what is done; others are left out)."""
        return await self._rollouts.start(person, request)

    @for_people("ironflock.devices.rollout.list", ListRollouts, is_reading=True, is_narrowing=True)
    async def rollout_list(self, person: Person, request: ListRollouts) -> RolloutPage:
        """The rollouts of a project (flag `READ`), the newest first, paged."""
        before = position_after(request.cursor) or MAX_KEY
        rows = await self._rollouts.newest(person, request.project, before=before, limit=request.limit + 1)
        rollouts, cursor = page(rows, request.limit, lambda rollout: rollout.rollout_key)
        return RolloutPage(rollouts=rollouts, next=cursor)

    @for_people("ironflock.devices.rollout.show", ShowRollout, is_reading=True, is_narrowing=True)
    async def rollout_show(self, person: Person, request: ShowRollout) -> RolloutDetails:
        """A rollout, and what became of its devices, paged (`READ` on the project)."""
        after = position_after(request.cursor)
        rollout = await self._rollouts.find(person, request.rollout)
        rows = await self._rollouts.turns(person, rollout, state=request.state, after=after, limit=request.limit + 1)
        devices, cursor = page(rows, request.limit, lambda turn: turn.device_key)
        return RolloutDetails(await self._rollouts.shown(rollout), devices, cursor)

    @for_people("ironflock.devices.rollout.watch", NameRollout, is_stream=True, is_reading=True, is_narrowing=True)
    async def rollout_watch(self, person: Person, request: NameRollout, progress: Progress) -> None:
        """Progressive: the rollout, then each change of it and of its devices, until it has ended or was stopped."""
        await self._watching.run(person, request.rollout, progress)

    @for_people("ironflock.devices.rollout.pause", NameRollout, is_narrowing=True)
    async def rollout_pause(self, person: Person, request: NameRollout) -> ShownRollout:
        """No device gets a turn until the rollout is resumed (who started it, or `UPDATE` on the project)."""
        return await self._rollouts.pause(person, request.rollout)

    @for_people("ironflock.devices.rollout.resume", ResumeRollout, is_narrowing=True)
    async def rollout_resume(self, person: Person, request: ResumeRollout) -> ShownRollout:
        """A rollout that was paused, or stopped at its budget, goes on; rights as `pause`."""
        return await self._rollouts.resume(person, request.rollout, retry=request.retry)

    @for_people("ironflock.devices.rollout.abort", AbortRollout, is_narrowing=True)
    async def rollout_abort(self, person: Person, request: AbortRollout) -> ShownRollout:
        """A rollout ends; rolling back needs the flag of what was done on each device. Rights as `pause`."""
        return await self._rollouts.abort(person, request.rollout, roll_back=request.roll_back)

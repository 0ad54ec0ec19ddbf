"""What people want of rollouts: a plan beforehand, a start, a look at any time, and to pause, resume and abort them."""

from functools import partial
from typing import Any, Final

from attrs import evolve, frozen

from services.devices.apps.installs import Installs
from services.devices.apps.releases import Releases
from services.devices.reaching import NO_DEVICE, Reaching
from services.devices.records.apps import AppRelease, Install
from services.devices.records.devices import READ, Device, Project, Reach, Search
from services.devices.records.rollouts import (
    MAX_DEVICES,
    Aim,
    Candidate,
    PlannedDevice,
    PlanRollout,
    Rollout,
    RolloutState,
    ShownRollout,
    ShownTurn,
    StartRollout,
    Turn,
    TurnState,
)
from services.devices.rollouts.driving import RolloutDriving, draft_of
from services.devices.rules import devices as rules
from services.devices.rules import rollouts as rollout_rules
from services.devices.rules.apps import NO_RELEASE
from services.devices.store import devices
from services.devices.store import rollouts as store
from services.devices.store.app_states import state_list_of
from services.devices.store.devices import clock
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.identities import Person
from shared.names import lookup_name
from shared.rights.decision_point import Rights

NO_ROLLOUT: Final = "there is no such rollout, or you may not see it"
NOT_YOURS: Final = "this needs UPDATE on the project, or to have started the rollout"
ENDED: Final = "this rollout has ended"
ABORTED: Final = "the rollout was aborted"
OTHER_PLAN: Final = "the plan is another one by now; look at it again"
NOBODY: Final = "no device would get a turn; the plan says why"
TOO_MANY: Final = f"a rollout is for {MAX_DEVICES} devices at most"
NOT_TAKEN_BACK: Final = "an update of an agent cannot be taken back"
BATCH: Final = 1_000


@frozen
class Planned:
    """What a rollout would do: to which devices, in waves of which sizes; who starts it needs `flags` on each."""

    project: Project
    aim: Aim
    flags: list[str]
    needs_develop: list[str]
    meant: dict[str, Any]
    devices: list[PlannedDevice]
    sizes: list[int]
    digest: str


class Rollouts:
    """Plans rollouts, starts them, and lets people steer them."""

    def __init__(  # noqa: PLR0917 - the parts that it takes
        self,
        database: Database,
        reaching: Reaching,
        rights: Rights,
        installs: Installs,
        releases: Releases,
        driving: RolloutDriving,
    ) -> None:
        """Work with these."""
        self._database = database
        self._reaching = reaching
        self._rights = rights
        self._installs = installs
        self._releases = releases
        self._driving = driving

    async def plan(self, person: Person, request: PlanRollout | StartRollout) -> Planned:
        """What such a rollout would do now.

        Raises:
            NotFoundError: There is no such project, group, device or release, or they may not see it.
            ConflictError: The project does not have the app, or no release of it.
            OverLimitError: It is for too many devices.
        """
        project = await self._reaching.project(person, READ, request.project)
        given = Aim(rollout_rules.action_of(request.action), request.app, request.stage)
        rollout_rules.check(given, request.pace)
        if request.version is not None and given.action not in rollout_rules.WITH_RELEASE:
            raise InvalidArgumentError("`version` is for `upgrade` and `install`", argument="version")
        aim = evolve(given, release=await self._release(project, given, request.version))
        meant, found = await self._meant(person, project, request)
        where = (await self._releases.contents(aim.release)).needs_develop
        flags = rollout_rules.flags(aim.action, needs_develop=bool(where))
        candidates = await self._candidates(person, aim, found, flags)
        planned, sizes = rollout_rules.planned(aim, request.pace, candidates)
        digest = rollout_rules.digest(aim, request.pace, planned)
        return Planned(project, aim, flags, where, meant, planned, sizes, digest)

    async def start(self, person: Person, request: StartRollout) -> ShownRollout:
        """The rollout has begun: every device of its plan is to have its turn.

        Raises:
            ConflictError: No device would have one, or the plan is another one than `request.digest` says.
            NotAuthorizedError: The person has the flag on none of them. Others as `plan`.
        """
        planned = await self.plan(person, request)
        _refuse_idle(planned)
        if request.digest not in (None, planned.digest):
            raise ConflictError(OTHER_PLAN, reason="other_plan")
        waves = [(each.device_key, each.wave) for each in planned.devices if each.wave is not None]
        async with self._database.transaction() as connection:
            await store.project_lock_in_txn(connection, planned.project.project_key)
            keys, aim = [device_key for device_key, _ in waves], planned.aim
            if await store.turn_list_taken(connection, keys, aim.app_key, aim.stage):
                raise ConflictError(OTHER_PLAN, reason="other_plan")
            key = await store.rollout_insert(
                connection,
                project_key=planned.project.project_key,
                aim=aim,
                meant=planned.meant,
                pace=request.pace,
                account_key=person.account_key,
                credential=person.credential,
                waves=len(planned.sizes),
            )
            await store.turn_insert(connection, key, waves)
            rollout = await _present(connection, key)
            told = _told(rollout, len(waves))
            draft = draft_of(rollout, audit.Action.ROLLOUT_STARTED, audit.actor_of(person), told)
            await audit.record(connection, evolve(draft, session=person.session or None))
        self._driving.wake()
        return await self.shown(rollout)

    async def find(self, person: Person, rollout_key: int) -> Rollout:
        """The rollout, where the person has `READ` on its project.

        Raises:
            NotFoundError: There is none, or they may not see it.
        """
        found = await self._database.run(lambda connection: store.rollout_find(connection, rollout_key))
        if found is None:
            raise NotFoundError(NO_ROLLOUT)
        try:
            await self._reaching.project(person, READ, found.project_key)
        except NotFoundError as error:
            raise NotFoundError(NO_ROLLOUT) from error
        return found

    async def again(self, rollout: Rollout) -> Rollout:
        """The rollout as it is now."""
        return await self._database.run(lambda connection: _present(connection, rollout.rollout_key))

    async def newest(self, person: Person, project: int | str, *, before: int, limit: int) -> list[ShownRollout]:
        """At most `limit` rollouts of the project with keys below `before`, the newest first."""
        found = await self._reaching.project(person, READ, project)
        rollouts = await self._database.run(
            lambda connection: store.rollout_list(connection, found.project_key, before=before, limit=limit)
        )
        return [await self.shown(rollout) for rollout in rollouts]

    async def shown(self, rollout: Rollout) -> ShownRollout:
        """The rollout as people see it."""
        async with self._database.transaction() as connection:
            tallies = await store.wave_list(connection, rollout)
            return rollout_rules.shown(rollout, tallies, await clock(connection))

    async def turns(
        self, person: Person, rollout: Rollout, *, state: TurnState | None, after: int, limit: int
    ) -> list[ShownTurn]:
        """At most `limit` turns of devices with keys above `after`, in the order of keys."""
        key = rollout.rollout_key
        turns = await self._database.run(
            lambda connection: store.turn_list(connection, key, state=state, after=after, limit=limit)
        )
        return await self.named(person, rollout, turns)

    async def named(self, person: Person, rollout: Rollout, turns: list[Turn]) -> list[ShownTurn]:
        """The turns, with the names of those devices that the person may see."""
        reach = await self._reaching.devices_in(person, frozenset({rollout.project_key}))
        keys = [turn.device_key for turn in turns]
        found = await self._database.run(lambda one: devices.device_list_within(one, reach, keys))
        names = {device.device_key: device.name for device in found}
        return [
            ShownTurn(
                device_key=turn.device_key,
                name=names.get(turn.device_key),
                wave=turn.wave,
                state=turn.state,
                reason=turn.reason,
                ordered_at=turn.ordered_at,
                ended_at=turn.ended_at,
            )
            for turn in turns
        ]

    async def pause(self, person: Person, rollout_key: int) -> ShownRollout:
        """No device gets a turn before the rollout is resumed; what has begun goes on. Repeating it changes nothing."""
        async with self._database.transaction() as connection:
            rollout = await self._locked(connection, await self._steered(person, rollout_key))
            _refuse_unless(rollout, "running", "paused", "stopped")
            if rollout.state == "running":
                rollout = await _set(connection, person, rollout, audit.Action.ROLLOUT_PAUSED, state="paused")
        return await self.shown(rollout)

    async def resume(self, person: Person, rollout_key: int, *, retry: bool) -> ShownRollout:
        """It goes on, and failures of before count no more. Repeating it changes nothing."""
        meant = await self._steered(person, rollout_key)
        async with self._database.transaction() as connection:
            rollout = await self._locked(connection, meant)
            _refuse_unless(rollout, "running", "paused", "stopped")
            if rollout.state != "running":
                await store.turn_forgive(connection, rollout_key, retry=retry)
                action = audit.Action.ROLLOUT_RESUMED
                rollout = await _set(connection, person, rollout, action, state="running", retry=retry)
                await self._driving.goes_on(connection, rollout)
        self._driving.wake()
        return await self.shown(rollout)

    async def abort(self, person: Person, rollout_key: int, *, roll_back: bool) -> ShownRollout:
        """No device gets a turn any more; with `roll_back` each app is to be as it was wanted before its turn.

        Raises:
            ConflictError: It has ended, or cannot be taken back.
        """
        meant = await self._steered(person, rollout_key)
        if roll_back and meant.aim.action == "update_agent":
            raise ConflictError(NOT_TAKEN_BACK)
        async with self._database.transaction() as connection:
            rollout = await self._locked(connection, meant)
            _refuse_unless(rollout, "running", "paused", "stopped")
            await store.turn_skip_waiting(connection, rollout_key, ABORTED)
            state: RolloutState = "aborting" if roll_back else "aborted"
            by = evolve(rollout, by_account_key=person.account_key)
            rollout = await _set(connection, person, by, audit.Action.ROLLOUT_ABORTED, state=state, roll_back=roll_back)
            await self._driving.goes_on(connection, rollout)
        self._driving.wake()
        return await self.shown(rollout)

    async def _release(self, project: Project, aim: Aim, version: str | None) -> AppRelease | None:
        if aim.app_key is None or aim.stage is None:
            return None
        found = await self._installs.require(Install(project.project_key, aim.app_key, aim.stage))
        if aim.action not in rollout_rules.WITH_RELEASE:
            return None
        if version is not None:
            return await self._installs.release(aim.app_key, version)
        if found.release_key is None or found.version is None:
            raise ConflictError(NO_RELEASE)
        return AppRelease(found.release_key, found.version)

    async def _meant(
        self, person: Person, project: Project, request: PlanRollout | StartRollout
    ) -> tuple[dict[str, Any], list[Device]]:
        """What the devices were named by, and the devices that the person may see of them."""
        if request.group is not None and request.devices is not None:
            raise InvalidArgumentError("name a group or devices, not both", argument="group")
        if request.group is not None:
            group = await self._reaching.group(person, READ, request.group, project.project_key)
            return {"group": group.group_key}, await self._visible(person, project, group.group_key)
        found = await self._visible(person, project, None)
        if request.devices is None:
            return {"project": project.project_key}, found
        keys = _keys_of(found, request.devices)
        return {"devices": len(keys)}, [device for device in found if device.device_key in keys]

    async def _visible(self, person: Person, project: Project, group_key: int | None) -> list[Device]:
        reach = await self._reaching.devices_in(person, frozenset({project.project_key}))
        found: list[Device] = []
        while len(found) <= MAX_DEVICES:
            rows = await self._database.run(partial(_page, reach, found[-1].device_key if found else 0, group_key))
            found += rows
            if len(rows) < BATCH:
                return found
        raise OverLimitError(TOO_MANY)

    async def _candidates(self, person: Person, aim: Aim, found: list[Device], flags: list[str]) -> list[Candidate]:
        holdings = await self._rights.holdings_now(person.account_key)
        keys = [device.device_key for device in found]
        async with self._database.transaction() as connection:
            taken = await store.turn_list_taken(connection, keys, aim.app_key, aim.stage)
            apps = {}
            if aim.app_key is not None and aim.stage is not None:
                apps = await state_list_of(connection, aim.app_key, aim.stage, keys)
        candidates = []
        for device in found:
            app, place = apps.get(device.device_key), rules.domain(device.project_key)
            candidates.append(
                Candidate(
                    device_key=device.device_key,
                    name=device.name,
                    is_online=device.status in ("CONNECTED", "EMERGENCY"),
                    is_leaving=device.state == "deleting",
                    has_flag=all(
                        self._rights.judge(holdings, flag, rules.asset(device), place).allowed for flag in flags
                    ),
                    has_architecture=bool(device.architecture),
                    is_taken=device.device_key in taken,
                    target=None if app is None else app.target,
                    state=None if app is None else app.state,
                    release=None if app is None else app.release,
                    present=None if app is None else app.present,
                )
            )
        return candidates

    async def _steered(self, person: Person, rollout_key: int) -> Rollout:
        rollout = await self.find(person, rollout_key)
        if rollout.account_key == person.account_key:
            return rollout
        try:
            await self._reaching.project(person, "UPDATE", rollout.project_key)
        except NotAuthorizedError as error:
            raise NotAuthorizedError(NOT_YOURS, **_rest(error)) from error
        return rollout

    async def _locked(self, connection: Connection, meant: Rollout) -> Rollout:
        found = await store.rollout_lock_in_txn(connection, meant.rollout_key)
        if found is None:
            raise NotFoundError(NO_ROLLOUT)
        return found


async def _page(reach: Reach, after: int, group_key: int | None, connection: Connection) -> list[Device]:
    search = Search(group_key=group_key)
    return await devices.device_list(connection, reach, after=after, limit=BATCH, search=search)


def _keys_of(found: list[Device], wanted: list[int | str]) -> set[int]:
    """The keys of the devices that are named by key or name.

    Raises:
        NotFoundError: One of them is not there, or may not be seen.
    """
    keys = {device.device_key for device in found}
    names = {lookup_name(device.name): device.device_key for device in found}
    chosen = {each if isinstance(each, int) else names.get(lookup_name(each), 0) for each in wanted}
    if not chosen <= keys:
        raise NotFoundError(NO_DEVICE)
    return chosen


def _refuse_idle(planned: Planned) -> None:
    if planned.sizes:
        return
    if planned.devices and all(each.left_out == "flag_missing" for each in planned.devices):
        flag = planned.flags[-1]
        named = " and ".join(planned.flags)
        raise NotAuthorizedError(
            f"this needs {named} on a device at least; ask somebody who has GRANT there", flag=flag
        )
    raise ConflictError(NOBODY, reason="no_devices")


def _refuse_unless(rollout: Rollout, *states: RolloutState) -> None:
    if rollout.state not in states:
        raise ConflictError(ENDED)


async def _present(connection: Connection, rollout_key: int) -> Rollout:
    found = await store.rollout_find(connection, rollout_key)
    if found is None:
        raise NotFoundError(NO_ROLLOUT)
    return found


async def _set(
    connection: Connection,
    person: Person,
    rollout: Rollout,
    action: audit.Action,
    *,
    state: RolloutState,
    **told: Any,
) -> Rollout:
    """The rollout in another state, with its entry."""
    after = evolve(rollout, state=state, reason=None)
    await store.rollout_set(connection, after)
    draft = draft_of(after, action, audit.actor_of(person), told)
    await audit.record(connection, evolve(draft, before={"state": rollout.state}, session=person.session or None))
    return await _present(connection, rollout.rollout_key)


def _told(rollout: Rollout, number: int) -> dict[str, Any]:
    aim = rollout.aim
    version = None if aim.release is None else aim.release.version
    what = {"action": aim.action, "app_key": aim.app_key, "stage": aim.stage, "version": version}
    return {**what, "meant": rollout.meant, "devices": number, "waves": rollout.waves}


def _rest(error: NotAuthorizedError) -> dict[str, Any]:
    return {name: value for name, value in error.details().items() if name not in ("code", "message")}

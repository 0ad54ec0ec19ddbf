"""The turn of one device in a rollout: the flag once more, then wish, turn and entry in one transaction."""

from typing import Final
from uuid import UUID, uuid4

from attrs import evolve, frozen

from services.devices.apps.installs import Installs
from services.devices.apps.releases import Releases
from services.devices.apps.states import AppStates, Placing, Spot, change_in_txn, install_in_txn
from services.devices.operations.agent_calls import AgentCalls
from services.devices.operations.intents import Intents
from services.devices.operations.operating import LATEST_S, draft_of
from services.devices.projects import Credentials
from services.devices.records.apps import AppOnDevice, AppRelease, Install, Stage
from services.devices.records.devices import Device
from services.devices.records.rollouts import Before, Rollout, Turn
from services.devices.rules import apps as app_rules
from services.devices.rules import devices as rules
from services.devices.rules import operations
from services.devices.rules import rollouts as rollout_rules
from services.devices.store import rollouts as store
from services.devices.store.app_states import state_find, state_lock_in_txn
from services.devices.store.devices import device_find, device_lock_in_txn
from shared import audit
from shared.bus import Bus
from shared.database import Connection, Database
from shared.errors import (
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    OverLimitError,
    PublicError,
)
from shared.identities import Person
from shared.rights.decision_point import Rights

LEASE_S: Final = 15.0
"""For how long a rollout whose process died waits for another one."""


@frozen
class Driver:
    """The process that has rollouts go on."""

    key: UUID

    async def locked(self, connection: Connection, rollout_key: int) -> Rollout | None:
        """The rollout, locked; None where another process drives it, or it has ended."""
        return await store.rollout_drive_in_txn(connection, rollout_key, self.key, for_s=LEASE_S)


@frozen
class _Meant:
    """The device whose turn it is, and the release that who started the rollout may put there."""

    device: Device
    release: AppRelease | None


class Turns:
    """Gives devices their turns, and takes them back."""

    def __init__(  # noqa: PLR0917 - the parts that a turn takes
        self,
        bus: Bus,
        database: Database,
        rights: Rights,
        installs: Installs,
        releases: Releases,
        credentials: Credentials,
        app_states: AppStates,
        agents: AgentCalls,
        intents: Intents,
    ) -> None:
        """Work with these."""
        self._bus = bus
        self._database = database
        self._rights = rights
        self._installs = installs
        self._releases = releases
        self._credentials = credentials
        self._app_states = app_states
        self._agents = agents
        self._intents = intents

    async def give(self, driver: Driver, rollout: Rollout, turn: Turn) -> None:
        """The device has its turn, or is left out; nothing is done where the rollout does not go on.

        Raises:
            UnavailableError, OverLimitError: Rights cannot be looked up, or a part is away: the turn is still to come.
        """
        device = await self._found(turn.device_key)
        release = rollout.aim.release if device is None else await self._put_there(rollout, device)
        refusal = await self._refusal(rollout, rollout.account_key, device, release)
        if refusal is not None or device is None:
            await self._skip(driver, rollout, turn, refusal or rollout_rules.GONE)
        elif rollout.aim.action == "update_agent":
            await self._update_agent(driver, rollout, turn, device)
        else:
            await self._wish(driver, rollout, turn, _Meant(device, release))

    async def take_back(self, driver: Driver, rollout: Rollout, turn: Turn) -> None:
        """The app is to be as it was wanted before the turn, where nobody wants something else by now; as `give`."""
        account_key = rollout.by_account_key or rollout.account_key
        device = await self._found(turn.device_key)
        release = turn.before.release if rollout.aim.action in rollout_rules.WITH_RELEASE else None
        refusal = await self._refusal(rollout, account_key, device, release)
        async with self._database.transaction() as connection:
            if not await self._is_to_go_back(connection, driver, turn):
                return
            if refusal is not None or device is None:
                await store.turn_set(connection, turn, "skipped", refusal)
                return
            await self._put_back(connection, rollout, turn, _spot(rollout, device, account_key))
        self._app_states.wake()

    async def _put_back(self, connection: Connection, rollout: Rollout, turn: Turn, spot: Spot) -> None:
        app = await _locked_app(connection, spot)
        if rollout_rules.is_to_stay(rollout.aim, turn.before, app):
            await store.turn_set(connection, turn, "skipped", rollout_rules.OVERTAKEN)
            return
        try:
            if turn.before.target is None:
                await self._app_states.uninstall_in_txn(connection, spot)
            else:
                await change_in_txn(connection, spot, lambda app: rollout_rules.put_back(rollout.aim, turn.before, app))
        except (ConflictError, NotFoundError) as error:
            await store.turn_set(connection, turn, "skipped", error.message)
        else:
            await store.turn_set(connection, turn, "rolled_back", None)

    async def _is_to_go_back(self, connection: Connection, driver: Driver, turn: Turn) -> bool:
        rollout = await driver.locked(connection, turn.rollout_key)
        now = await store.turn_lock_in_txn(connection, turn.rollout_key, turn.device_key)
        is_aborting = rollout is not None and rollout.state == "aborting"
        return is_aborting and now is not None and now.state in ("ordered", "done", "failed")

    async def _found(self, device_key: int) -> Device | None:
        return await self._database.run(lambda connection: device_find(connection, device_key))

    async def _refusal(
        self, rollout: Rollout, account_key: int, device: Device | None, release: AppRelease | None
    ) -> str | None:
        if device is None or device.project_key != rollout.project_key or device.state == "deleting":
            return rollout_rules.GONE
        flag, place = rollout_rules.FLAGS[rollout.aim.action], rules.domain(device.project_key)
        decision = await self._rights.decide(account_key, flag, rules.asset(device), place)
        if not decision.allowed:
            return rollout_rules.NO_FLAG
        return None if await self._releases.may(account_key, device, release) else rollout_rules.NO_DEVELOP

    async def _put_there(self, rollout: Rollout, device: Device) -> AppRelease | None:
        """The release that the turn puts on the device; where it is about none, one that had been removed."""
        aim = rollout.aim
        if aim.action not in ("start", "stop"):
            return aim.release
        where = (device.device_key, *_app_of(rollout))
        app = await self._database.run(lambda connection: state_find(connection, *where))
        return None if app is None else app_rules.put_there(app, rollout_rules.wanted(aim, app))

    async def _skip(self, driver: Driver, rollout: Rollout, turn: Turn, reason: str) -> None:
        async with self._database.transaction() as connection:
            if await _has_turn(connection, driver, rollout, turn):
                await store.turn_set(connection, turn, "skipped", reason)

    async def _wish(self, driver: Driver, rollout: Rollout, turn: Turn, meant: _Meant) -> None:
        spot = _spot(rollout, meant.device, rollout.account_key)
        placing = await self._placing(rollout, meant.device) if rollout.aim.action == "install" else None
        async with self._database.transaction() as connection:
            if not await _has_turn(connection, driver, rollout, turn):
                return
            app = await _locked_app(connection, spot)
            before = rollout_rules.before_of(app)
            try:
                app = await _wished(connection, rollout, spot, placing or meant.release)
            except (ConflictError, NotFoundError, OverLimitError) as error:  # by the device's rules, not the server's
                await store.turn_set(connection, turn, "skipped", error.message)
            else:
                await store.turn_order(connection, turn, app.revision, before)
        self._app_states.wake()

    async def _placing(self, rollout: Rollout, device: Device) -> Placing:
        app_key, stage = _app_of(rollout)
        found = await self._installs.find(Install(device.project_key, app_key, stage))
        epoch = await self._credentials.app_epoch(device.device_key, app_key, stage)
        return Placing(found, rollout.aim.release, epoch, is_named=True)

    async def _update_agent(self, driver: Driver, rollout: Rollout, turn: Turn, device: Device) -> None:
        """Asked once at most, beside what else is to be done: a process that dies leaves a turn whose time runs out."""
        person = Person(rollout.account_key, 0, rollout.credential)
        draft = draft_of(person, device, {"operation": operations.UPDATE_AGENT.verb})
        order = evolve(draft, request_id=str(uuid4()), reason=_because(rollout))
        async with self._database.transaction() as connection:
            if not await _has_turn(connection, driver, rollout, turn):
                return
            for_s = operations.UPDATE_AGENT.time_limit_s + LATEST_S
            try:
                await self._intents.begin_intent(connection, device, order, for_s=for_s, is_holding=True)
            except (ConflictError, NotFoundError) as error:
                await store.turn_set(connection, turn, "skipped", error.message)
                return
            await store.turn_order(connection, turn, None, Before())
        _ = self._bus.task(self._have_updated(turn, device, order, rollout.account_key))

    async def _have_updated(self, turn: Turn, device: Device, order: audit.Draft, account_key: int) -> None:
        refusal = await self._asked(device, account_key)
        async with self._database.transaction() as connection:
            now = await store.turn_lock_in_txn(connection, turn.rollout_key, turn.device_key)
            if now is not None and now.state == "ordered":
                await store.turn_set(connection, turn, "done" if refusal is None else "failed", refusal)
            outcome = audit.Outcome.DONE if refusal is None else audit.Outcome.FAILED
            reason = order.reason if refusal is None else f"{order.reason}: {refusal}"
            await self._intents.end_intent(connection, evolve(order, outcome=outcome, reason=reason))

    async def _asked(self, device: Device, account_key: int) -> str | None:
        """Why the agent did not update itself, None where it did."""
        operation = operations.UPDATE_AGENT
        try:
            said = await self._agents.ask(device, operation.procedure, account_key, time_limit_s=operation.time_limit_s)
            operations.answer(operation, said.args, said.kwargs)
        except OutcomeUnknownError:
            return "no answer came"
        except PublicError as error:
            return error.message
        return None


async def _wished(
    connection: Connection, rollout: Rollout, spot: Spot, put: Placing | AppRelease | None
) -> AppOnDevice:
    """The app as its turn has it; `put` is all that is put on the device with it."""
    if isinstance(put, Placing):
        return await install_in_txn(connection, spot, put)
    return await change_in_txn(
        connection, spot, lambda app: app_rules.as_allowed(app, rollout_rules.wanted(rollout.aim, app), put)
    )


async def _locked_app(connection: Connection, spot: Spot) -> AppOnDevice | None:
    """The app of the device, if it is there; the device is locked before it, as everywhere."""
    key = spot.device.device_key
    await device_lock_in_txn(connection, key)
    return await state_lock_in_txn(connection, key, spot.app_key, spot.stage)


async def _has_turn(connection: Connection, driver: Driver, rollout: Rollout, turn: Turn) -> bool:
    """Whether the rollout goes on, by this process, and the device still waits for its turn; both are locked then."""
    now = await driver.locked(connection, rollout.rollout_key)
    if now is None or now.state != "running":
        return False
    waiting = await store.turn_lock_in_txn(connection, turn.rollout_key, turn.device_key)
    return waiting is not None and waiting.state == "waiting"


def _spot(rollout: Rollout, device: Device, account_key: int) -> Spot:
    app_key, stage = _app_of(rollout)
    credential = rollout.credential if account_key == rollout.account_key else None
    return Spot(Person(account_key, 0, credential), device, app_key, stage, _because(rollout))


def _app_of(rollout: Rollout) -> tuple[int, Stage]:
    if rollout.aim.app_key is None or rollout.aim.stage is None:
        raise LookupError("this rollout is about no app")
    return rollout.aim.app_key, rollout.aim.stage


def _because(rollout: Rollout) -> str:
    return f"rollout {rollout.rollout_key}"

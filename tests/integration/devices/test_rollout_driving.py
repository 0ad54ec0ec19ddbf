"""Rollouts go on: agents are updated, one process at a time drives, whichever dies; watches tell of it."""

import asyncio
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices.operations.intents import UNKNOWN
from services.devices.operations.operating import draft_of
from services.devices.records.rollouts import (
    AbortRollout,
    NameRollout,
    Pace,
    RolloutNews,
    StartRollout,
)
from services.devices.rollouts import turns as rollout_turns
from services.devices.rollouts.driving import RolloutDriving
from services.devices.store import app_states as app_store
from services.devices.store import rollouts as rollout_store
from services.devices.store.devices import device_lock_in_txn
from services.devices.store.intents import intent_is_holding
from shared.errors import ConflictError, NotFoundError
from shared.flags import AssetKind
from tests.harness.rights import project
from tests.harness.waiting import eventually
from tests.integration.devices.rollout_fleet import RolloutFleet, turn_parts
from tests.integration.devices.world import ANNA, Crash

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_agents_are_updated_once_at_most(fleet: RolloutFleet) -> None:
    agents = await fleet.add(3)
    heard: list[int] = []

    def answering(key: int, answer: Any) -> Any:
        def answered(**_: Any) -> Any:
            heard.append(key)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return answered

    refusal = ApplicationError("wamp.error.canceled", {"error": "no space"})
    for agent, answer in zip(agents, ({"newVersion": "2"}, refusal, {}), strict=True):
        fleet.world.router.answers[agent.uri.replace("request_app_state", "update_agent")] = answering(
            agent.key, answer
        )
    started = await fleet.procedures.rollout_start(ANNA, StartRollout(3, "update_agent", pace=Pace(budget=1)))
    await fleet.go_on()
    await fleet.world.settle()
    await fleet.until(started.rollout_key, "done")

    assert await fleet.states(started.rollout_key) == {"done": 2, "failed": 1}
    assert sorted(heard) == [agent.key for agent in agents]
    rows = fleet.world.postgres.rows(
        "SELECT outcome, count(*) FROM audit.queue WHERE action = 'device.operated' GROUP BY 1"
    )
    assert dict(rows) == {"intended": 3, "done": 2, "failed": 1}
    with pytest.raises(ConflictError):
        await fleet.procedures.rollout_abort(ANNA, AbortRollout(started.rollout_key, roll_back=True))


async def test_an_agent_that_updates_itself_holds_its_device_and_whose_process_dies_is_said_so(
    fleet: RolloutFleet,
) -> None:
    (agent,) = await fleet.add(1)
    world, held = fleet.world, []

    async def dies(**_: Any) -> None:
        held.append(await world.database.run(lambda connection: intent_is_holding(connection, agent.key)))
        raise Crash

    world.router.answers[agent.uri.replace("request_app_state", "update_agent")] = dies
    await fleet.procedures.rollout_start(ANNA, StartRollout(3, "update_agent"))
    await fleet.go_on()
    await world.settle()
    assert held == [True]
    world.postgres.run("UPDATE devices.open_intent SET due_at = clock_timestamp() - interval '1 s'")
    await world.parts.operations.intents.repair()

    rows = world.postgres.rows("SELECT outcome, reason FROM audit.queue WHERE action = 'device.operated' ORDER BY id")
    assert [row[0] for row in rows] == ["intended", "failed"]
    assert rows[1][1] == UNKNOWN


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE devices.device SET state = 'deleting' WHERE device_key = %s",
        "UPDATE devices.device SET project_key = 4 WHERE device_key = %s",
    ],
)
async def test_an_agent_whose_device_went_meanwhile_is_not_asked(
    fleet: RolloutFleet, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    (agent,) = await fleet.add(1)
    world, heard = fleet.world, []
    world.router.answers[agent.uri.replace("request_app_state", "update_agent")] = lambda **_: heard.append(1)
    await world.create("other", project=4)
    key = (await fleet.procedures.rollout_start(ANNA, StartRollout(3, "update_agent"))).rollout_key

    def late(*which: Any) -> Any:
        world.postgres.run("DELETE FROM devices.device_app")
        world.postgres.run(change, agent.key)
        return draft_of(*which)

    monkeypatch.setattr(rollout_turns, "draft_of", late)
    await fleet.until(key, "done")
    await world.settle()

    assert heard == []
    assert await fleet.states(key) == {"skipped": 1}
    assert world.postgres.rows("SELECT FROM audit.queue WHERE action = 'device.operated'") == []


@pytest.mark.parametrize("is_back", [False, True])
async def test_a_turn_that_waits_for_its_device_holds_no_app_of_it(fleet: RolloutFleet, is_back: bool) -> None:
    """Everybody else locks the device first, and then the app: who did not would wait for each other for ever."""
    (agent, *_) = await fleet.add(2)
    key = (await fleet.start(waves=[1], soak_s=3600)).rollout_key
    if is_back:
        await fleet.go_on(4)
        await fleet.procedures.rollout_abort(ANNA, AbortRollout(key, roll_back=True))
    postgres = fleet.world.postgres

    async def waits() -> bool:
        return bool(postgres.rows("SELECT FROM pg_locks WHERE NOT granted"))

    async with fleet.world.database.transaction() as connection:
        await device_lock_in_txn(connection, agent.key)
        going_on = asyncio.create_task(fleet.go_on())
        await eventually(waits, 30, "it waits for the device")
        query = "SELECT FROM devices.device_app WHERE device_key = %s FOR UPDATE NOWAIT"
        assert await (await connection.execute(query, [agent.key])).fetchone() is not None
    await going_on
    assert (await fleet.states(key)).keys() >= ({"rolled_back"} if is_back else {"ordered"})


async def test_one_process_drives_and_another_takes_over_after_its_death(fleet: RolloutFleet) -> None:
    agents = await fleet.add(30)
    world = fleet.world
    key = (await fleet.start(waves=[5, 10], at_once=3)).rollout_key
    await fleet.go_on()
    other = RolloutDriving(world.database, rollout_turns.Turns(*turn_parts(world)), world.parts.alerts.alerting)
    before = await fleet.states(key)
    other.wake()
    await other.keep_up()  # which has no lease
    assert await fleet.states(key) == before

    world.postgres.run("UPDATE devices.rollout SET driven_until = clock_timestamp()")  # the first one died
    for _ in range(40):
        other.wake()
        world.parts.rollouts.driving.wake()
        await asyncio.gather(other.keep_up(), world.parts.rollouts.driving.keep_up())
        world.delivery.wake()
        await world.delivery.keep_up()
    assert (await fleet.details(key)).rollout.state == "done"
    assert all(len(agent.wishes) == 1 for agent in agents)


@pytest.mark.parametrize("at", range(8))
async def test_killed_anywhere_it_loses_and_repeats_nothing(
    fleet: RolloutFleet, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The process dies before the `at`-th statement that writes: all of a step is there, or nothing."""
    agents = await fleet.add(3)
    key = (await fleet.start(waves=[1])).rollout_key
    left = [at]

    def dying(function: Any) -> Any:
        async def called(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                raise Crash
            return await function(*args, **kwargs)

        return called

    for module, name in (
        (rollout_store, "turn_order"),
        (rollout_store, "turn_set"),
        (rollout_store, "rollout_set"),
        (app_store, "wish_set"),
        (app_store, "order_put"),
    ):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
    for _ in range(60):
        try:
            await fleet.go_on()
        except Crash:
            fleet.world.postgres.run("UPDATE devices.rollout SET driven_until = '-infinity'")
    shown = (await fleet.details(key)).rollout

    assert left[0] < 0
    assert shown.state == "done"
    assert all(len(agent.wishes) == 1 for agent in agents)
    entries = fleet.world.postgres.rows("SELECT count(*) FROM audit.queue WHERE action = 'device_app.release_changed'")
    assert entries == [(3,)]


async def test_a_watch_tells_until_the_rollout_has_ended(fleet: RolloutFleet) -> None:
    await fleet.add(3)
    key = (await fleet.start(waves=[1])).rollout_key
    told: list[RolloutNews] = []
    watch = asyncio.ensure_future(fleet.procedures.rollout_watch(ANNA, NameRollout(key), told.append))
    async with asyncio.timeout(30):
        while not watch.done():
            await fleet.go_on()
            await asyncio.sleep(0)
        await watch

    assert (told[0].rollout.state, told[0].devices) == ("running", [])
    assert told[-1].rollout.state == "done"
    assert {turn.device_key for news in told for turn in news.devices if turn.state == "done"} == set(fleet.agents)


async def test_a_watch_ends_with_the_right_to_it(fleet: RolloutFleet) -> None:
    await fleet.add(1)
    key = (await fleet.start(soak_s=60, waves=[1])).rollout_key
    await fleet.procedures.rollout_pause(ANNA, NameRollout(key))
    reader = fleet.world.member(3, AssetKind.PROJECT, 3, "READ")
    told: list[RolloutNews] = []
    is_open = asyncio.Event()

    def hear(news: RolloutNews) -> None:
        told.append(news)
        is_open.set()

    watch = asyncio.ensure_future(fleet.procedures.rollout_watch(reader, NameRollout(key), hear))
    async with asyncio.timeout(30):
        await is_open.wait()
    fleet.world.rights.lose(reader.account_key, project(3))

    with pytest.raises(NotFoundError):
        await asyncio.wait_for(watch, 30)

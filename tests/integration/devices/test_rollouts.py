"""Rollouts: planned, started, in waves, stopped at their budget, steered, and driven by one process at a time."""

import asyncio

import pytest
from attrs import evolve

from services.devices.records.apps import NameApp, UpgradeApp
from services.devices.records.devices import NameMember
from services.devices.records.rollouts import (
    AbortRollout,
    ListRollouts,
    NameRollout,
    Pace,
    PlanRollout,
    ResumeRollout,
    ShowRollout,
    StartRollout,
)
from services.devices.rules import rollouts as rollout_rules
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import AssetKind
from tests.harness.rights import project
from tests.integration.devices.rollout_fleet import RolloutFleet, tags
from tests.integration.devices.world import ANNA, BERT

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_plan_says_what_a_rollout_then_does(fleet: RolloutFleet) -> None:
    agents = await fleet.add(4)
    plan = await fleet.procedures.rollout_plan(ANNA, PlanRollout(3, "upgrade", 26, "PROD", "1.1.0"))
    assert plan.waves == [4]
    assert [each.wave for each in plan.devices] == [1, 1, 1, 1]
    assert (plan.version, plan.left_out) == ("1.1.0", {})

    started = await fleet.start()
    assert (started.state, started.version) == ("running", "1.1.0")
    done = await fleet.until(started.rollout_key, "done")

    assert done.waves[0].done == 4
    for agent in agents:
        assert agent.apps.states[26, "PROD"] == ("RUNNING", 261)
        assert len(agent.wishes) == 1
    entries = fleet.world.postgres.rows(
        "SELECT action, reason, actor ->> 'key' FROM audit.queue"
        " WHERE action LIKE 'rollout%%' OR action LIKE 'device_app%%' ORDER BY id"
    )
    because = f"rollout {started.rollout_key}"
    assert entries == [
        ("rollout.started", None, "5"),
        *[("device_app.release_changed", because, "5")] * 4,
        ("rollout.ended", None, "devices"),
    ]


async def test_waves_follow_each_other_and_soak_between(fleet: RolloutFleet) -> None:
    await fleet.add(10)
    key = (await fleet.start(waves=[1, "30%"], soak_s=3600)).rollout_key
    await fleet.go_on(6)
    shown = (await fleet.details(key)).rollout
    assert (shown.wave, [wave.done for wave in shown.waves]) == (1, [1, 0, 0])
    assert shown.soaks_until is not None

    fleet.world.postgres.run("UPDATE devices.rollout SET wave_ended_at = wave_ended_at - interval '1 hour'")
    await fleet.go_on(6)
    shown = (await fleet.details(key)).rollout
    assert (shown.wave, [wave.done for wave in shown.waves]) == (2, [1, 3, 0])
    fleet.world.postgres.run("UPDATE devices.rollout SET wave_ended_at = wave_ended_at - interval '1 hour'")
    done = await fleet.until(key, "done")

    assert [wave.done for wave in done.waves] == [1, 3, 6]
    assert all(len(agent.wishes) == 1 for agent in fleet.agents.values())


async def test_it_stops_at_its_budget_and_resumes(fleet: RolloutFleet) -> None:
    agents = await fleet.add(60)
    failing = [agents[4], agents[20], agents[30]]
    for agent in failing:
        agent.apps.failing.add(26)
    key = (await fleet.start(waves=[10, 15, 15], budget="3%")).rollout_key  # of 60: one may fail

    stopped = await fleet.until(key, "stopped")
    assert (stopped.failures, stopped.budget, stopped.wave) == (2, 1, 2)
    assert stopped.waves[2].done == stopped.waves[3].done == 0
    alerts = "SELECT kind, subject, state FROM devices.alert"
    assert fleet.world.postgres.rows(alerts) == [("rollout_stopped", f"rollout/{key}", "open")]
    before = {agent.key: len(agent.wishes) for agent in agents}
    await fleet.go_on(5)
    assert before == {agent.key: len(agent.wishes) for agent in agents}

    resumed = await fleet.procedures.rollout_resume(ANNA, ResumeRollout(key))
    assert (resumed.state, resumed.failures) == ("running", 0)
    assert fleet.world.postgres.rows(alerts) == [("rollout_stopped", f"rollout/{key}", "resolved")]
    done = await fleet.until(key, "done")

    assert done.failures == 1
    assert await fleet.states(key) == {"done": 57, "failed": 3}
    assert all(len(agent.wishes) == 1 for agent in agents)
    assert tags(fleet) == ["rollout.started", "rollout.stopped", "rollout.resumed", "rollout.ended"]
    failed = (await fleet.details(key, state="failed")).devices
    assert [(turn.name, turn.reason) for turn in failed] == [
        (f"unit-{at:03}", rollout_rules.FAILED) for at in (4, 20, 30)
    ]


async def test_failed_devices_get_another_turn_where_that_is_wanted(fleet: RolloutFleet) -> None:
    agents = await fleet.add(3)
    agents[0].apps.failing.add(26)
    key = (await fleet.start(waves=[1])).rollout_key
    await fleet.until(key, "stopped")
    agents[0].apps.failing.clear()

    await fleet.procedures.rollout_resume(ANNA, ResumeRollout(key, retry=True))
    await fleet.until(key, "done")

    assert await fleet.states(key) == {"done": 3}
    assert [len(agent.wishes) for agent in agents] == [2, 1, 1]


async def test_a_device_that_fails_after_it_had_succeeded_counts(fleet: RolloutFleet) -> None:
    agents = await fleet.add(3)
    key = (await fleet.start(waves=[1], soak_s=3600)).rollout_key
    await fleet.go_on(4)
    assert (await fleet.states(key))["done"] == 1

    await agents[0].says("FAILED", 261)
    stopped = await fleet.until(key, "stopped")

    assert stopped.failures == 1
    assert (await fleet.details(key, state="failed")).devices[0].reason == rollout_rules.FAILED_LATER


async def test_a_silent_device_fails_when_its_time_is_over(fleet: RolloutFleet) -> None:
    agents = await fleet.add(2)
    agents[1].is_silent = True
    key = (await fleet.start(timeout_s=600)).rollout_key
    await fleet.go_on(3)
    assert await fleet.states(key) == {"done": 1, "ordered": 1}

    fleet.world.postgres.run(
        "UPDATE devices.rollout_turn SET ordered_at = ordered_at - interval '10 minutes' WHERE state = 'ordered'"
    )
    await fleet.until(key, "stopped")
    assert await fleet.states(key) == {"done": 1, "failed": 1}


async def test_who_is_away_gets_a_turn_when_they_come(fleet: RolloutFleet) -> None:
    agents = await fleet.add(4)
    fleet.set_online(agents[1], is_online=False)
    fleet.set_online(agents[2], is_online=False)
    key = (await fleet.start(waves=[2])).rollout_key
    await fleet.go_on(8)
    assert await fleet.states(key) == {"done": 2, "waiting": 2}
    assert (await fleet.details(key)).rollout.wave == 2

    fleet.set_online(agents[1], is_online=True)
    await fleet.go_on(4)
    assert await fleet.states(key) == {"done": 3, "waiting": 1}
    fleet.set_online(agents[2], is_online=True)
    await fleet.until(key, "done")
    assert all(len(agent.wishes) == 1 for agent in agents)


async def test_who_is_away_is_left_out_where_that_is_wanted(fleet: RolloutFleet) -> None:
    agents = await fleet.add(2)
    fleet.set_online(agents[0], is_online=False)
    plan = await fleet.procedures.rollout_plan(ANNA, PlanRollout(3, "stop", 26, "PROD", pace=Pace(offline="skip")))
    assert (plan.waves, plan.left_out) == ([1], {"offline": 1})


async def test_paused_it_gives_no_turns_and_aborted_it_never_does(fleet: RolloutFleet) -> None:
    agents = await fleet.add(5)
    key = (await fleet.start(waves=[2])).rollout_key
    await fleet.go_on()
    assert (await fleet.procedures.rollout_pause(ANNA, NameRollout(key))).state == "paused"
    assert (await fleet.procedures.rollout_pause(ANNA, NameRollout(key))).state == "paused"
    await fleet.go_on(5)
    assert await fleet.states(key) == {"done": 2, "waiting": 3}

    await fleet.procedures.rollout_resume(ANNA, ResumeRollout(key))
    aborted = await fleet.procedures.rollout_abort(ANNA, AbortRollout(key))
    assert aborted.state == "aborted"
    await fleet.go_on(5)
    assert await fleet.states(key) == {"done": 2, "skipped": 3}
    assert [len(agent.wishes) for agent in agents] == [1, 1, 0, 0, 0]
    for again in (
        fleet.procedures.rollout_pause(ANNA, NameRollout(key)),
        fleet.procedures.rollout_resume(ANNA, ResumeRollout(key)),
        fleet.procedures.rollout_abort(ANNA, AbortRollout(key, roll_back=True)),
    ):
        with pytest.raises(ConflictError):
            await again
    assert tags(fleet) == ["rollout.started", "rollout.paused", "rollout.resumed", "rollout.aborted"]


async def test_rolling_back_puts_every_wish_back(fleet: RolloutFleet) -> None:
    agents = await fleet.add(5)
    agents[1].apps.failing.add(26)
    key = (await fleet.start(waves=[4], budget=1, soak_s=3600)).rollout_key
    await fleet.go_on(4)
    assert await fleet.states(key) == {"done": 3, "failed": 1, "waiting": 1}
    await fleet.world.app_states.app_upgrade(ANNA, UpgradeApp("unit-003", 26, "PROD", "1.2.0"))  # of their own
    agents[1].apps.failing.clear()

    shown = await fleet.procedures.rollout_abort(ANNA, AbortRollout(key, roll_back=True))
    assert shown.state == "aborting"
    await fleet.until(key, "aborted")
    await fleet.go_on(2)

    assert await fleet.states(key) == {"rolled_back": 3, "skipped": 2}
    versions = [
        row[0] for row in fleet.world.postgres.rows("SELECT version FROM devices.device_app ORDER BY device_key")
    ]
    assert versions == ["1.0.0", "1.0.0", "1.0.0", "1.2.0", "1.0.0"]
    assert agents[0].apps.states[26, "PROD"] == ("RUNNING", 260)
    assert tags(fleet) == ["rollout.started", "rollout.aborted", "rollout.ended"]


async def test_an_install_is_rolled_back_by_an_uninstall(fleet: RolloutFleet) -> None:
    agents = await fleet.add(2)
    fleet.world.postgres.run("DELETE FROM devices.device_app WHERE device_key = %s", agents[0].key)
    agents[0].apps.states.clear()
    request = StartRollout(3, "install", 26, "PROD", pace=Pace(waves=[1]))
    started = await fleet.procedures.rollout_start(ANNA, request)
    assert (started.version, [wave.devices for wave in started.waves]) == ("1.0.0", [1])
    done = await fleet.until(started.rollout_key, "done")
    assert done.waves[0].done == 1
    assert agents[0].apps.states[26, "PROD"] == ("PRESENT", 260)

    fleet.world.realms.installs.add((3, 77, "PROD"))
    second = await fleet.procedures.rollout_start(ANNA, StartRollout(3, "install", 77, "PROD", pace=Pace(waves=[1])))
    await fleet.go_on(2)
    await fleet.procedures.rollout_abort(ANNA, AbortRollout(second.rollout_key, roll_back=True))
    await fleet.until(second.rollout_key, "aborted")
    await fleet.go_on(2)
    assert {row[1] for row in fleet.world.on_devices()} == {26}


async def test_what_somebody_else_wants_meanwhile_overtakes_a_turn(fleet: RolloutFleet) -> None:
    agents = await fleet.add(2)
    for agent in agents:
        agent.is_silent = True
    key = (await fleet.start()).rollout_key
    await fleet.go_on()
    await fleet.world.app_states.app_upgrade(ANNA, UpgradeApp("unit-000", 26, "PROD", "1.2.0"))
    await fleet.world.apps.app_uninstall(ANNA, NameApp("unit-001", 26, "PROD"))

    await fleet.until(key, "done")

    assert {turn.reason for turn in (await fleet.details(key)).devices} == {rollout_rules.OVERTAKEN}


async def test_a_flag_is_looked_at_when_it_starts_and_at_each_turn(fleet: RolloutFleet) -> None:
    agents = await fleet.add(3)
    world = fleet.world
    person = world.member(3, AssetKind.PROJECT, 3, "READ")
    for agent in agents:
        world.rights.give(person.account_key, 3, AssetKind.DEVICE, agent.key, "READ")
    with pytest.raises(NotAuthorizedError):
        await fleet.start(person=person)
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, agents[0].key, "INSTALL", ends_at=world.rights.now() - 1)
    for agent in agents[:2]:
        world.rights.give(person.account_key, 3, AssetKind.DEVICE, agent.key, "INSTALL")

    started = await fleet.start(person=person, waves=[1])
    assert [wave.devices for wave in started.waves] == [1, 1]
    await fleet.go_on()
    held = world.rights.known(person.account_key)[project(3)]
    kept = tuple(grant for grant in held.grants if grant.flag != "INSTALL")
    world.rights.hold(person.account_key, project(3), evolve(held, grants=kept))
    await fleet.until(started.rollout_key, "done")

    turns = (await fleet.details(started.rollout_key)).devices
    assert [(turn.state, turn.reason) for turn in turns] == [("done", None), ("skipped", rollout_rules.NO_FLAG)]
    assert [len(agent.wishes) for agent in agents] == [1, 0, 0]


async def test_while_rights_are_silent_nobody_gets_a_turn(fleet: RolloutFleet) -> None:
    await fleet.add(2)
    key = (await fleet.start()).rollout_key
    fleet.world.rights.is_silent = True
    with pytest.raises(UnavailableError):
        await fleet.go_on()

    fleet.world.rights.is_silent = False
    await fleet.until(key, "done")
    assert await fleet.states(key) == {"done": 2}


async def test_who_may_steer_and_see_a_rollout(fleet: RolloutFleet) -> None:
    await fleet.add(2)
    world = fleet.world
    key = (await fleet.start(waves=[1], soak_s=60)).rollout_key
    reader = world.member(3, AssetKind.PROJECT, 3, "READ")
    updater = world.member(3, AssetKind.PROJECT, 3, "READ", "UPDATE")
    details = await fleet.procedures.rollout_show(reader, ShowRollout(key))
    assert [turn.name for turn in details.devices] == [None, None]  # which they may not see
    assert (await fleet.procedures.rollout_list(reader, ListRollouts(3))).rollouts[0].rollout_key == key
    with pytest.raises(NotAuthorizedError):
        await fleet.procedures.rollout_pause(reader, NameRollout(key))
    for refused in (
        fleet.procedures.rollout_show(BERT, ShowRollout(key)),
        fleet.procedures.rollout_pause(BERT, NameRollout(key)),
        fleet.procedures.rollout_abort(ANNA, AbortRollout(key + 1)),
        fleet.procedures.rollout_plan(BERT, PlanRollout(3, "update_agent")),
    ):
        with pytest.raises(NotFoundError):
            await refused
    assert (await fleet.procedures.rollout_pause(updater, NameRollout(key))).state == "paused"


async def test_rolling_back_needs_the_flag_on_each_device(fleet: RolloutFleet) -> None:
    agents = await fleet.add(2)
    world = fleet.world
    key = (await fleet.start(waves=[2])).rollout_key
    await fleet.go_on()
    updater = world.member(3, AssetKind.PROJECT, 3, "READ", "UPDATE")
    world.rights.give(updater.account_key, 3, AssetKind.DEVICE, agents[0].key, "INSTALL")
    world.postgres.run("UPDATE devices.rollout SET state = 'paused'")

    await fleet.procedures.rollout_abort(updater, AbortRollout(key, roll_back=True))
    await fleet.until(key, "aborted")

    assert [turn.state for turn in (await fleet.details(key)).devices] == ["rolled_back", "skipped"]


async def test_a_plan_for_a_group_and_for_devices_and_another_plan_by_then(fleet: RolloutFleet) -> None:
    agents = await fleet.add(4)
    group = await fleet.world.create_group()
    for at in (1, 2):
        await fleet.world.groups.group_add_device(ANNA, NameMember("line-1", f"unit-{at:03}"))
    upgrade = {"project": 3, "action": "upgrade", "app": 26, "stage": "PROD", "version": "1.1.0"}
    plan = await fleet.procedures.rollout_plan(ANNA, PlanRollout(**upgrade, group="line-1"))  # type: ignore[arg-type]
    assert [each.name for each in plan.devices] == ["unit-001", "unit-002"]
    named = PlanRollout(**upgrade, devices=["UNIT-003", agents[0].key, "unit-003"])  # type: ignore[arg-type]
    first = await fleet.procedures.rollout_plan(ANNA, evolve(named, limit=1))
    assert ([each.name for each in first.devices], first.waves) == (["unit-000"], [2])
    rest = await fleet.procedures.rollout_plan(ANNA, evolve(named, cursor=first.next))
    assert [each.name for each in rest.devices] == ["unit-003"]
    for wrong in (
        PlanRollout(**upgrade, devices=["nobody"]),  # type: ignore[arg-type]
        PlanRollout(**upgrade, group="nobody"),  # type: ignore[arg-type]
        PlanRollout(3, "upgrade", 26, "PROD", "9.9.9"),
    ):
        with pytest.raises(NotFoundError):
            await fleet.procedures.rollout_plan(ANNA, wrong)
    for wrong in (
        PlanRollout(**upgrade, group=1, devices=[1]),  # type: ignore[arg-type]
        PlanRollout(3, "start", 26, "PROD", "1.1.0"),
        PlanRollout(3, "update_agent", pace=Pace(time_zone="Mars/Olympus")),
    ):
        with pytest.raises(InvalidArgumentError):
            await fleet.procedures.rollout_plan(ANNA, wrong)
    with pytest.raises(ConflictError):
        await fleet.procedures.rollout_plan(ANNA, PlanRollout(3, "start", 99, "PROD"))

    start = StartRollout(**upgrade, group=group.group_key, digest=plan.digest)  # type: ignore[arg-type]
    await fleet.world.groups.group_add_device(ANNA, NameMember("line-1", "unit-000"))
    with pytest.raises(ConflictError) as refused:
        await fleet.procedures.rollout_start(ANNA, start)
    assert refused.value.details()["reason"] == "other_plan"
    plan = await fleet.procedures.rollout_plan(ANNA, PlanRollout(**upgrade, group="line-1"))  # type: ignore[arg-type]
    started = await fleet.procedures.rollout_start(ANNA, evolve(start, digest=plan.digest))
    assert started.meant == {"group": group.group_key}
    with pytest.raises(ConflictError):  # all of them wait for their turn
        await fleet.procedures.rollout_start(ANNA, evolve(start, digest=None))
    everybody = await fleet.procedures.rollout_plan(ANNA, PlanRollout(**upgrade))  # type: ignore[arg-type]
    assert everybody.left_out == {"other_rollout": 3}


async def test_of_two_that_start_at_once_one_does(fleet: RolloutFleet) -> None:
    await fleet.add(3)

    started = await asyncio.gather(*(fleet.start() for _ in range(4)), return_exceptions=True)

    assert sum(not isinstance(each, BaseException) for each in started) == 1
    assert sum(isinstance(each, ConflictError) for each in started) == 3
    assert fleet.world.postgres.rows("SELECT count(*) FROM devices.rollout_turn") == [(3,)]


async def test_a_device_that_is_gone_or_elsewhere_is_left_out(fleet: RolloutFleet) -> None:
    agents = await fleet.add(3)
    key = (await fleet.start(waves=[1], soak_s=0)).rollout_key
    await fleet.world.create("other", project=4)
    fleet.world.postgres.run(
        "DELETE FROM devices.device_app WHERE device_key = ANY(%s)", [agents[1].key, agents[2].key]
    )
    fleet.world.postgres.run("DELETE FROM devices.device WHERE device_key = %s", agents[1].key)
    fleet.world.postgres.run("UPDATE devices.device SET project_key = 4 WHERE device_key = %s", agents[2].key)

    await fleet.until(key, "done")

    assert [turn.reason for turn in (await fleet.details(key)).devices] == [None, *[rollout_rules.GONE] * 2]

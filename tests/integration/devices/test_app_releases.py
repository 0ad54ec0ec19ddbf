"""What releases ask for reaches agents, and power over a device is given by who may develop there only."""

from typing import Any

import pytest

from services.devices.apps import states as app_states
from services.devices.procedures.group_apps import GroupAppProcedures
from services.devices.records.apps import AppRelease, InstallApp, NameApp, SetEnvironment, UpgradeApp
from services.devices.records.devices import NameGroup, NameMember
from services.devices.records.group_apps import Built, SetGroupApp
from services.devices.records.rollouts import AbortRollout, AskedAction, Pace, PlanRollout, StartRollout
from services.devices.rules import rollouts as rollout_rules
from shared.errors import (
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotSupportedError,
    OverLimitError,
    UnavailableError,
)
from shared.flags import AssetKind
from shared.identities import Person
from shared.releases import Contents, PortRule, VariableTemplate
from tests.harness.rights import project
from tests.integration.devices.rollout_fleet import RolloutFleet
from tests.integration.devices.test_app_states import PRESS, placed
from tests.integration.devices.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PLAIN: dict[str, Any] = {"services": {"web": {"image": "registry.example.com/web:1"}}}
POWER: dict[str, Any] = {"services": {"web": {"image": "a", "volumes": ["/var/run/docker.sock:/s"]}}}
BUILT: tuple[Built, ...] = ("BUILT", "PUBLISHED")
BUILDING: tuple[AskedAction, ...] = ("build", "publish")
SAID = r"services\.web\.volumes.*DEVELOP"


def may(world: World, key: int, *flags: str) -> Person:
    """Somebody with these flags on the device."""
    return world.member(3, AssetKind.DEVICE, key, "READ", *flags)


async def test_a_release_s_variables_ports_and_containers_reach_its_agent(world: World) -> None:
    variables = {
        "MODE": VariableTemplate(default="fast", choices=["fast", "slow"]),
        "TOKEN": VariableTemplate(is_secret=True, is_required=True),
    }
    world.realms.contents[260] = Contents(variables, [PortRule(80, "web")], PLAIN)
    device = await placed(world)
    (row,) = await device.listed()
    assert row["docker_compose"] == row["new_docker_compose"] == PLAIN
    assert row["environment"] == {"MODE": {"value": "fast"}}
    assert [each["port"] for each in row["ports"]] == [80]

    with pytest.raises(ConflictError, match="TOKEN") as missing:
        await world.app_states.app_start(ANNA, PRESS)
    assert missing.value.details()["reason"] == "variables_missing"
    with pytest.raises(InvalidArgumentError, match="fast, slow"):
        await world.app_settings.app_set_environment(ANNA, SetEnvironment("press-1", 26, "PROD", {"MODE": "odd"}))
    said = SetEnvironment("press-1", 26, "PROD", {"MODE": "slow", "TOKEN": "s3cret-value"})
    shown = await world.app_settings.app_set_environment(ANNA, said)
    assert [(each.name, each.value) for each in shown.variables] == [("MODE", "slow"), ("TOKEN", None)]
    await world.app_states.app_start(ANNA, PRESS)
    await device.told()

    assert (await device.status()).state == "RUNNING"
    assert "s3cret-value" not in str(world.postgres.rows("SELECT a::text, a.environment FROM devices.device_app a"))


async def test_power_over_a_device_needs_develop_besides_install(world: World) -> None:
    device = await placed(world)
    world.realms.contents |= {261: Contents(compose=POWER), 262: Contents(compose=PLAIN)}
    installer, developer = may(world, device.key, "INSTALL"), may(world, device.key, "INSTALL", "DEVELOP")
    wanted = UpgradeApp("press-1", 26, "PROD", "1.1.0")

    with pytest.raises(NotAuthorizedError, match=SAID) as refused:
        await world.app_states.app_upgrade(installer, wanted)
    assert refused.value.details()["flag"] == "DEVELOP"
    with pytest.raises(NotAuthorizedError, match=SAID):
        await world.apps.app_install(installer, InstallApp("press-1", 26, "PROD", "1.1.0"))
    await device.told()
    assert [wish.new_release_key for wish in device.apps.wishes][-1] == 260

    await world.app_states.app_upgrade(developer, wanted)
    await device.told()
    assert (await device.status()).present_version == "1.1.0"
    await world.app_states.app_upgrade(installer, UpgradeApp("press-1", 26, "PROD", "1.2.0"))
    await device.told()
    with pytest.raises(NotAuthorizedError, match=SAID):  # back to what had power
        await world.app_states.app_rollback(installer, PRESS)
    assert (await world.app_states.app_rollback(developer, PRESS)).version == "1.1.0"


async def test_giving_up_what_is_under_way_brings_no_power_back(world: World) -> None:
    device = await placed(world)
    world.realms.contents |= {261: Contents(compose=POWER), 262: Contents(compose=PLAIN)}
    installer, developer = may(world, device.key, "INSTALL"), may(world, device.key, "INSTALL", "DEVELOP")
    await world.app_states.app_upgrade(developer, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    await device.told()
    await world.app_states.app_upgrade(developer, UpgradeApp("press-1", 26, "PROD", "1.2.0"))

    with pytest.raises(NotAuthorizedError, match=SAID):
        await world.app_states.app_cancel(installer, PRESS)
    assert (await device.status()).version == "1.2.0"
    assert (await world.app_states.app_cancel(developer, PRESS)).version == "1.1.0"
    await world.app_states.app_upgrade(developer, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    assert (await world.app_states.app_cancel(installer, PRESS)).version == "1.1.0"  # it was wanted anyway


async def test_what_was_removed_is_not_fetched_again_without_develop(world: World) -> None:
    device = await placed(world)
    world.realms.contents[261] = Contents(compose=POWER)
    operator, developer = may(world, device.key, "OPERATE"), may(world, device.key, "INSTALL", "DEVELOP", "OPERATE")
    await world.app_states.app_upgrade(developer, UpgradeApp("press-1", 26, "PROD", "1.1.0"))
    await world.app_states.app_stop(operator, PRESS)
    await world.app_states.app_start(operator, PRESS)  # it is there
    await world.app_states.app_remove(developer, PRESS)

    for again in (world.app_states.app_start, world.app_states.app_stop):
        with pytest.raises(NotAuthorizedError, match=SAID):
            await again(operator, PRESS)
    assert (await device.status()).target == "REMOVED"
    assert (await world.app_states.app_start(developer, PRESS)).target == "RUNNING"


async def test_a_rollout_of_starting_fetches_no_power_again_and_rolls_none_back(world: World) -> None:
    fleet = RolloutFleet(world)
    agents = await fleet.add(2)
    world.realms.contents[260] = Contents(compose=POWER)
    starter = may(world, agents[0].key, "OPERATE")
    world.rights.give(starter.account_key, 3, AssetKind.PROJECT, 3, "READ", "OPERATE")
    for agent in agents:
        world.rights.give(starter.account_key, 3, AssetKind.DEVICE, agent.key, "READ", "OPERATE")
    world.postgres.run("UPDATE devices.device_app SET target = 'PRESENT', state = 'PRESENT'")
    world.postgres.run("UPDATE devices.device_app SET target = 'REMOVED' WHERE device_key = %s", agents[1].key)
    asked = StartRollout(3, "start", 26, "PROD", pace=Pace(waves=[1], soak_s=3600))
    started = await fleet.procedures.rollout_start(starter, asked)
    await fleet.go_on(4)
    await world.app_states.app_upgrade(ANNA, UpgradeApp("unit-000", 26, "PROD", "1.1.0"))
    await fleet.procedures.rollout_abort(starter, AbortRollout(started.rollout_key, roll_back=True))
    await fleet.until(started.rollout_key, "aborted")

    turn = (await fleet.details(started.rollout_key)).devices[0]
    assert (turn.state, turn.reason) == ("skipped", rollout_rules.OVERTAKEN)
    wanted = "SELECT target, release_key FROM devices.device_app ORDER BY device_key"
    assert world.postgres.rows(wanted) == [("RUNNING", 261), ("REMOVED", 260)]
    again = await fleet.procedures.rollout_start(starter, StartRollout(3, "start", 26, "PROD"))
    await fleet.until(again.rollout_key, "done")
    turns = {turn.device_key: turn.reason for turn in (await fleet.details(again.rollout_key)).devices}
    assert turns[agents[1].key] == rollout_rules.NO_DEVELOP
    assert world.postgres.rows(wanted) == [("RUNNING", 261), ("REMOVED", 260)]


async def test_a_device_learns_nothing_while_realms_is_to_be_asked_and_away(world: World) -> None:
    device = await placed(world)
    world.postgres.run("DELETE FROM devices.release_contents")
    world.realms.is_away = True

    with pytest.raises(UnavailableError):
        await device.listed()
    world.realms.is_away = False
    assert len(await device.listed()) == 1
    world.realms.is_away = True
    assert len(await device.listed()) == 1  # asked once


async def test_what_releases_ask_of_a_device_fits_into_one_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await placed(world)
    world.realms.contents[261] = Contents({"A": VariableTemplate(description="x" * 400)})
    monkeypatch.setattr(app_states, "MAX_CONTENTS_OCTETS", 300)

    with pytest.raises(OverLimitError):
        await world.app_states.app_upgrade(ANNA, UpgradeApp("press-1", 26, "PROD", "1.1.0"))

    assert (await device.status()).version == "1.0.0"


async def test_a_group_gives_power_by_who_may_develop_on_each_device(world: World) -> None:
    fleet = RolloutFleet(world)
    agents = await fleet.add(2)
    world.postgres.run("DELETE FROM devices.device_app")
    for agent in agents:
        agent.apps.states.clear()
    await world.create_group()
    for at in range(2):
        await world.groups.group_add_device(ANNA, NameMember("line-1", f"unit-{at:03}"))
    world.realms.contents[261] = Contents(compose=POWER)
    setter = may(world, agents[0].key, "INSTALL")
    world.rights.give(setter.account_key, 3, AssetKind.DEVICE, agents[1].key, "READ", "INSTALL", "DEVELOP")
    group = world.postgres.rows("SELECT group_key FROM devices.device_group")[0][0]
    world.rights.give(setter.account_key, 3, AssetKind.GROUP, group, "READ", "UPDATE")
    procedures = GroupAppProcedures(world.parts)

    await procedures.group_app_set(setter, SetGroupApp("line-1", 26, "PROD", "1.1.0"))
    for _ in range(2):
        world.parts.apps.group_applying.wake()
        await world.parts.apps.group_applying.keep_up()
        world.delivery.wake()
        await world.delivery.keep_up()

    (app,) = (await procedures.group_app_list(ANNA, NameGroup("line-1"))).apps
    assert app.applied == 1
    assert [(each.device_key, "DEVELOP" in each.reason) for each in app.refused] == [(agents[0].key, True)]
    assert [agent.apps.states.get((26, "PROD")) for agent in agents] == [None, ("RUNNING", 261)]


async def test_a_rollout_of_power_says_so_and_each_turn_looks_again(world: World) -> None:
    fleet = RolloutFleet(world)
    agents = await fleet.add(3)
    world.realms.contents[261] = Contents(compose=POWER)
    starter = may(world, agents[0].key, "INSTALL")
    world.rights.give(starter.account_key, 3, AssetKind.PROJECT, 3, "READ")
    for agent in agents[1:]:
        world.rights.give(starter.account_key, 3, AssetKind.DEVICE, agent.key, "READ", "INSTALL", "DEVELOP")

    plan = await fleet.procedures.rollout_plan(starter, PlanRollout(3, "upgrade", 26, "PROD", "1.1.0"))
    assert (plan.flags, plan.needs_develop) == (["INSTALL", "DEVELOP"], ["services.web.volumes"])
    assert (plan.waves, plan.left_out) == ([2], {"flag_missing": 1})
    started = await fleet.start(person=starter)
    world.rights.lose(starter.account_key, project(3))
    world.rights.give(starter.account_key, 3, AssetKind.DEVICE, agents[1].key, "READ", "INSTALL", "DEVELOP")
    world.rights.give(starter.account_key, 3, AssetKind.DEVICE, agents[2].key, "READ", "INSTALL")  # and no more
    await fleet.until(started.rollout_key, "done")

    turns = {turn.device_key: (turn.state, turn.reason) for turn in (await fleet.details(started.rollout_key)).devices}
    assert turns == {agents[1].key: ("done", None), agents[2].key: ("skipped", rollout_rules.NO_DEVELOP)}


async def test_nothing_is_built_whoever_asks_and_however(world: World) -> None:
    device = await placed(world)
    before = len(device.apps.wishes)
    await world.create_group()
    groups, rollouts = GroupAppProcedures(world.parts), RolloutFleet(world).procedures
    asked: list[Any] = [
        *(groups.group_app_set(ANNA, SetGroupApp("line-1", 26, "DEV", target=to)) for to in BUILT),
        *(rollouts.rollout_plan(ANNA, PlanRollout(3, action, 26, "DEV")) for action in BUILDING),
        *(rollouts.rollout_start(ANNA, StartRollout(3, action, 26, "DEV")) for action in BUILDING),
    ]
    for call in asked:
        with pytest.raises(NotSupportedError, match="devices build nothing"):
            await call

    await device.told()
    assert len(device.apps.wishes) == before


async def test_nothing_that_is_not_there_has_contents(world: World) -> None:
    assert (await world.parts.apps.releases.contents(None)).needs_develop == []
    assert await world.parts.apps.releases.may(999, await world.device((await world.create()).device_key), None)
    world.realms.contents[277] = Contents(compose=POWER)
    device = await world.device((await world.create("press-2")).device_key)
    assert not await world.parts.apps.releases.may(999, device, AppRelease(277, "1.0.0"))
    assert NameApp("press-1", 26, "PROD") == PRESS

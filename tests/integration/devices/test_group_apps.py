"""Apps that groups are to have: on every device in them, on those that join, and not where the device's own wish is."""

from typing import Any

import pytest

from services.devices.apps import states as app_states
from services.devices.procedures import group_apps as procedures
from services.devices.procedures.group_apps import GroupAppProcedures
from services.devices.records.apps import NameApp, SetEnvironment, UpgradeApp
from services.devices.records.devices import NameGroup, NameMember
from services.devices.records.group_apps import NameGroupApp, SetGroupApp, ShownGroupApp
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, OverLimitError
from shared.flags import AssetKind
from tests.integration.devices.rollout_fleet import Agent, RolloutFleet
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Line:
    """The group `line-1` with three devices, none of which has the app; Anna wants things of it."""

    def __init__(self, world: World) -> None:
        """Nothing is there yet."""
        self.world = world
        self.fleet = RolloutFleet(world)
        self.procedures = GroupAppProcedures(world.parts)
        self.agents: list[Agent] = []

    async def make(self) -> "Line":
        """The group and its devices; one more is outside."""
        self.agents = await self.fleet.add(4)
        for agent in self.agents:
            agent.apps.states.clear()
        self.world.postgres.run("DELETE FROM devices.device_app")
        await self.world.create_group()
        for at in range(3):
            await self.join(at)
        return self

    async def join(self, at: int) -> None:
        """That device is in the group."""
        await self.world.groups.group_add_device(ANNA, NameMember("line-1", f"unit-{at:03}"))

    async def leave(self, at: int) -> None:
        """That device is not."""
        await self.world.groups.group_remove_device(ANNA, NameMember("line-1", f"unit-{at:03}"))

    async def set(self, version: str | None = "1.0.0", **more: Any) -> ShownGroupApp:
        """The group is to have `press`."""
        request = SetGroupApp("line-1", 26, "PROD", version, **more)
        shown: ShownGroupApp = await self.procedures.group_app_set(more.pop("person", ANNA), request)
        return shown

    async def go_on(self) -> ShownGroupApp:
        """All that is due is done; how the group stands then."""
        for _ in range(2):
            self.world.parts.apps.group_applying.wake()
            await self.world.parts.apps.group_applying.keep_up()
            self.world.delivery.wake()
            await self.world.delivery.keep_up()
        (app,) = (await self.procedures.group_app_list(ANNA, NameGroup("line-1"))).apps
        shown: ShownGroupApp = app
        return shown

    def states(self) -> list[tuple[str, int] | None]:
        """What each device has."""
        return [agent.apps.states.get((26, "PROD")) for agent in self.agents]


@pytest.fixture
def line(world: World) -> Line:
    return Line(world)


async def test_devices_of_a_group_get_its_app_and_those_that_join_too(line: Line) -> None:
    await line.make()
    shown = await line.set()
    assert (shown.waiting, shown.applied, shown.version, shown.target) == (3, 0, "1.0.0", "RUNNING")

    shown = await line.go_on()
    assert (shown.waiting, shown.applied) == (0, 3)
    assert line.states() == [("RUNNING", 260)] * 3 + [None]
    assert [len(agent.wishes) for agent in line.agents] == [1, 1, 1, 0]
    await line.join(3)
    assert (await line.go_on()).applied == 4
    assert line.states() == [("RUNNING", 260)] * 4

    await line.set("1.1.0", target="PRESENT")
    assert (await line.go_on()).applied == 4
    assert line.states() == [("PRESENT", 261)] * 4
    rows = line.world.postgres.rows(
        "SELECT action, reason, count(*) FROM audit.queue WHERE action LIKE 'device_app.%%'"
        " OR action LIKE 'device_group.app%%' GROUP BY 1, 2 ORDER BY 1"
    )
    because = rows[0][1]
    assert because.startswith("group ")
    assert rows == [
        ("device_app.installed", because, 4),
        ("device_app.target_changed", because, 8),
        ("device_group.app_assigned", None, 2),
    ]


async def test_who_leaves_keeps_it_and_so_do_all_when_it_is_unset(line: Line) -> None:
    await line.make()
    await line.set()
    await line.go_on()
    await line.leave(0)
    await line.set("1.1.0")
    assert (await line.go_on()).applied == 2
    assert line.states()[:3] == [("RUNNING", 260), ("RUNNING", 261), ("RUNNING", 261)]

    await line.procedures.group_app_unset(ANNA, NameGroupApp("line-1", 26, "PROD"))
    await line.procedures.group_app_unset(ANNA, NameGroupApp("line-1", 26, "PROD"))
    line.world.parts.apps.group_applying.wake()
    await line.world.parts.apps.group_applying.keep_up()
    assert line.states()[:3] == [("RUNNING", 260), ("RUNNING", 261), ("RUNNING", 261)]
    assert len(line.world.on_devices()) == 3
    assert (await line.procedures.group_app_list(ANNA, NameGroup("line-1"))).apps == []


async def test_the_device_s_own_wish_wins(line: Line) -> None:
    await line.make()
    await line.world.install(line.agents[0].key, 26, "PROD")  # 1.0.0, PRESENT: of its own
    await line.set()
    await line.go_on()
    await line.world.apps.app_uninstall(ANNA, NameApp("unit-001", 26, "PROD"))
    await line.world.app_states.app_upgrade(ANNA, UpgradeApp("unit-002", 26, "PROD", "1.2.0"))
    await line.go_on()

    await line.set("1.1.0")
    shown = await line.go_on()
    assert (shown.own, shown.applied) == (3, 0)
    assert line.states()[0] == ("PRESENT", 260)
    assert line.states()[2] == ("RUNNING", 262)
    assert {row[0] for row in line.world.on_devices()} == {line.agents[0].key, line.agents[2].key}

    await line.world.app_states.app_upgrade(ANNA, UpgradeApp("unit-002", 26, "PROD", "1.1.0"))
    await line.set("1.1.0")
    shown = await line.go_on()
    assert (shown.own, shown.applied) == (2, 1)  # which is as the group wants it


async def test_variables_reach_devices_unless_they_have_their_own(line: Line) -> None:
    await line.make()
    await line.set(values={"RATE": "5", "TOKEN": "hidden"}, secrets=["TOKEN"])
    shown = await line.go_on()
    assert shown.variables == ["RATE", "TOKEN"]
    assert [await variables(line, at) for at in range(2)] == [{"RATE": "5", "TOKEN": None}] * 2
    mine = SetEnvironment("unit-000", 26, "PROD", {"RATE": "7"})
    await line.world.app_settings.app_set_environment(ANNA, mine)

    await line.set(values={"RATE": "6"})
    await line.go_on()
    assert await variables(line, 0) == {"RATE": "7", "TOKEN": None}
    assert await variables(line, 1) == {"RATE": "6"}
    await line.set()
    await line.go_on()
    assert await variables(line, 1) == {}
    kept = line.world.postgres.rows("SELECT after::text FROM audit.queue WHERE action LIKE '%%app%%'")
    assert not any("hidden" in row[0] for row in kept if row[0])
    for wrong in ({"values": {"DEVICE_KEY": "1"}}, {"values": {"A": "\0"}}):
        with pytest.raises(InvalidArgumentError):
            await line.set(**wrong)  # type: ignore[arg-type]


async def variables(line: Line, at: int) -> dict[str, str | None]:
    found = await line.world.app_settings.app_variables(ANNA, NameApp(f"unit-{at:03}", 26, "PROD"))
    return {each.name: each.value for each in found.variables}


async def test_it_is_done_by_the_right_of_who_set_it(line: Line) -> None:
    await line.make()
    world = line.world
    (key,) = {row[0] for row in world.postgres.rows("SELECT group_key FROM devices.device_group")}
    person = world.member(3, AssetKind.PROJECT, 3, "READ")
    world.rights.give(person.account_key, 3, AssetKind.GROUP, key, "READ", "UPDATE")
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, line.agents[0].key, "INSTALL")
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, line.agents[1].key, "INSTALL", "DEVELOP")
    request = SetGroupApp(key, 26, "PROD", values={"RATE": "5"})
    await line.procedures.group_app_set(person, request)

    shown = await line.go_on()
    lacks = procedures_text("DEVELOP"), procedures_text("INSTALL")
    assert (shown.applied, [each.reason for each in shown.refused]) == (1, [*lacks])
    assert [len(agent.wishes) for agent in line.agents] == [0, 1, 0, 0]
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, line.agents[0].key, "DEVELOP")
    assert (await line.go_on()).applied == 1  # not before its time
    world.postgres.run("UPDATE devices.group_app_device SET due_at = clock_timestamp()")
    assert (await line.go_on()).applied == 2


async def test_variables_are_taken_away_by_who_may_develop_on_the_device(line: Line) -> None:
    await line.make()
    world = line.world
    await line.set(values={"RATE": "5"})
    await line.go_on()
    (key,) = {row[0] for row in world.postgres.rows("SELECT group_key FROM devices.device_group")}
    person = world.member(3, AssetKind.PROJECT, 3, "READ")
    world.rights.give(person.account_key, 3, AssetKind.GROUP, key, "READ", "UPDATE")
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, line.agents[0].key, "INSTALL")
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, line.agents[1].key, "INSTALL", "DEVELOP")
    await line.procedures.group_app_set(person, SetGroupApp(key, 26, "PROD", "1.0.0"))

    shown = await line.go_on()

    assert procedures_text("DEVELOP") in [each.reason for each in shown.refused]
    assert [await variables(line, at) for at in range(2)] == [{"RATE": "5"}, {}]


async def test_what_is_too_much_for_a_device_is_refused_as_a_whole_and_holds_up_nobody(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    await line.make()
    monkeypatch.setattr(app_states, "MAX_ENVIRONMENTS_OCTETS", 1)
    await line.set(values={"RATE": "5"})

    shown = await line.go_on()

    assert {each.reason for each in shown.refused} == {
        "what is set for all apps of this device is too much for one device"
    }
    assert (len(shown.refused), shown.waiting) == (3, 0)
    assert line.world.on_devices() == []
    assert "device_app.installed" not in [action for action, _ in line.world.postgres.audited()]
    monkeypatch.undo()
    line.world.postgres.run("UPDATE devices.group_app_device SET due_at = clock_timestamp()")
    assert (await line.go_on()).applied == 3


def procedures_text(flag: str) -> str:
    return f"who set the app for the group lacks {flag} on the device"


async def test_what_the_project_does_not_have_no_group_has(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    await line.make()
    for wrong, error in (
        (SetGroupApp("line-1", 99, "PROD"), ConflictError),
        (SetGroupApp("line-1", 26, "PROD", "9.9.9"), NotFoundError),
        (SetGroupApp("nobody", 26, "PROD"), NotFoundError),
    ):
        with pytest.raises(error):
            await line.procedures.group_app_set(ANNA, wrong)
    for refused in (
        line.procedures.group_app_list(BERT, NameGroup("line-1")),
        line.procedures.group_app_unset(BERT, NameGroupApp("line-1", 26, "PROD")),
    ):
        with pytest.raises(NotFoundError):
            await refused
    monkeypatch.setattr(procedures, "MAX_APPS_OF_A_GROUP", 1)
    await line.set()
    with pytest.raises(OverLimitError):
        await line.procedures.group_app_set(ANNA, SetGroupApp("line-1", 26, "DEV"))
    line.world.realms.installs.discard((3, 26, "PROD"))
    shown = await line.go_on()
    assert {each.reason for each in shown.refused} == {"the project does not have the app at this stage"}

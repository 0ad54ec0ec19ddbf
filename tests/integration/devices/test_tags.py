"""Devices are tagged, and found by what is known of them."""

from typing import Any

import pytest

from services.devices.procedures.tags import MAX_TAGS, TagProcedures
from services.devices.records.devices import ListDevices, TagDevice
from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.flags import AssetKind
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def tag(world: World, device: int | str = "press-1", **more: Any) -> Any:
    return await TagProcedures(world.parts).device_tag(ANNA, TagDevice(device, **more))


async def found(world: World, **by: Any) -> list[str]:
    page: Any = await world.people.device_list(ANNA, ListDevices(**by))
    return [device.name for device in page.devices]


async def test_tags_are_set_and_removed_recorded_and_shown(world: World) -> None:
    await world.create()
    await tag(world, set={"line": " 4 ", "hall": "north"})
    tagged = await tag(world, set={"line": "5"}, remove=["hall", "never"])
    await tag(world, set={"line": "5"})

    assert tagged.tags == {"line": "5"}
    assert (await world.show(tagged.device_key, ANNA)).tags == {"line": "5"}
    rows = world.postgres.rows("SELECT before, after FROM audit.queue WHERE action = 'device.tagged' ORDER BY id")
    assert rows == [
        ({"tags": {}}, {"tags": {"hall": "north", "line": "4"}}),
        ({"tags": {"hall": "north", "line": "4"}}, {"tags": {"line": "5"}}),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"set": {"": "x"}}, {"set": {"a b": "x"}}, {"set": {"a" * 65: "x"}}, {"set": {"line": ""}},
        {"set": {"line": "a\nb"}}, {"set": {"line": "x" * 201}}, {"remove": ["a=b"]},
        {"set": {"line": "4"}, "remove": ["line"]},
    ],
)  # fmt: skip
async def test_what_is_no_tag_is_refused_and_changes_nothing(world: World, wrong: dict[str, Any]) -> None:
    await world.create()
    with pytest.raises(InvalidArgumentError):
        await tag(world, **wrong)

    assert world.postgres.rows("SELECT 1 FROM devices.device_tag") == []


async def test_a_device_has_only_so_many_tags_and_only_who_may_change_it_sets_them(world: World) -> None:
    key = (await world.create()).device_key
    with pytest.raises(OverLimitError):
        await tag(world, set={f"tag-{number}": "x" for number in range(MAX_TAGS + 1)})
    reader = world.member(3, AssetKind.DEVICE, key, "READ")
    for person, refused in ((reader, NotAuthorizedError), (BERT, NotFoundError)):
        with pytest.raises(refused):
            await TagProcedures(world.parts).device_tag(person, TagDevice(key, {"line": "4"}))


async def test_devices_are_found_by_all_that_is_asked_for(world: World) -> None:
    keys = {name: (await world.create(name)).device_key for name in ("Press 1", "press 2", "saw")}
    await tag(world, keys["Press 1"], set={"line": "4", "hall": "north"})
    await tag(world, keys["press 2"], set={"line": "5"})
    await world.online(keys["saw"], 70, "EMERGENCY")
    world.postgres.run("UPDATE devices.device SET agent_version = '0.20.20', architecture = 'arm64' WHERE name = 'saw'")

    assert await found(world, tag=["line"]) == ["Press 1", "press 2"]
    assert await found(world, tag=["line=4"]) == ["Press 1"]
    assert await found(world, tag=["line=4", "hall=south"]) == []
    assert await found(world, tag=["line", "hall"]) == ["Press 1"]
    assert await found(world, status="EMERGENCY") == ["saw"]
    assert await found(world, agent_version="0.20.20", architecture="arm64") == ["saw"]
    assert await found(world, name="PRESS") == ["Press 1", "press 2"]
    assert await found(world, name="%") == []
    assert await found(world, name="press", tag=["line=5"], status="DISCONNECTED", project=3) == ["press 2"]
    assert await found(world) == ["Press 1", "press 2", "saw"]


async def test_what_an_agent_last_measured_is_shown(world: World) -> None:
    key = (await world.create()).device_key
    await world.online(key, 70)
    world.postgres.run("""UPDATE devices.device SET stats = '{"storage_free": 5}'""")

    shown = await world.show(key, ANNA)

    assert shown.stats == {"storage_free": 5}
    assert shown.seen_at is not None

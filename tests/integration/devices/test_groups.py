"""Groups of devices: made, filled, renamed and removed, by who may, and recorded."""

import asyncio
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from psycopg.errors import ForeignKeyViolation

from services.devices.procedures import groups as procedures
from services.devices.records.devices import CreateGroup, ListGroups, NameDevice, NameGroup, NameMember, RenameGroup
from services.devices.store import groups as store
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    UnavailableError,
)
from shared.flags import FLAGS, AssetKind
from shared.procedures import declared, public_errors
from tests.integration.devices.world import ANNA, BERT, World
from tests.unit.shared.memory_router import call_details
from tests.unit.shared.surface import everywhere

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


def members(world: World, group: int) -> list[int]:
    rows = world.postgres.rows("SELECT device_key FROM devices.group_member WHERE group_key = %s ORDER BY 1", group)
    return [row[0] for row in rows]


def entries(world: World) -> list[tuple[Any, ...]]:
    """What the log says of groups."""
    return world.postgres.rows(
        "SELECT action, (asset ->> 'key')::int, project, before, after, actor ->> 'key' FROM audit.queue"
        " WHERE asset ->> 'kind' = 'group' ORDER BY id"
    )


async def test_a_group_lives_and_every_change_of_it_is_recorded(world: World) -> None:
    device = (await world.create()).device_key
    group = await world.groups.group_create(ANNA, CreateGroup("plant", " Line 1 ", "the\nfirst"))
    key = group.group_key
    assert (group.project_key, group.project_name, group.name, group.description) == (
        3,
        "plant",
        "Line 1",
        "the\nfirst",
    )

    await world.groups.group_add_device(ANNA, NameMember("line 1", "press-1"))
    assert members(world, key) == [device]
    renamed = await world.groups.group_rename(ANNA, RenameGroup(key, "Line 2"))
    assert renamed == await world.groups.group_show(ANNA, NameGroup("LINE 2", "plant"))
    await world.groups.group_remove_device(ANNA, NameMember(key, device))
    assert members(world, key) == []
    assert await world.groups.group_delete(ANNA, NameGroup(key)) is None

    with pytest.raises(NotFoundError):
        await world.groups.group_show(ANNA, NameGroup(key))
    assert entries(world) == [
        ("device_group.created", key, 3, None, {"name": "Line 1", "description": "the\nfirst"}, "5"),
        ("device_group.device_added", key, 3, None, {"device_key": device}, "5"),
        ("device_group.renamed", key, 3, {"name": "Line 1"}, {"name": "Line 2"}, "5"),
        ("device_group.device_removed", key, 3, {"device_key": device}, None, "5"),
        ("device_group.deleted", key, 3, {"name": "Line 2", "devices": 0}, None, "5"),
    ]


async def test_a_removed_group_leaves_its_devices(world: World) -> None:
    device, group = (await world.create()).device_key, (await world.create_group()).group_key
    await world.groups.group_add_device(ANNA, NameMember(group, device))

    await world.groups.group_delete(ANNA, NameGroup(group))

    assert (await world.device(device)).groups == frozenset()
    assert (await world.show(device)).device_key == device


async def test_a_deleted_device_leaves_its_groups(world: World) -> None:
    device, group = (await world.create()).device_key, (await world.create_group()).group_key
    await world.groups.group_add_device(ANNA, NameMember(group, device))

    await world.people.device_delete(ANNA, NameDevice(device))

    assert members(world, group) == []


async def test_putting_in_twice_or_taking_out_what_is_not_in_changes_and_records_nothing(world: World) -> None:
    device, group = (await world.create()).device_key, (await world.create_group()).group_key
    for _ in range(2):
        await world.groups.group_add_device(ANNA, NameMember(group, device))
    for _ in range(2):
        try:
            await world.groups.group_remove_device(ANNA, NameMember(group, "press-1"))
        except NotFoundError:
            continue

    said = [entry[0] for entry in entries(world)]
    assert said == ["device_group.created", "device_group.device_added", "device_group.device_removed"]
    assert [each["revision"] for each in world.privileges.told_of("device", device)] == [0, 1, 2]


@pytest.mark.parametrize("twin", ["line 1", " LINE 1"])
async def test_given_a_twin_when_it_is_created_or_renamed_so_then_it_is_refused(world: World, twin: str) -> None:
    await world.create_group("Line 1")
    other = await world.create_group("other")

    with pytest.raises(AlreadyExistsError):
        await world.create_group(twin)
    with pytest.raises(AlreadyExistsError):
        await world.groups.group_rename(ANNA, RenameGroup(other.group_key, twin))
    await world.create_group(twin, 4)  # another project may

    with pytest.raises(ConflictError):
        await world.groups.group_show(ANNA, NameGroup(twin))


@pytest.mark.parametrize("name", ["", "7", "a\x00b", "x" * 101])
async def test_given_an_unfit_name_when_it_is_given_then_it_is_refused(world: World, name: str) -> None:
    group = (await world.create_group()).group_key

    with pytest.raises(InvalidArgumentError):
        await world.create_group(name)
    with pytest.raises(InvalidArgumentError):
        await world.groups.group_rename(ANNA, RenameGroup(group, name))


@pytest.mark.parametrize("wanted", ["line-1", "\x00", "a\ud800b", "", 10**9])
async def test_what_is_foreign_looks_as_if_it_were_not_there(world: World, wanted: int | str) -> None:
    key = (await world.create_group()).group_key
    refusals = []
    for group in (wanted, key):
        for call in (
            world.groups.group_show(BERT, NameGroup(group)),
            world.groups.group_rename(BERT, RenameGroup(group, "mine")),
            world.groups.group_delete(BERT, NameGroup(group)),
            world.groups.group_add_device(BERT, NameMember(group, 1)),
            world.groups.group_remove_device(BERT, NameMember(group, 1)),
        ):
            with pytest.raises(NotFoundError) as refused:
                await call
            refusals.append(refused.value.details())

    assert all(refusal == refusals[0] for refusal in refusals)


async def test_a_list_is_paged_and_holds_what_may_be_seen(world: World) -> None:
    keys = [(await world.create_group(f"g{number}", 3 + number % 2)).group_key for number in range(5)]
    await world.create_group("foreign", 9, BERT)
    person = world.member(3, AssetKind.GROUP, keys[2], "READ")

    first = await world.groups.group_list(ANNA, ListGroups(None, None, 3))
    rest = await world.groups.group_list(ANNA, ListGroups(None, first.next, 3))
    assert [group.group_key for group in (*first.groups, *rest.groups)] == keys
    assert rest.next is None
    assert [group.group_key for group in (await world.groups.group_list(person, ListGroups())).groups] == [keys[2]]
    assert [group.group_key for group in (await world.groups.group_list(ANNA, ListGroups("depot"))).groups] == keys[
        1::2
    ]
    with pytest.raises(NotFoundError):
        await world.groups.group_list(BERT, ListGroups("plant"))


async def test_putting_in_needs_members_on_the_group_and_what_privileges_says_on_the_device(world: World) -> None:
    device, group = (await world.create()).device_key, (await world.create_group()).group_key
    nearly = world.member(3, AssetKind.GROUP, group, *(set(FLAGS[AssetKind.GROUP]) - {"MEMBERS"}))
    world.rights.give(nearly.account_key, 3, AssetKind.DEVICE, device, *FLAGS[AssetKind.DEVICE])
    person = world.member(3, AssetKind.GROUP, group, "MEMBERS", "READ")
    with pytest.raises(NotAuthorizedError, match="MEMBERS"):
        await world.groups.group_add_device(nearly, NameMember(group, device))
    with pytest.raises(NotFoundError):  # they do not even see the device
        await world.groups.group_add_device(person, NameMember(group, device))
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, device, "READ")

    world.privileges.missing = ["OPERATE", "GRANT"]
    with pytest.raises(NotAuthorizedError, match="GRANT, OPERATE") as refused:
        await world.groups.group_add_device(person, NameMember(group, device))

    assert refused.value.details()["missing"] == ["GRANT", "OPERATE"]
    assert members(world, group) == []
    asked = [said for uri, _, said in world.router.calls if uri == "ironflock.privileges.group.missing"]
    assert asked == [{"account_key": person.account_key, "group_key": group, "device_key": device}]
    world.privileges.missing = []
    await world.groups.group_add_device(person, NameMember(group, device))
    assert members(world, group) == [device]


async def test_taking_out_needs_members_on_the_group_alone(world: World) -> None:
    device, group = (await world.create()).device_key, (await world.create_group()).group_key
    await world.groups.group_add_device(ANNA, NameMember(group, device))
    nearly = world.member(3, AssetKind.GROUP, group, *(set(FLAGS[AssetKind.GROUP]) - {"MEMBERS"}))
    with pytest.raises(NotAuthorizedError):
        await world.groups.group_remove_device(nearly, NameMember(group, device))

    await world.groups.group_remove_device(
        world.member(3, AssetKind.GROUP, group, "MEMBERS"), NameMember(group, device)
    )

    assert members(world, group) == []


async def test_given_privileges_away_when_a_device_is_put_in_then_it_is_not(world: World) -> None:
    device, group = (await world.create()).device_key, (await world.create_group()).group_key
    world.privileges.is_away = True

    with pytest.raises(UnavailableError):
        await world.groups.group_add_device(ANNA, NameMember(group, device))

    assert members(world, group) == []


async def test_group_and_device_are_known_to_privileges_before_it_is_asked_what_is_missing(world: World) -> None:
    world.privileges.is_away = True
    device, group = (await world.create()).device_key, (await world.create_group()).group_key
    world.privileges.is_away = False
    known: list[int] = []

    def missing(**_: Any) -> list[str]:
        known.extend(said["key"] for said in world.privileges.told)
        return []

    world.router.answers["ironflock.privileges.group.missing"] = missing

    await world.groups.group_add_device(ANNA, NameMember(group, device))

    assert sorted(known) == sorted([group, device])


@pytest.mark.parametrize("named", [True, False])
async def test_a_device_of_another_project_does_not_enter(world: World, *, named: bool) -> None:
    device, group = (await world.create("far", 4)).device_key, (await world.create_group()).group_key

    with pytest.raises(NotFoundError if named else ConflictError):
        await world.groups.group_add_device(ANNA, NameMember(group, "far" if named else device))

    async def force() -> None:
        async with world.database.transaction() as connection:
            await store.member_insert(connection, group_key=group, device_key=device, project_key=3)

    with pytest.raises(ForeignKeyViolation):  # and the database holds that wall
        await force()
    assert members(world, group) == []


async def test_a_device_can_be_in_so_many_groups_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedures, "MAX_GROUPS_OF_A_DEVICE", 2)
    device = (await world.create()).device_key
    one, two, three = [(await world.create_group(name)).group_key for name in ("g1", "g2", "g3")]
    for group in (one, two, two):
        await world.groups.group_add_device(ANNA, NameMember(group, device))

    with pytest.raises(OverLimitError):
        await world.groups.group_add_device(ANNA, NameMember(three, device))


async def test_given_a_removal_at_the_same_moment_when_devices_are_put_in_then_all_ends_well(world: World) -> None:
    group = (await world.create_group()).group_key
    devices = [(await world.create(f"d{number}")).device_key for number in range(6)]

    results = await asyncio.gather(
        *(world.groups.group_add_device(ANNA, NameMember(group, device)) for device in devices),
        world.groups.group_delete(ANNA, NameGroup(group)),
        return_exceptions=True,
    )

    assert all(result is None or isinstance(result, NotFoundError) for result in results)
    assert world.postgres.rows("SELECT count(*) FROM devices.group_member") == [(0,)]
    world.telling.wake()
    await world.telling.keep_up()
    for device in devices:
        assert world.privileges.told_of("device", device)[-1]["groups"] == []


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("create", {"project": 3}),
        ("create", {"project": 3, "name": "x" * 10**6}),
        ("list", {"limit": 0}),
        ("show", {"group": True}),
        ("rename", {"group": 1}),
        ("delete", {}),
        ("add_device", {"group": 1}),
        ("remove_device", {"group": 1, "device": 1.5}),
    ],
)
async def test_given_unfit_arguments_when_people_call_then_the_refusal_is_clear(
    world: World, verb: str, arguments: dict[str, Any]
) -> None:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(world.groups)}
    call = public_errors(*found[f"ironflock.devices.group.{verb}"], None, everywhere)

    with pytest.raises(ApplicationError) as refused:
        await call(details=call_details("user", "5"), **arguments)

    assert refused.value.error == "wamp.error.invalid_argument"

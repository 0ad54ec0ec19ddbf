"""Who may do what with devices: each procedure with exactly its flag, without it, and from outside."""

import random  # noqa: TID251 - made with a fixed seed below
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attrs import evolve

from services.devices.records.devices import (
    ClaimDevice,
    CreateDevice,
    CreateGroup,
    ListDevices,
    ListGroups,
    NameDevice,
    NameGroup,
    NameMember,
    RenameDevice,
    RenameGroup,
)
from services.devices.rules import devices as rules
from services.devices.store import devices as store
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import FLAGS, AssetKind
from shared.identities import Person
from shared.rights.records import Default, Grant, LockKind, Standing
from shared.rights.rules import decide
from shared.scopes import parse_scopes
from tests.harness.rights import MEMBER, OWNING, project
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
STRANGER = Person(77, 99)
DEVICE, GROUP = AssetKind.DEVICE, AssetKind.GROUP
Act = Callable[[World, Person, int], Awaitable[Any]]

ON_A_DEVICE: dict[str, tuple[str, Act]] = {
    "show": ("READ", lambda world, person, key: world.people.device_show(person, NameDevice(key))),
    "flash": ("MAINTAIN", lambda world, person, key: world.people.device_flash(person, NameDevice(key))),
    "rename": ("UPDATE", lambda world, person, key: world.people.device_rename(person, RenameDevice(key, "new"))),
    "delete": ("DELETE", lambda world, person, key: world.people.device_delete(person, NameDevice(key))),
}
ON_A_GROUP: dict[str, tuple[str, Act]] = {
    "show": ("READ", lambda world, person, key: world.groups.group_show(person, NameGroup(key))),
    "rename": ("UPDATE", lambda world, person, key: world.groups.group_rename(person, RenameGroup(key, "new"))),
    "delete": ("DELETE", lambda world, person, key: world.groups.group_delete(person, NameGroup(key))),
}
IN_A_PROJECT: dict[str, tuple[str, Act]] = {
    "device": ("CREATE_DEVICES", lambda world, person, key: world.people.device_create(person, CreateDevice(key, "x"))),
    "group": ("CREATE_GROUPS", lambda world, person, key: world.groups.group_create(person, CreateGroup(key, "x"))),
}


def others(kind: AssetKind, flag: str) -> set[str]:
    """Every other flag on such an asset; a group has those of its devices too."""
    return set(FLAGS[kind]) - {flag}


async def exactly(world: World, kind: AssetKind, key: int, flag: str, act: Act) -> None:
    """With the flag alone it is done; with all others it is refused; from outside there is nothing."""
    nearly = world.member(3, kind, key, *others(kind, flag))
    nothing = world.member(3, AssetKind.BOARD, 1, "READ")
    refusal = NotFoundError if flag == "READ" else NotAuthorizedError
    before = world.postgres.rows("SELECT count(*) FROM audit.queue")
    with pytest.raises(refusal):
        await act(world, nearly, key)
    for outsider in (nothing, STRANGER, BERT):
        with pytest.raises(NotFoundError):
            await act(world, outsider, key)
    assert world.postgres.rows("SELECT count(*) FROM audit.queue") == before
    await act(world, world.member(3, kind, key, flag), key)


@pytest.mark.parametrize("verb", ON_A_DEVICE)
async def test_a_device_needs_exactly_its_flag(world: World, verb: str) -> None:
    key = (await world.create()).device_key
    await exactly(world, AssetKind.DEVICE, key, *ON_A_DEVICE[verb])


@pytest.mark.parametrize("verb", ON_A_GROUP)
async def test_a_group_needs_exactly_its_flag(world: World, verb: str) -> None:
    key = (await world.create_group()).group_key
    await exactly(world, AssetKind.GROUP, key, *ON_A_GROUP[verb])


@pytest.mark.parametrize("verb", IN_A_PROJECT)
async def test_a_project_needs_exactly_its_flag(world: World, verb: str) -> None:
    await exactly(world, AssetKind.PROJECT, 3, *IN_A_PROJECT[verb])


@pytest.mark.parametrize("verb", ON_A_DEVICE)
async def test_a_flag_on_a_group_holds_for_its_devices_while_they_are_in_it(world: World, verb: str) -> None:
    flag, act = ON_A_DEVICE[verb]
    key, group = (await world.create()).device_key, (await world.create_group()).group_key
    person = world.member(3, AssetKind.GROUP, group, flag)
    with pytest.raises(NotFoundError):
        await act(world, person, key)

    await world.groups.group_add_device(ANNA, NameMember(group, key))

    await act(world, person, key)


async def test_the_owner_of_the_project_may_do_everything_whoever_created_it(world: World) -> None:
    creator = world.member(3, AssetKind.PROJECT, 3, "READ", "CREATE_DEVICES")
    key = (await world.create("theirs", 3, creator)).device_key

    for verb in ("show", "flash", "rename", "delete"):
        await ON_A_DEVICE[verb][1](world, ANNA, key)


async def test_a_default_holds_on_every_device_for_every_member(world: World) -> None:
    keys = [(await world.create(name)).device_key for name in ("a", "b")]
    world.rights.hold(50, project(3), evolve(MEMBER, defaults=(Default("READ", AssetKind.DEVICE, None),)))
    person = Person(50, 99)

    page = await world.people.device_list(person, ListDevices("plant"))

    assert [device.device_key for device in page.devices] == keys
    with pytest.raises(NotAuthorizedError):
        await world.people.device_rename(person, RenameDevice(keys[0], "c"))


async def test_what_has_ended_is_not_held_any_more(world: World) -> None:
    key = (await world.create()).device_key
    person = world.member(3, AssetKind.DEVICE, key, "READ", ends_at=world.rights.now() - 1)

    with pytest.raises(NotFoundError):
        await world.show(key, person)
    assert (await world.people.device_list(person, ListDevices())).devices == []


@pytest.mark.parametrize(("kind", "key"), [(LockKind.PERSON, 5), (LockKind.PROJECT, 3), (LockKind.DEVICE, 0)])
async def test_a_lock_stands_above_the_owner(world: World, kind: LockKind, key: int) -> None:
    device = (await world.create()).device_key
    world.rights.lock(kind, key or device)

    with pytest.raises((NotAuthorizedError, NotFoundError)):
        await world.people.device_flash(ANNA, NameDevice(device))
    shown = await world.people.device_list(ANNA, ListDevices())
    assert bool(shown.devices) == (kind is not LockKind.PERSON)

    world.rights.unlock()
    await world.people.device_flash(ANNA, NameDevice(device))


@pytest.mark.parametrize("verb", [*ON_A_DEVICE, "list", "create"])
async def test_given_silent_rights_when_people_ask_then_it_is_unavailable_and_nothing_changed(
    world: World, verb: str
) -> None:
    key = (await world.create()).device_key
    audited = world.postgres.audited()
    world.rights.is_silent = True

    acts = {
        **{name: act for name, (_, act) in ON_A_DEVICE.items()},
        "list": lambda world, person, _: world.people.device_list(person, ListDevices()),
        "create": lambda world, person, _: world.people.device_create(person, CreateDevice(3, "x")),
    }
    with pytest.raises(UnavailableError):
        await acts[verb](world, ANNA, key)
    assert world.postgres.audited() == audited


async def test_a_project_that_requires_a_factor_is_closed_without_it_however_a_device_is_named(world: World) -> None:
    key = (await world.create()).device_key
    world.requiring.add(3)

    for device, place in ((key, None), (key, 3), ("press-1", "plant")):
        with pytest.raises(NotAuthorizedError):
            await world.people.device_show(ANNA, NameDevice(device, place))
    with pytest.raises(NotFoundError):
        await world.people.device_show(ANNA, NameDevice("press-1"))
    assert (await world.people.device_list(ANNA, ListDevices())).devices == []
    with pytest.raises(NotFoundError):  # an outsider hears nothing of it
        await world.show(key, STRANGER)


async def test_a_device_that_two_projects_have_is_ambiguous_only_where_both_are_seen(world: World) -> None:
    first, second = await world.create("press", 3), await world.create("press", 4)
    sees_one = world.member(3, AssetKind.DEVICE, first.device_key, "READ")
    world.rights.give(sees_one.account_key, 4, AssetKind.BOARD, 1, "READ")

    assert (await world.people.device_show(sees_one, NameDevice("press"))).device_key == first.device_key
    world.rights.give(sees_one.account_key, 4, AssetKind.DEVICE, second.device_key, "READ")
    with pytest.raises(ConflictError):
        await world.people.device_show(sees_one, NameDevice("press"))


async def test_a_device_is_looked_for_in_the_named_project_only(world: World) -> None:
    key = (await world.create("press", 3)).device_key

    for device in (key, "press"):
        with pytest.raises(NotFoundError):
            await world.people.device_show(ANNA, NameDevice(device, "depot"))


@pytest.mark.parametrize(
    ("scopes", "seen"),
    [
        (["read@project/3"], {3}),
        (["all@project/99"], set()),
        (["all@device/{key}"], {3}),
        (["all@device/{key}", "all@project/4"], {3, 4}),
    ],
)
async def test_scopes_only_take_away(world: World, scopes: list[str], seen: set[int]) -> None:
    keys = {place: (await world.create("press", place)).device_key for place in (3, 4)}
    narrow = evolve(ANNA, scopes=parse_scopes([text.format(key=keys[3]) for text in scopes]))

    shown = {device.project_key for device in (await world.people.device_list(narrow, ListDevices())).devices}

    assert shown == seen
    for place, key in keys.items():
        if place in seen:
            assert (await world.show(key, narrow)).device_key == key
        else:
            with pytest.raises(NotFoundError):
                await world.show(key, narrow)
    foreign = evolve(BERT, scopes=parse_scopes([f"all@device/{keys[3]}", "all@project/4"]))
    assert (await world.people.device_list(foreign, ListDevices())).devices == []


async def test_a_device_s_scope_opens_no_group_of_that_key(world: World) -> None:
    group = await world.create_group()
    narrow = evolve(ANNA, scopes=parse_scopes([f"all@device/{group.group_key}"]))

    with pytest.raises(NotFoundError):
        await world.groups.group_show(narrow, NameGroup(group.group_key))
    assert (await world.groups.group_list(narrow, ListGroups())).groups == []


async def test_a_claim_needs_the_flag_in_the_project_before_the_code_is_looked_at(world: World) -> None:
    nearly = world.member(9, AssetKind.PROJECT, 9, *others(AssetKind.PROJECT, "CREATE_DEVICES"))

    for person, refusal in ((nearly, NotAuthorizedError), (ANNA, NotFoundError)):
        with pytest.raises(refusal):
            await world.claims.device_claim(person, ClaimDevice("x", 9))


def any_grant(chance: random.Random, number: int, things: dict[AssetKind, list[int]]) -> Grant:
    kind = chance.choice(list(things))
    flag, ends_at = chance.choice(["READ", "UPDATE"]), chance.choice([None, 1.0, 2.0e12])
    return Grant(number, flag, kind, chance.choice(things[kind]), ends_at, chance.random() < 0.3)


def any_standing(chance: random.Random, things: dict[AssetKind, list[int]]) -> Standing:
    """Somebody with a few grants here and there, as a member or not."""
    if chance.random() < 0.15:
        return OWNING
    grants = tuple(any_grant(chance, number, things) for number in range(chance.randrange(4)))
    defaults = (Default("READ", AssetKind.DEVICE, None),) if chance.random() < 0.15 else ()
    return Standing(is_owner=False, is_member=chance.random() < 0.7, grants=grants, defaults=defaults)


async def shown(world: World, person: Person, wanted: int | str) -> int | None:
    try:
        key: int = (await world.people.device_show(person, NameDevice(wanted))).device_key
    except NotFoundError:
        return None
    return key


async def test_lists_names_and_single_looks_are_one_answer_on_random_rights(world: World) -> None:
    chance = random.Random(5)  # noqa: S311 - the same in every run
    keys = [(await world.create(f"d{number}", 3 + number % 2)).device_key for number in range(8)]
    groups = [(await world.create_group(f"g{number}", 3 + number % 2)).group_key for number in range(4)]
    for number, key in enumerate(keys):
        for group in chance.sample(groups[number % 2 :: 2], chance.randrange(3)):
            await world.groups.group_add_device(ANNA, NameMember(group, key))
    rows = [await world.device(key) for key in keys]
    for account in range(200, 300):
        person = Person(account, 99)
        standings = {place: any_standing(chance, {DEVICE: keys, GROUP: groups}) for place in (3, 4)}
        for place, standing in standings.items():
            world.rights.hold(account, project(place), standing)

        now = world.rights.now()
        reads = {row.device_key: decide(standings[row.project_key], "READ", rules.asset(row), now=now) for row in rows}

        listed = (await world.people.device_list(person, ListDevices())).devices
        assert {device.device_key for device in listed} == {key for key, answer in reads.items() if answer.allowed}
        for row in rows:
            expected = row.device_key if reads[row.device_key].allowed else None
            assert [await shown(world, person, wanted) for wanted in (row.device_key, row.name)] == [expected] * 2


async def test_a_list_of_a_group_holds_what_is_in_it_and_seen(world: World) -> None:
    inside, outside, unseen = [(await world.create(name)).device_key for name in ("a", "b", "c")]
    group = (await world.create_group()).group_key
    for key in (inside, unseen):
        await world.groups.group_add_device(ANNA, NameMember(group, key))
    world.rights.hold(50, project(3), evolve(MEMBER, defaults=(Default("READ", AssetKind.GROUP, None),)))
    world.rights.give(50, 3, AssetKind.DEVICE, inside, "READ")
    world.rights.give(50, 3, AssetKind.DEVICE, outside, "READ")

    listed = await world.people.device_list(Person(50, 99), ListDevices(group=group))

    assert [device.device_key for device in listed.devices] == [inside]
    with pytest.raises(NotFoundError):
        await world.people.device_list(STRANGER, ListDevices(group=group))


async def test_given_a_device_that_went_elsewhere_when_it_was_found_before_then_nothing_is_done(world: World) -> None:
    key = (await world.create()).device_key
    before = await world.device(key)
    world.postgres.run("INSERT INTO devices.project VALUES (9, 'yard', 6, 'person 6')")
    world.postgres.run("UPDATE devices.device SET project_key = 9 WHERE device_key = %s", key)

    for act in (world.lifecycle.flash, world.lifecycle.delete):
        with pytest.raises(NotFoundError):
            await act(ANNA, before)
    found = await world.database.run(lambda connection: store.device_find(connection, key))
    assert found is not None
    assert (found.state, found.project_key) == ("registered", 9)

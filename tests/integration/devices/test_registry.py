"""What tunnels asks about devices: who reaches them, who sees them, how they stand."""

from typing import Any

import pytest

from services.devices.procedures.registry import RegistryProcedures
from services.devices.records.devices import AskStanding, ReachDevice, ReachedDevice, VisibleDevices
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import FLAGS, AssetKind
from shared.identities import Person, ServiceIdentity
from shared.rights.records import LockKind
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
TUNNELS = ServiceIdentity("tunnels", 1)


def asked(person: Person, device: int | str, flag: str = "REMOTE_ACCESS", *scopes: str, **more: Any) -> ReachDevice:
    return ReachDevice(person.account_key, "key-1", list(scopes or ("all",)), flag, device, **more)


async def reached(world: World, request: ReachDevice) -> ReachedDevice:
    found: ReachedDevice = await RegistryProcedures(world.parts).device_reach(TUNNELS, request)
    return found


async def test_nobody_but_tunnels_asks(world: World) -> None:
    key = (await world.create()).device_key
    procedures = RegistryProcedures(world.parts)
    for name in ("router", "gateway", "auth", "realms", ""):
        other = ServiceIdentity(name, 1)
        for call in (
            procedures.device_reach(other, asked(ANNA, key)),
            procedures.device_visible(other, VisibleDevices(5, ["all"], [3], [key])),
            procedures.device_standing(other, AskStanding([key])),
        ):
            with pytest.raises(NotAuthorizedError, match="for tunnels"):
                await call


async def test_a_device_is_reached_by_key_or_name_with_exactly_the_flag(world: World) -> None:
    key = (await world.create()).device_key
    just = world.member(3, AssetKind.DEVICE, key, "READ", "REMOTE_ACCESS")
    nearly = world.member(3, AssetKind.DEVICE, key, *(set(FLAGS[AssetKind.DEVICE]) - {"REMOTE_ACCESS"}))

    for person in (ANNA, just):
        for named in (key, "press-1"):
            assert await reached(world, asked(person, named)) == ReachedDevice(key, 3, "press-1")
    with pytest.raises(NotAuthorizedError, match="REMOTE_ACCESS"):
        await reached(world, asked(nearly, key))
    for named in (key, "press-1", 4711):
        with pytest.raises(NotFoundError):
            await reached(world, asked(BERT, named))


async def test_a_name_that_two_projects_have_wants_its_project(world: World) -> None:
    await world.create()
    other = (await world.create(project=4)).device_key

    with pytest.raises(ConflictError):
        await reached(world, asked(ANNA, "press-1"))
    assert (await reached(world, asked(ANNA, "press-1", project="depot"))).device_key == other


async def test_no_credential_reaches_further_than_its_scopes(world: World) -> None:
    key = (await world.create()).device_key

    assert (await reached(world, asked(ANNA, key, "REMOTE_ACCESS", f"all@device/{key}"))).device_key == key
    for scopes in ((f"all@device/{key + 1}",), ("all@project/4",), ("nonsense",)):
        with pytest.raises(NotFoundError):
            await reached(world, asked(ANNA, key, "REMOTE_ACCESS", *scopes))


async def test_factor_lock_and_silence_keep_out(world: World) -> None:
    key = (await world.create()).device_key
    world.requiring.add(3)
    with pytest.raises(NotAuthorizedError):
        await reached(world, asked(ANNA, key))
    world.requiring.clear()
    world.rights.lock(LockKind.DEVICE, key)
    with pytest.raises(NotAuthorizedError):
        await reached(world, asked(ANNA, key))
    world.rights.unlock()
    world.rights.is_silent = True
    with pytest.raises(UnavailableError):
        await reached(world, asked(ANNA, key))


async def test_what_is_visible_is_what_people_are_listed(world: World) -> None:
    keys = [(await world.create(name)).device_key for name in ("a", "b", "c")]
    foreign = (await world.create("d", 9, BERT)).device_key
    some = world.member(3, AssetKind.DEVICE, keys[1], "READ")
    procedures = RegistryProcedures(world.parts)

    async def visible(person: Person, *scopes: str) -> list[int]:
        request = VisibleDevices(person.account_key, list(scopes or ("all",)), [3, 4], [*keys[:2], foreign, 4711])
        return [each.device_key for each in await procedures.device_visible(TUNNELS, request)]

    assert await visible(ANNA) == keys[:2]
    assert await visible(some) == [keys[1]]
    assert await visible(ANNA, f"read@device/{keys[0]}") == [keys[0]]
    assert await visible(BERT) == []
    world.rights.lock(LockKind.PERSON, 5)
    assert await visible(ANNA) == []


async def test_how_a_device_stands(world: World) -> None:
    key = (await world.create()).device_key
    flashed, _ = await world.flash(key)
    await world.online(key, 77)
    procedures = RegistryProcedures(world.parts)

    [there] = await procedures.device_standing(TUNNELS, AskStanding([key, 4711]))

    assert (there.device_key, there.project_key, there.name, there.session) == (key, 3, "press-1", 77)
    assert (there.flash_id, there.is_locked, there.is_leaving) == (flashed.flash_id, False, False)
    world.rights.lock(LockKind.PROJECT, 3)
    assert [each.is_locked for each in await procedures.device_standing(TUNNELS, AskStanding([key]))] == [True]
    world.rights.unlock()
    await world.delete(key)
    assert await procedures.device_standing(TUNNELS, AskStanding([key])) == []

"""Claiming: a code that is shown once takes a device elsewhere once, and nothing of before opens any more."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from services.devices.procedures.claims import ATTEMPTS
from services.devices.records.devices import ClaimDevice, NameDevice, NameMember, SetClaimable
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    PublicError,
    UnavailableError,
)
from shared.flags import AssetKind
from shared.identities import Person
from shared.rights.records import LockKind, project_domain
from tests.integration.devices.test_lifecycle import POINTS, well_again
from tests.integration.devices.world import ANNA, BERT, KILL_BY_AUTHID, Crash, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def claimable(world: World, device: int | str = "press-1") -> str:
    """The device may be claimed by this code from now on."""
    answer = await world.claims.device_set_claimable(ANNA, SetClaimable(device, is_claimable=True))
    assert answer.is_claimable
    assert answer.claim_code is not None
    return str(answer.claim_code)


async def claim(world: World, code: str, person: Person = BERT, project: int = 9, name: str | None = None) -> Any:
    return await world.claims.device_claim(person, ClaimDevice(code, project, name))


def where(world: World, key: int) -> tuple[Any, ...]:
    rows = world.postgres.rows(
        "SELECT project_key, state, moved_from, claim_digest IS NULL FROM devices.device WHERE device_key = %s", key
    )
    return tuple(rows[0])


async def test_a_claimed_device_is_in_the_project_with_new_secrets_and_nothing_of_before(world: World) -> None:
    key, group = (await world.create()).device_key, (await world.create_group()).group_key
    await world.groups.group_add_device(ANNA, NameMember(group, key))
    await world.flash(key)
    old = world.auth.issued[key]
    code = await claimable(world)

    claimed = await claim(world, code, name=" Mine ")

    assert (claimed.device.device_key, claimed.device.project_key, claimed.device.name) == (key, 9, "Mine")
    flock = claimed.flock
    assert (flock["secret"], flock["swarm_key"], flock["swarm_owner_name"]) == (
        world.auth.issued[key][1],
        9,
        "person 6",
    )
    assert world.auth.issued[key] != old
    assert world.auth.projects[key] == 9
    assert where(world, key) == (9, "flashed", None, True)
    assert [args[0] for args in world.router.called(KILL_BY_AUTHID)][1:] == [f"3-{key}", f"9-{key}"]
    assert (await world.device(key)).groups == frozenset()
    told = world.privileges.told_of("device", key)[-1]
    assert (told["project_key"], told["creator_account_key"], told["groups"], told["revision"]) == (9, 6, [], 2)
    with pytest.raises(NotFoundError):
        await world.show(key, ANNA)
    assert (await world.show(key, BERT)).name == "Mine"


async def test_both_projects_logs_tell_of_it(world: World) -> None:
    key = (await world.create()).device_key
    code = await claimable(world)
    await claim(world, code)

    rows = world.postgres.rows(
        "SELECT action, outcome, project, actor ->> 'key', before, after FROM audit.queue ORDER BY id OFFSET 1"
    )
    went = ({"name": "press-1", "project_key": 3}, {"name": "press-1", "project_key": 9})
    assert rows == [
        ("device.claimable_set", "done", 3, "5", {"is_claimable": False}, {"is_claimable": True}),
        ("device.claimed", "done", 3, "6", *went),
        ("device.claimed", "done", 9, "6", *went),
        ("device.flashed", "intended", 9, "6", None, None),
        ("device.flashed", "done", 9, "6", None, None),
    ]
    assert key


async def test_a_code_is_long_shown_once_and_kept_as_a_digest(world: World) -> None:
    await world.create()
    answer = await world.claims.device_set_claimable(ANNA, SetClaimable("press-1", is_claimable=True))

    code = answer.claim_code
    assert code is not None
    assert len(code.replace("-", "")) == 32  # of 5 bits each
    assert code not in repr(answer)
    assert code not in repr(ClaimDevice(code, 9))
    kept = str(
        world.postgres.rows("SELECT d::text FROM devices.device d")
        + world.postgres.rows("SELECT q::text FROM audit.queue q")
    )
    assert code not in kept
    assert code.replace("-", "") not in kept
    assert code not in json.dumps((await world.people.device_show(ANNA, NameDevice("press-1"))).name)


async def test_a_code_is_taken_however_it_is_typed(world: World) -> None:
    key = (await world.create()).device_key

    await claim(world, f" {(await claimable(world)).lower().replace('-', ' ')}\n")

    assert where(world, key)[0] == 9


async def test_a_code_that_claims_nothing_is_one_and_the_same_refusal(world: World) -> None:
    for name in ("a", "b", "c"):
        await world.create(name)
    spent = await claimable(world, "a")
    await claim(world, spent)
    replaced, off = await claimable(world, "b"), await claimable(world, "c")
    await claimable(world, "b")
    ended = await world.claims.device_set_claimable(ANNA, SetClaimable("c", is_claimable=False))
    assert (ended.is_claimable, ended.claim_code) == (False, None)
    refusals = []
    for code in (spent, replaced, off, "wrong", "", "\x00", "\ud800"):
        with pytest.raises(NotFoundError) as refused:
            await claim(world, code, project=9)
        refusals.append(refused.value.details())

    assert all(refusal == refusals[0] for refusal in refusals)


async def test_wrong_codes_are_slowed_down_for_each_person_and_right_ones_do_not_count(world: World) -> None:
    await world.create()
    code = await claimable(world)
    for _ in range(ATTEMPTS):
        with pytest.raises(NotFoundError):
            await claim(world, "wrong")

    with pytest.raises(OverLimitError):
        await claim(world, code)
    other = world.member(9, AssetKind.PROJECT, 9, "READ", "CREATE_DEVICES")
    for number in range(ATTEMPTS + 2):
        await world.create(f"d{number}")
        await claim(world, await claimable(world, f"d{number}"), other)


async def test_given_fifty_at_once_when_they_claim_then_one_has_won(world: World) -> None:
    key = (await world.create()).device_key
    code = await claimable(world)
    people = [world.member(9, AssetKind.PROJECT, 9, "READ", "CREATE_DEVICES") for _ in range(50)]

    results = await asyncio.gather(*(claim(world, code, person) for person in people), return_exceptions=True)

    won = [result for result in results if not isinstance(result, BaseException)]
    assert len(won) == 1
    assert all(isinstance(result, PublicError) for result in results if isinstance(result, BaseException))
    assert sum(isinstance(result, NotFoundError) for result in results) >= 40
    assert won[0].flock["secret"] == world.auth.issued[key][1]
    assert [action for action, _ in world.postgres.audited()].count("device.claimed") == 2
    puts = [said for said in world.privileges.told_of("device", key) if said["project_key"] == 9]
    assert len(puts) == 1


async def test_a_name_that_the_project_has_is_refused_and_the_code_stays(world: World) -> None:
    key = (await world.create()).device_key
    await world.create("press-1", 9, BERT)
    code = await claimable(world)

    with pytest.raises(AlreadyExistsError):
        await claim(world, code)
    with pytest.raises(InvalidArgumentError):
        await claim(world, code, name="7")
    assert where(world, key) == (3, "registered", None, False)

    assert (await claim(world, code, name="press-2")).device.name == "press-2"


async def test_a_device_is_not_claimed_into_its_own_project_nor_while_it_is_flashed(world: World) -> None:
    key = (await world.create()).device_key
    code = await claimable(world)
    with pytest.raises(ConflictError):
        await claim(world, code, ANNA, 3)
    world.postgres.run("UPDATE devices.device SET state = 'flashing', flash_id = gen_random_uuid()")
    with pytest.raises(ConflictError):
        await claim(world, code)

    assert where(world, key) == (3, "flashing", None, False)


@pytest.mark.parametrize("point", POINTS)
async def test_given_a_crash_while_it_is_claimed_when_it_is_repaired_then_it_is_claimed_once(
    world: World, point: Callable[[World], None]
) -> None:
    key = (await world.create()).device_key
    code = await claimable(world)
    point(world)
    with pytest.raises(Crash):
        await claim(world, code)
    assert where(world, key) == (9, "flashing", 3, True)
    well_again(world)
    world.router.calls.clear()

    await world.lifecycle.repair(older_than_s=0)
    await world.lifecycle.repair(older_than_s=0)

    assert where(world, key) == (9, "flashed", None, True)
    assert [args[0] for args in world.router.called(KILL_BY_AUTHID)] == [f"3-{key}", f"9-{key}"]
    with pytest.raises(NotFoundError):
        await claim(world, code, ANNA, 4)
    assert (await world.people.device_flash(BERT, NameDevice(key))).flock["swarm_key"] == 9


async def test_given_auth_away_when_it_is_claimed_then_it_is_finished_later_and_flashed_once_more(world: World) -> None:
    key = (await world.create()).device_key
    code = await claimable(world)
    world.auth.is_away = True

    with pytest.raises(UnavailableError):
        await claim(world, code)
    well_again(world)
    await world.lifecycle.repair(older_than_s=0)

    assert where(world, key) == (9, "flashed", None, True)


async def test_given_privileges_away_when_it_is_claimed_then_it_is_told_later(world: World) -> None:
    key = (await world.create()).device_key
    code = await claimable(world)
    world.privileges.is_away = True

    await claim(world, code)

    world.privileges.is_away = False
    world.telling.wake()
    await world.telling.keep_up()
    assert world.privileges.told_of("device", key)[-1]["project_key"] == 9


async def test_watches_of_both_projects_hear_of_it(world: World) -> None:
    key = (await world.create()).device_key
    await world.create("x", 9, BERT)
    code = await claimable(world)
    told: dict[int, asyncio.Queue[Any]] = {5: asyncio.Queue(), 6: asyncio.Queue()}
    watches = [
        asyncio.create_task(world.parts.watching.run(person, None, told[person.account_key].put_nowait))
        for person in (ANNA, BERT)
    ]
    try:
        for queue in told.values():
            await asyncio.wait_for(queue.get(), 2)
        await claim(world, code)

        assert (await asyncio.wait_for(told[5].get(), 2)).deleted == key
        assert (await asyncio.wait_for(told[6].get(), 2)).device.device_key == key
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


@pytest.mark.parametrize("kind", [LockKind.DEVICE, LockKind.PROJECT])
async def test_a_locked_device_is_not_claimed_away(world: World, kind: LockKind) -> None:
    key = (await world.create()).device_key
    code = await claimable(world)
    world.rights.lock(kind, key if kind is LockKind.DEVICE else 3)

    with pytest.raises(ConflictError):
        await claim(world, code)
    world.rights.unlock()

    assert (await claim(world, code)).device.project_key == 9


async def test_a_code_ends_with_the_right_of_whoever_made_it(world: World) -> None:
    key = (await world.create()).device_key
    holder = world.member(3, AssetKind.DEVICE, key, "READ", "GRANT", "DELETE")
    made = await world.claims.device_set_claimable(holder, SetClaimable(key, is_claimable=True))
    world.rights.lose(holder.account_key, project_domain(3))

    with pytest.raises(NotFoundError, match="claims no device"):
        await claim(world, str(made.claim_code))

    assert where(world, key)[0] == 3
    world.rights.give(holder.account_key, 3, AssetKind.DEVICE, key, "GRANT", "DELETE")
    await claim(world, str(made.claim_code))
    assert where(world, key)[0] == 9


@pytest.mark.parametrize("flags", [("READ", "GRANT"), ("READ", "DELETE")])
async def test_a_code_needs_the_right_to_give_the_device_away_and_the_right_to_lose_it(
    world: World, flags: tuple[str, ...]
) -> None:
    key = (await world.create()).device_key
    with pytest.raises(NotAuthorizedError):
        await world.claims.device_set_claimable(
            world.member(3, AssetKind.DEVICE, key, *flags), SetClaimable(key, is_claimable=True)
        )

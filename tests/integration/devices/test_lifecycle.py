"""Flashing and deleting: every step may be the last of its process, and the whole still comes to its end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices import lifecycle
from shared.errors import ConflictError, NotFoundError, UnavailableError
from tests.integration.devices.world import KILL_BY_AUTHID, Crash, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


def crash() -> None:
    raise Crash


def before_auth(world: World) -> None:
    world.auth.before = crash


def after_auth(world: World) -> None:
    world.auth.after = crash


def after_killing(world: World) -> None:
    world.after_kill = crash


def well_again(world: World) -> None:
    world.auth.before = world.auth.after = world.after_kill = lambda: None
    world.auth.is_away = False


POINTS = [before_auth, after_auth, after_killing]


def actions(world: World) -> list[str]:
    """What was done; every flashing and deletion was intended before."""
    audited = world.postgres.audited()
    intended = [action for action, outcome in audited if outcome == "intended"]
    done = [action for action, outcome in audited if outcome != "intended"]
    assert all(action in intended for action in done if action in ("device.flashed", "device.deleted"))
    return done


async def test_a_flashed_device_has_new_secrets_and_no_old_session(world: World) -> None:
    key = (await world.create()).device_key

    device, secret = await world.flash(key)

    state = world.state(key)
    assert state is not None
    assert (state[0], str(state[1])) == ("flashed", world.auth.issued[key][0])
    assert secret == world.auth.issued[key][1]
    assert (device.state, device.flashed_at is not None) == ("flashed", True)
    assert [call[0] for call in world.router.called(KILL_BY_AUTHID)] == [f"3-{key}"]
    assert actions(world) == ["device.created", "device.flashed"]


async def test_flashing_again_replaces_the_secret(world: World) -> None:
    key = (await world.create()).device_key
    _, first = await world.flash(key)

    _, second = await world.flash(key)

    assert first != second == world.auth.issued[key][1]
    assert len(world.router.called(KILL_BY_AUTHID)) == 2


@pytest.mark.parametrize("point", POINTS)
async def test_given_a_crash_while_it_is_flashed_when_it_is_repaired_then_it_is_flashed(
    world: World, point: Callable[[World], None]
) -> None:
    key = (await world.create()).device_key
    point(world)
    with pytest.raises(Crash):
        await world.flash(key)
    begun = world.state(key)
    assert begun is not None
    assert begun[0] == "flashing"
    well_again(world)

    await world.lifecycle.repair(older_than_s=0)
    await world.lifecycle.repair(older_than_s=0)

    assert world.state(key) == ("flashed", begun[1])
    assert world.auth.issued[key][0] == str(begun[1])
    assert world.router.called(KILL_BY_AUTHID)
    assert actions(world) == ["device.created", "device.flashed"]


@pytest.mark.parametrize("point", POINTS)
async def test_given_a_crash_while_it_is_deleted_when_it_is_repaired_then_it_is_gone(
    world: World, point: Callable[[World], None]
) -> None:
    key = (await world.create()).device_key
    point(world)
    with pytest.raises(Crash):
        await world.delete(key)
    assert world.state(key) is not None
    well_again(world)

    await world.lifecycle.repair(older_than_s=0)
    await world.lifecycle.repair(older_than_s=0)

    assert world.state(key) is None
    assert key in world.auth.ended
    assert world.router.called(KILL_BY_AUTHID)
    assert actions(world) == ["device.created", "device.deleted"]


async def test_what_has_just_begun_is_left_to_its_own_process(world: World) -> None:
    key = (await world.create()).device_key
    world.auth.before = crash
    with pytest.raises(Crash):
        await world.flash(key)
    well_again(world)

    await world.lifecycle.repair()

    state = world.state(key)
    assert state is not None
    assert state[0] == "flashing"


async def half_flashed(world: World) -> list[int]:
    """Two devices whose flashing did not end; that of the first cannot be ended now."""
    first, second = (await world.create("a")).device_key, (await world.create("b")).device_key
    world.auth.before = crash
    for key in (first, second):
        with pytest.raises(Crash):
            await world.flash(key)
    well_again(world)
    issue = world.auth.issue

    async def refuse_the_first(**order: Any) -> Any:
        if order["device_key"] == first:
            raise ApplicationError("wamp.error.runtime_error", "broken")
        return await issue(**order)

    world.router.answers["ironflock.auth.device_credential.issue"] = refuse_the_first
    return [first, second]


def states(world: World, keys: list[int]) -> list[str]:
    return [state[0] for key in keys if (state := world.state(key))]


async def test_given_a_device_that_cannot_be_finished_when_all_are_repaired_then_the_others_are(world: World) -> None:
    keys = await half_flashed(world)

    await world.lifecycle.repair(older_than_s=0)

    assert states(world, keys) == ["flashing", "flashed"]


async def test_however_many_cannot_be_finished_the_others_have_their_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "REPAIRED_AT_ONCE", 1)
    keys = await half_flashed(world)

    await world.lifecycle.repair(older_than_s=0)
    assert states(world, keys) == ["flashing", "flashing"]
    await world.lifecycle.repair(older_than_s=0)
    assert states(world, keys) == ["flashing", "flashed"]

    well_again(world)
    world.router.answers["ironflock.auth.device_credential.issue"] = world.auth.issue
    for _ in range(2):  # there is nothing behind the second: the first again
        await world.lifecycle.repair(older_than_s=0)
    assert states(world, keys) == ["flashed", "flashed"]


async def test_given_two_flashings_at_once_when_they_are_over_then_one_was_refused(world: World) -> None:
    key = (await world.create()).device_key
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await may_answer.wait()

    world.auth.before = wait
    first = asyncio.ensure_future(world.flash(key))
    await asked.wait()

    with pytest.raises(ConflictError):
        await world.flash(key)
    with pytest.raises(ConflictError):
        await world.delete(key)
    may_answer.set()
    _, secret = await first

    assert secret == world.auth.issued[key][1]
    assert actions(world).count("device.flashed") == 1


async def test_given_many_flashings_at_the_same_moment_when_they_are_over_then_the_winner_s_secret_counts(
    world: World,
) -> None:
    key = (await world.create()).device_key

    results = await asyncio.gather(*(world.flash(key) for _ in range(6)), return_exceptions=True)

    secrets = [result[1] for result in results if isinstance(result, tuple)]
    assert all(isinstance(result, tuple | ConflictError) for result in results)
    assert world.auth.issued[key][1] in secrets
    state = world.state(key)
    assert state is not None
    assert (state[0], str(state[1])) == ("flashed", world.auth.issued[key][0])


async def test_given_auth_away_when_a_device_is_deleted_then_it_is_deleted_once_auth_is_back(world: World) -> None:
    key = (await world.create()).device_key
    world.auth.is_away = True

    with pytest.raises(UnavailableError, match="deletion has begun"):
        await world.delete(key)
    with pytest.raises(ConflictError):
        await world.flash(key)
    await world.lifecycle.repair(older_than_s=0)
    state = world.state(key)
    assert state is not None
    assert state[0] == "deleting"

    well_again(world)
    await world.lifecycle.repair(older_than_s=0)

    assert world.state(key) is None


async def test_given_auth_away_when_a_device_is_flashed_then_it_is_finished_and_can_be_flashed_again(
    world: World,
) -> None:
    key = (await world.create()).device_key
    world.auth.is_away = True
    with pytest.raises(UnavailableError):
        await world.flash(key)

    well_again(world)
    await world.lifecycle.repair(older_than_s=0)
    _, secret = await world.flash(key)

    assert secret == world.auth.issued[key][1]


@pytest.mark.parametrize("act", ["flash", "delete"])
async def test_given_the_router_away_when_secrets_are_replaced_then_it_is_not_finished_before_the_sessions_are_closed(
    world: World, act: str
) -> None:
    key = (await world.create()).device_key
    world.control.lose()

    with pytest.raises(UnavailableError):
        await getattr(world, act)(key)
    assert world.router.called(KILL_BY_AUTHID) == []
    state = world.state(key)
    assert state is not None
    assert state[0] in ("flashing", "deleting")

    await world.join()
    await world.lifecycle.repair(older_than_s=0)

    assert [call[0] for call in world.router.called(KILL_BY_AUTHID)] == [f"3-{key}"]


async def test_given_no_device_when_it_is_flashed_or_deleted_then_it_is_not_found(world: World) -> None:
    key = (await world.create()).device_key
    await world.delete(key)

    for act in (world.flash, world.delete):
        with pytest.raises(NotFoundError):
            await act(key)


async def test_given_a_deletion_in_between_when_a_flashing_ends_then_it_says_so(world: World) -> None:
    key = (await world.create()).device_key
    world.after_kill = lambda: world.postgres.run(
        "UPDATE devices.device SET state = 'deleting' WHERE device_key = %s", key
    )

    with pytest.raises(ConflictError):
        await world.flash(key)

    assert "device.flashed" not in actions(world)

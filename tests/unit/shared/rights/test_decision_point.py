"""A decision point over a router in memory: what it keeps, what it hears, and when it refuses."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from autobahn.wamp.exception import ApplicationError
from structlog.testing import capture_logs

from shared.errors import UnavailableError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM
from shared.rights import decision_point
from shared.rights.decision_point import PART
from shared.rights.records import (
    Asset,
    LockKind,
)
from shared.rights.wire import CHANGED, SILENCE_S
from tests.unit.shared.memory_router import MemoryRouter, new_bus, settled
from tests.unit.shared.rights.world import (
    ANNA,
    BERTA,
    CARLA,
    MEMBER,
    MILL,
    OWNER,
    PLANT,
    PRESS,
    World,
    refusal,
    turns,
)

pytestmark = pytest.mark.asyncio


# what is kept


async def test_what_somebody_holds_is_asked_for_once_by_many_at_once_and_kept(world: World) -> None:
    together = await asyncio.gather(*(world.sees(ANNA) for _ in range(5)))

    assert together == [True] * 5
    assert await world.sees(ANNA, "DELETE")
    assert world.asked() == [ANNA]


async def test_a_change_of_a_person_drops_what_is_kept_of_them_and_of_nobody_else(world: World) -> None:
    world.grant(BERTA, "READ")
    assert [await world.sees(ANNA), await world.sees(BERTA)] == [True, True]

    world.hold(BERTA, MEMBER)
    world.say(world.change(BERTA))

    assert [await world.sees(ANNA), await world.sees(BERTA)] == [True, False]
    assert world.asked() == [ANNA, BERTA, BERTA]


async def test_a_change_for_everybody_drops_whoever_holds_something_in_that_domain(world: World) -> None:
    world.grant(BERTA, "READ")
    world.hold(CARLA, OWNER, MILL)
    for person in (ANNA, BERTA, CARLA):
        await world.rights.holdings(person)

    world.say(world.change(domain=PLANT, everybody=True))
    for person in (ANNA, BERTA, CARLA):
        await world.rights.holdings(person)

    assert world.asked() == [ANNA, BERTA, CARLA, ANNA, BERTA]


async def test_a_beat_that_follows_on_drops_nothing(world: World) -> None:
    await world.sees(ANNA)
    world.say(world.change(CARLA))

    await world.beat()
    await world.sees(ANNA)

    assert world.asked() == [ANNA]


@pytest.mark.parametrize("has_changes", [True, False])
async def test_a_gap_drops_everything_and_reads_the_locks_again(world: World, *, has_changes: bool) -> None:
    world.hold(CARLA, OWNER, MILL)
    for person in (ANNA, CARLA):
        await world.rights.holdings(person)
    world.hold(CARLA, MEMBER, MILL)
    world.lock(LockKind.DEVICE, PRESS.key)

    lost = world.change(CARLA)
    assert lost.position == 2
    world.say(*([world.change(BERTA)] if has_changes else []))
    await settled(world.bus)

    assert not (await world.rights.decide(CARLA, "READ", Asset(AssetKind.DEVICE, 1), MILL)).allowed
    assert not await world.sees(ANNA, "MAINTAIN")
    assert world.reads_of_locks == 1
    assert sorted(world.asked()) == [ANNA, ANNA, CARLA, CARLA]


async def test_a_gap_within_the_news_is_one_too(world: World) -> None:
    await world.sees(ANNA)
    first, _, third = world.change(CARLA), world.change(ANNA), world.change(CARLA)

    world.say(first, third)
    await world.sees(ANNA)

    assert world.asked() == [ANNA, ANNA]


async def test_what_is_said_twice_or_late_by_another_process_drops_nothing_again(world: World) -> None:
    older, newer = world.change(CARLA), world.change(ANNA)
    world.say(older)
    world.say(newer)
    await world.sees(ANNA)

    for said in (older, newer, older):
        world.say(said)
    world.say(position=older.position)
    await world.sees(ANNA)

    assert world.asked() == [ANNA]


async def test_news_in_the_wrong_order_are_a_gap_and_nothing_is_kept_from_before(world: World) -> None:
    await world.sees(ANNA)
    older, newer = world.change(ANNA), world.change(CARLA)
    world.hold(ANNA, MEMBER)

    world.say(newer)
    world.say(older)

    assert not await world.sees(ANNA)


async def test_a_stream_that_was_set_back_is_refused_and_then_believed(world: World) -> None:
    world.position = 40
    await world.beat()
    await world.sees(ANNA)
    world.position = 10
    world.hold(ANNA, MEMBER)

    for _ in range(6):
        world.clock += 1.0
        world.say()
        await settled(world.bus)

    assert not await world.sees(ANNA)
    world.hold(ANNA, OWNER)
    world.say(world.change(ANNA))
    assert await world.sees(ANNA)


async def test_malformed_news_change_nothing_and_are_no_sign_of_life(world: World) -> None:
    with capture_logs() as logs:
        world.clock += SILENCE_S
        world.router.publish(SYSTEM_REALM, CHANGED, position="1")
        world.clock += 0.1

    assert isinstance(await refusal(world), UnavailableError)
    assert [line["event"] for line in logs] == ["news_of_rights_malformed"]


async def test_memory_is_bounded_and_whoever_is_followed_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_point, "KEPT", 3)
    with world.rights.follow(ANNA):
        for person in (ANNA, *range(100, 120)):
            await world.rights.holdings(person)

        assert list(world.rights._kept) == [ANNA, 117, 118, 119]
        await world.rights.holdings(117)  # what is used stays
        await world.rights.holdings(120)
        assert list(world.rights._kept) == [ANNA, 119, 117, 120]
    await world.rights.holdings(121)

    assert len(world.rights._kept) == 3
    assert not world.rights._followers
    assert not world.rights._asked
    assert not world.rights._touched


async def test_ten_thousand_people_are_kept() -> None:
    assert decision_point.KEPT == 10_000


# what is on its way


@pytest.mark.parametrize(
    "hear",
    [
        pytest.param(lambda world: world.say(world.change(ANNA)), id="of the person"),
        pytest.param(lambda world: world.say(world.change(everybody=True)), id="for everybody"),
        pytest.param(lambda world: (world.change(ANNA), world.say(world.change(CARLA))), id="a gap"),
    ],
)
async def test_an_answer_that_is_older_than_what_was_heard_meanwhile_is_asked_for_again(
    world: World, hear: Callable[[World], object]
) -> None:
    world.gate = asyncio.Event()
    deciding = asyncio.ensure_future(world.sees(ANNA))
    await turns()
    world.hold(ANNA, MEMBER)
    hear(world)
    world.gate.set()

    assert not await deciding
    assert world.asked() == [ANNA, ANNA]


async def test_an_answer_that_has_the_change_already_is_taken_at_once(world: World) -> None:
    world.gate = asyncio.Event()
    change = world.change(ANNA)
    deciding = asyncio.ensure_future(world.sees(ANNA))
    await turns()
    world.say(change)
    world.gate.set()

    assert await deciding
    assert world.asked() == [ANNA]


async def test_a_change_of_somebody_else_meanwhile_matters_not(world: World) -> None:
    world.gate = asyncio.Event()
    deciding = asyncio.ensure_future(world.sees(ANNA))
    await turns()
    world.say(world.change(BERTA))
    world.gate.set()

    assert await deciding
    assert world.asked() == [ANNA]


async def test_an_answer_that_comes_when_the_stream_is_silent_decides_nothing(world: World) -> None:
    world.gate = asyncio.Event()
    deciding = asyncio.ensure_future(refusal(world))
    await turns()
    world.clock += SILENCE_S + 0.1
    world.gate.set()

    assert isinstance(await deciding, UnavailableError)


async def test_an_answer_that_comes_while_a_new_lock_is_read_waits_for_it(world: World) -> None:
    gate = world.gate = asyncio.Event()
    deciding = asyncio.ensure_future(world.sees(ANNA, "MAINTAIN"))
    await turns()
    world.gate = asyncio.Event()
    world.say(world.lock(LockKind.DEVICE, PRESS.key))
    gate.set()
    await turns()
    assert not deciding.done()
    world.gate.set()

    assert not await deciding


async def test_a_caller_that_goes_away_takes_nothing_from_the_others(world: World) -> None:
    world.gate = asyncio.Event()
    gone, stays = (asyncio.ensure_future(world.sees(ANNA)) for _ in range(2))
    await turns()
    gone.cancel()
    await turns()
    world.gate.set()

    assert await stays
    assert world.asked() == [ANNA]


@pytest.mark.parametrize(
    "uri",
    [
        "ironflock.error.unavailable",
        "wamp.error.no_such_procedure",
        "wamp.error.canceled",
        "wamp.error.no_eligible_callee",
        "wamp.error.not_authorized",
        "wamp.error.runtime_error",
    ],
)
async def test_whatever_becomes_of_the_question_the_answer_is_unavailable_and_the_next_one_asks_anew(
    world: World, uri: str
) -> None:
    world.refusal = ApplicationError(uri, "no")
    assert isinstance(await refusal(world), UnavailableError)

    world.refusal = None
    assert await world.sees(ANNA)


# silence


async def test_before_the_stream_is_heard_nothing_is_decided(ca: Path) -> None:
    world = World(new_bus(ca), MemoryRouter())

    assert isinstance(await refusal(world), UnavailableError)
    assert not world.rights.is_heard


async def test_five_seconds_of_silence_refuse_also_what_is_kept_and_the_next_beat_recovers(world: World) -> None:
    with world.rights.follow(ANNA) as following:
        await world.sees(ANNA)
        world.clock += SILENCE_S
        assert await world.sees(ANNA)
        world.clock += 0.1

        assert isinstance(await refusal(world), UnavailableError)
        with pytest.raises(UnavailableError):
            following.is_due()
        with pytest.raises(UnavailableError):
            await following.changed(0.0)
        assert world.bus.health.report()["parts"][PART]["ok"] is False  # type: ignore[index]
        world.hold(ANNA, MEMBER)
        await world.beat()

        assert following.is_due()
        assert not await world.sees(ANNA)  # what was missed is not taken from memory
        assert world.bus.health.report()["parts"][PART]["ok"] is True  # type: ignore[index]
        assert world.reads_of_locks == 1


async def test_a_new_session_of_the_bus_goes_on_where_the_old_one_was_lost(world: World) -> None:
    await world.sees(ANNA)
    world.router.sessions[-1].lose()
    world.hold(ANNA, MEMBER)
    world.change(ANNA)
    await world.router.join(world.bus, SYSTEM_REALM)
    await world.beat()

    assert not await world.sees(ANNA)

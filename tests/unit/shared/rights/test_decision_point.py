"""A decision point over a router in memory: what it keeps, what it hears, and when it refuses."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from attrs import Factory, define, evolve
from autobahn.wamp.exception import ApplicationError
from structlog.testing import capture_logs

from shared.bus import Bus
from shared.errors import NotAuthorizedError, NotFoundError, PublicError, UnavailableError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM, Person
from shared.procedures import plain
from shared.rights import decision_point
from shared.rights.decision_point import PART, Rights
from shared.rights.records import (
    Asset,
    Decision,
    Domain,
    Grant,
    Held,
    Holdings,
    Lock,
    LockKind,
    Rule,
    Standing,
    project_domain,
)
from shared.rights.wire import CHANGED, HOLDINGS, LOCKS, SILENCE_S, Change, News, StandingLocks
from shared.scopes import NOTHING, Scopes, scopes_of
from tests.integration.flockctl.certificates import make_certificates
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, new_bus, settled

pytestmark = pytest.mark.asyncio

ANNA, BERTA, CARLA = 5, 6, 7
PLANT, MILL = project_domain(3), project_domain(4)
PRESS = Asset(AssetKind.DEVICE, 70)
OWNER = Standing(is_owner=True, is_member=False)
MEMBER = Standing(is_owner=False, is_member=True)
ABSENT = "there is no such device"


@define
class World:
    """A decision point, and the privileges service as it is played here."""

    bus: Bus
    router: MemoryRouter
    held: dict[int, tuple[Held, ...]] = Factory(dict)
    standing_locks: tuple[Lock, ...] = ()
    position: int = 0
    clock: float = 50.0
    date: float = 1_000_000.0
    refusal: ApplicationError | None = None
    gate: asyncio.Event | None = None
    rights: Rights = Factory(
        lambda self: Rights(self.bus, self.bus.health, now=lambda: self.date, clock=lambda: self.clock),
        takes_self=True,
    )

    async def begin(self) -> MemorySession:
        """Join, and hear the first beat."""
        self.router.answers[HOLDINGS] = self.answer_holdings
        self.router.answers[LOCKS] = self.answer_locks
        session = await self.router.join(self.bus, SYSTEM_REALM)
        await self.beat()
        self.router.calls.clear()
        return session

    async def answer_holdings(self, account_key: int) -> Any:
        """As it is when it is asked; the answer waits for the gate, if there is one."""
        answer = plain(Holdings(account_key, self.position, self.held.get(account_key, ())))
        await self._pass()
        return answer

    async def answer_locks(self) -> Any:
        """As `answer_holdings`."""
        answer = plain(StandingLocks(self.position, self.standing_locks))
        await self._pass()
        return answer

    async def _pass(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal

    def hold(self, account_key: int, standing: Standing, domain: Domain = PLANT) -> None:
        """Unsaid so far."""
        rest = [held for held in self.held.get(account_key, ()) if held.domain != domain]
        self.held[account_key] = (*rest, Held(domain, standing))

    def grant(self, account_key: int, *flags: str, ends_at: float | None = None) -> None:
        """A member with `flags` on the press, unsaid so far."""
        grants = tuple(Grant(at, flag, AssetKind.DEVICE, PRESS.key, ends_at) for at, flag in enumerate(flags, 1))
        self.hold(account_key, evolve(MEMBER, grants=grants))

    def change(self, *accounts: int, domain: Domain = PLANT, everybody: bool = False, locks: bool = False) -> Change:
        """A committed change at the next position, unsaid so far."""
        self.position += 1
        return Change(self.position, domain, accounts, everybody=everybody, locks=locks)

    def say(self, *changes: Change, position: int | None = None) -> None:
        """News of these changes; without any, a beat."""
        said = position if position is not None else max((each.position for each in changes), default=self.position)
        self.router.publish(SYSTEM_REALM, CHANGED, **plain(News(said, changes)))

    async def beat(self) -> None:
        """The stream stands where it stands."""
        self.say()
        await settled(self.bus)

    def lock(self, kind: LockKind, key: int | str, ends_at: float | None = None) -> Change:
        """A lock more, unsaid so far."""
        self.standing_locks += (Lock(len(self.standing_locks) + 1, kind, str(key), ends_at),)
        return self.change(everybody=True, locks=True)

    async def sees(self, account_key: int, flag: str = "READ", asset: Asset = PRESS) -> bool:
        return (await self.rights.decide(account_key, flag, asset, PLANT)).allowed

    def asked(self) -> list[int]:
        """Of whom privileges was asked."""
        return [named["account_key"] for name, _, named in self.router.calls if name == HOLDINGS]

    @property
    def reads_of_locks(self) -> int:
        return len(self.router.called(LOCKS))


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("authority")).ca


@pytest_asyncio.fixture(name="world")
async def fixture_world(ca: Path) -> World:
    world = World(new_bus(ca), MemoryRouter())
    world.hold(ANNA, OWNER)
    await world.begin()
    return world


async def turns(number: int = 20) -> None:
    """Let everything that can go on do so."""
    for _ in range(number):
        await asyncio.sleep(0)


async def refusal(world: World, account_key: int = ANNA) -> PublicError | None:
    try:
        await world.sees(account_key)
    except PublicError as error:
        return error
    return None


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


# whoever follows


async def test_whoever_follows_is_woken_by_changes_of_their_person_alone(world: World) -> None:
    woken: list[int] = []
    with (
        world.rights.follow(ANNA, lambda: woken.append(ANNA)) as anna,
        world.rights.follow(BERTA, lambda: woken.append(BERTA)) as berta,
    ):
        await world.rights.holdings(ANNA)
        await world.rights.holdings(BERTA)
        world.say(world.change(ANNA))
        assert woken == [ANNA]
        assert [anna.is_due(), berta.is_due()] == [True, False]
        assert [anna.is_due(), berta.is_due()] == [False, False]
        waiting = asyncio.ensure_future(anna.changed(60.0))
        await turns()
        assert not waiting.done()
        world.say(world.change(BERTA), world.change(ANNA))
        assert await waiting
    world.say(world.change(ANNA))

    assert woken == [ANNA, BERTA, ANNA]


async def test_a_gap_and_a_lock_wake_everybody(world: World) -> None:
    with world.rights.follow(ANNA) as anna, world.rights.follow(BERTA) as berta:
        world.change(CARLA)
        await world.beat()
        assert [anna.is_due(), berta.is_due()] == [True, True]
        world.say(world.lock(LockKind.PERSON, CARLA))
        await settled(world.bus)
        assert [anna.is_due(), berta.is_due()] == [True, True]


async def test_what_ends_by_itself_is_over_at_that_moment_and_whoever_follows_is_due(world: World) -> None:
    world.grant(BERTA, "READ", ends_at=world.date + 10)
    with world.rights.follow(BERTA) as following:
        assert await world.sees(BERTA)
        assert world.rights.next_end(BERTA) == world.date + 10
        world.date += 9.9
        assert not following.is_due()
        assert await world.sees(BERTA)
        world.date += 0.1

        assert not await world.sees(BERTA)
        assert following.is_due()
        assert not following.is_due()
        assert world.rights.next_end(BERTA) is None
    assert world.asked() == [BERTA, BERTA]  # nobody is refused by what is kept alone


async def test_an_end_between_two_looks_is_not_missed_however_late_it_was_learnt(world: World) -> None:
    world.grant(BERTA, "READ", ends_at=world.date + 0.3)
    with world.rights.follow(BERTA) as following:
        await world.sees(BERTA)
        world.date += 0.5  # the first look comes after the end
        assert following.is_due()
        world.grant(BERTA, "READ", ends_at=world.date + 0.3)
        world.say(world.change(BERTA))
        assert following.is_due()
        await world.sees(BERTA)
        world.date += 0.5
        assert following.is_due()


async def test_a_lock_that_ends_by_itself_is_an_end_too(world: World) -> None:
    world.say(world.lock(LockKind.PERSON, ANNA, ends_at=world.date + 10))
    await settled(world.bus)
    with world.rights.follow(ANNA) as following:
        assert not await world.sees(ANNA)
        world.date += 10
        assert following.is_due()
        assert await world.sees(ANNA)


# locks


@pytest.mark.parametrize(
    ("kind", "key", "seen"),
    [
        (LockKind.PERSON, ANNA, {"READ": False, "MAINTAIN": False}),
        (LockKind.PERSON, BERTA, {"READ": True, "MAINTAIN": True}),
        (LockKind.DEVICE, PRESS.key, {"READ": True, "MAINTAIN": False}),
        (LockKind.DEVICE, PRESS.key + 1, {"READ": True, "MAINTAIN": True}),
        (LockKind.PROJECT, PLANT.key, {"READ": True, "MAINTAIN": False}),
        (LockKind.PROJECT, MILL.key, {"READ": True, "MAINTAIN": True}),
        (LockKind.API_KEY, str(ANNA), {"READ": True, "MAINTAIN": True}),
    ],
)
async def test_a_lock_takes_what_it_is_on(world: World, kind: LockKind, key: int, seen: dict[str, bool]) -> None:
    told: list[int] = []
    world.rights.on_locks(lambda: told.append(len(world.rights.locks)))

    world.say(world.lock(kind, key))

    assert {flag: await world.sees(ANNA, flag) for flag in seen} == seen
    assert told == [1]
    found = world.rights.find_lock(kind, key)
    assert found is not None
    assert found.key == str(key)
    world.standing_locks = ()
    world.say(world.change(everybody=True, locks=True))
    assert all([await world.sees(ANNA, flag) for flag in seen])
    assert told == [1, 0]


async def test_locks_that_change_while_they_are_read_are_read_again(world: World) -> None:
    gate = world.gate = asyncio.Event()
    world.say(world.lock(LockKind.DEVICE, 1))
    await turns()
    world.gate = None
    world.say(world.lock(LockKind.DEVICE, PRESS.key))
    deciding = asyncio.ensure_future(world.sees(ANNA, "MAINTAIN"))
    await turns()
    assert not deciding.done()
    gate.set()

    assert not await deciding
    assert world.reads_of_locks == 2


@pytest.mark.parametrize("uri", ["wamp.error.no_such_procedure", "wamp.error.canceled", "wamp.error.runtime_error"])
async def test_while_the_locks_cannot_be_read_nothing_is_decided_and_each_beat_tries_again(
    world: World, uri: str
) -> None:
    await world.sees(ANNA)
    world.refusal = ApplicationError(uri, "no")
    world.say(world.lock(LockKind.PERSON, ANNA))
    await settled(world.bus)
    assert isinstance(await refusal(world), UnavailableError)
    await world.beat()
    assert isinstance(await refusal(world), UnavailableError)
    assert world.reads_of_locks == 2

    world.refusal = None
    await world.beat()

    assert not await world.sees(ANNA)
    assert world.reads_of_locks == 3


async def test_locks_of_a_kind_that_is_not_known_here_are_not_taken_for_none(world: World) -> None:
    world.router.answers[LOCKS] = lambda: {"position": 9, "locks": [{"lock_key": 1, "kind": "town", "key": "1"}]}
    world.say(world.change(everybody=True, locks=True))
    await settled(world.bus)

    assert isinstance(await refusal(world), UnavailableError)


# what is required


def person(account_key: int, scopes: Scopes | None = None) -> Person:
    return Person(account_key, 11) if scopes is None else Person(account_key, 11, "key", scopes)


async def required(world: World, who: Person, flag: str) -> Decision:
    return await world.rights.require(who, flag, PRESS, PLANT, absent=ABSENT)


async def test_whoever_lacks_read_too_learns_nothing_and_whoever_has_it_learns_what_is_missing(world: World) -> None:
    world.grant(BERTA, "READ")
    assert (await required(world, person(ANNA), "MAINTAIN")).rule is Rule.OWNER
    assert (await required(world, person(BERTA), "READ")).grant_key == 1

    with pytest.raises(NotAuthorizedError, match="MAINTAIN on device 70") as told:
        await required(world, person(BERTA), "MAINTAIN")
    for stranger, flag in ((CARLA, "READ"), (CARLA, "MAINTAIN"), (CARLA, "NONSENSE")):
        with pytest.raises(NotFoundError, match=ABSENT):
            await required(world, person(stranger), flag)

    said = told.value.details()
    assert (said["flag"], said["asset"], said["rule"]) == ("MAINTAIN", {"kind": "device", "key": 70}, "no_grant")


@pytest.mark.parametrize(
    ("scopes", "reaches"),
    [
        (["all"], True),
        (["read"], True),
        (["all@project/3"], True),
        (["all@project/4"], False),
        (["all@device/70"], True),
        (["all@device/71"], False),
        (["all@device/71", "read@project/3"], True),
        ([], False),
    ],
)
async def test_a_credential_reaches_no_further_than_its_scopes(
    world: World, scopes: list[str], *, reaches: bool
) -> None:
    who = person(ANNA, scopes_of(scopes) if scopes else NOTHING)
    if reaches:
        assert (await required(world, who, "READ")).allowed
        return
    with pytest.raises(NotFoundError, match=ABSENT):
        await required(world, who, "READ")
    assert world.asked() == []


# the log of decisions


async def test_every_refusal_is_logged_with_its_reason_and_one_yes_in_a_hundred(world: World) -> None:
    world.grant(BERTA, "READ")
    with capture_logs() as logs:
        for _ in range(250):
            await world.sees(ANNA)
            await world.sees(BERTA, "MAINTAIN")
        with pytest.raises(NotFoundError):
            await required(world, person(ANNA, scopes_of(["all@project/4"])), "READ")

    decided = [line for line in logs if line["event"] == "decision"]
    assert len([line for line in decided if line["allowed"]]) == 3
    assert [line["rule"] for line in decided if not line["allowed"]] == ["no_grant"] * 250 + ["out_of_scope"]


async def test_the_log_says_by_what_and_nothing_personal(world: World) -> None:
    world.grant(BERTA, "READ", ends_at=world.date + 10)
    world.say(world.change(BERTA))
    with capture_logs() as logs:
        assert await world.sees(BERTA)
        assert not await world.sees(BERTA, "X" * 100_000)

    first, second = logs
    assert first == {
        "event": "decision",
        "log_level": "info",
        "allowed": True,
        "account_key": BERTA,
        "flag": "READ",
        "asset": "device/70",
        "rule": "grant",
        "grant": 1,
        "until": world.date + 10,
        "position": 1,
    }
    assert second["rule"] == "unknown_flag"
    assert len(second["flag"]) == 64

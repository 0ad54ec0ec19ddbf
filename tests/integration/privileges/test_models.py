"""Random models with random changes, ends and clocks: whatever is asked, in whatever way, the oracle says the same.

A check, a batch, a list of assets, a list of people, an explanation, the history and the decision of a decision point
that follows the stream are compared after every change. (REST and AuthZEN ask the same procedures: tests/e2e.)
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import msgspec
import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.privileges.records.grants import GiveFlags, SetDefaults, TakeFlags, UnsetDefaults
from services.privileges.records.locks import CreateLock, EndLock
from services.privileges.records.members import NameMember, NameProject
from services.privileges.records.questions import Check, CheckMany, Explain, ListAssets, ListPeople
from services.privileges.records.services import AccountKey, ForgetAsset
from services.privileges.store import history
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotAuthorizedError, PublicError
from shared.flags import FLAGS, AssetKind
from shared.health import Health
from shared.identities import Person
from shared.rights.decision_point import Rights
from shared.rights.records import Asset, LockKind, project_domain
from shared.rights.wire import SILENCE_S, News
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, CARL, DEVICES, DORA, EVERYBODY, NAMES, Privileges
from tests.unit.shared.rights.oracle import Given, World

pytestmark = pytest.mark.real
Result = TypeVar("Result")
PROJECT, DEVICE, GROUP = AssetKind.PROJECT, AssetKind.DEVICE, AssetKind.GROUP
PEOPLE = st.sampled_from([ANNA, BERT, CARL, DORA])
OTHERS = st.sampled_from([BERT, CARL, DORA])
DEVICE_KEYS, GROUP_KEYS = st.integers(1, 3), st.integers(1, 2)
PLACES = st.one_of(
    st.just((PROJECT, 1)), st.tuples(st.just(DEVICE), DEVICE_KEYS), st.tuples(st.just(GROUP), GROUP_KEYS)
)
ENDS = st.one_of(st.none(), st.integers(1, 20))
SERVER: list[Postgres] = []


@pytest.fixture(scope="module", autouse=True)
def fixture_server(server: Postgres) -> Iterator[None]:
    SERVER.append(server)
    yield
    SERVER.clear()


class _Stream:
    """A bus on which a decision point hears the stream, and asks privileges itself."""

    def __init__(self, privileges: Privileges) -> None:
        self._privileges = privileges

    def on_join(self, *_: Any) -> None:
        """It is joined already."""

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return asyncio.get_running_loop().create_task(coroutine)

    async def call(self, procedure: str, *, timeout_s: float, **arguments: Any) -> Any:
        assert timeout_s <= SILENCE_S
        services = self._privileges.services
        if procedure == "ironflock.privileges.holdings.find":
            return msgspec.to_builtins(await services.holdings_find(DEVICES, AccountKey(**arguments)))
        return msgspec.to_builtins(await services.lock_standing(DEVICES, cast("Any", None)))


class Models(RuleBasedStateMachine):
    """Privileges, a decision point, and the oracle, through the same changes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.moment = history.moment
        SERVER[0].clear()
        self.model = World(
            owner=ANNA.account_key,
            members=frozenset(),
            given=(),
            defaults=(),
            groups={},
            app_owner=0,
            is_app_public=False,
        )
        self.there: set[tuple[AssetKind, int]] = set()
        self.locked: dict[tuple[str, int], tuple[int, float | None]] = {}
        self.revision = 0
        self.before: list[tuple[Any, World, set[tuple[AssetKind, int]], dict[tuple[str, int], Any]]] = []

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(coroutine)

    @initialize()
    def begin(self) -> None:
        self.database = Database(SERVER[0].settings("svc_privileges"), Health())
        self.run(self.database.open())
        self.privileges = Privileges(self.database)
        self.rights = Rights(
            cast("Bus", _Stream(self.privileges)), Health(), now=self.privileges.clock, clock=time.monotonic
        )
        self.heard = 0
        self.run(self.privileges.project())
        self.there = {(PROJECT, 1)}

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.run(self.database.close())
        history.moment = self.moment
        self.loop.close()

    def _seconds(self, minutes: int | None) -> tuple[Any, float | None]:
        """An end that many minutes from now, as a date and in Unix seconds."""
        if minutes is None:
            return None, None
        end = self.privileges.clock.now + timedelta(minutes=minutes)
        return end, end.timestamp()

    @rule(kind=st.sampled_from([DEVICE, GROUP]), key=st.integers(1, 3), groups=st.sets(GROUP_KEYS), creator=PEOPLE)
    def put(self, kind: AssetKind, key: int, groups: set[int], creator: Person) -> None:
        if kind is GROUP and key == 3:
            return
        real = {group for group in groups if (GROUP, group) in self.there} if kind is DEVICE else set()
        if (kind, key) in self.gone:
            return
        self.revision += 1
        self.run(self.privileges.put(kind, key, revision=self.revision, creator=creator, groups=real))
        is_new = (kind, key) not in self.there
        self.there.add((kind, key))
        if kind is DEVICE:
            self._into(key, real)
        else:
            self.model = evolve(self.model, groups={key: frozenset(), **self.model.groups})
        if is_new and creator.account_key in self.model.members:
            flags = ("READ", "UPDATE", "MEMBERS", "DELETE") if kind is GROUP else tuple(FLAGS[DEVICE])
            for flag in flags:
                self._grant(creator.account_key, flag, (kind, key), None, is_visit=False)

    @property
    def gone(self) -> set[tuple[AssetKind, int]]:
        return getattr(self, "_gone", set())

    @precondition(lambda self: len(self.there) > 1)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        kind, key = data.draw(st.sampled_from(sorted(self.there - {(PROJECT, 1)})))
        self.run(self.privileges.services.asset_forget(DEVICES, ForgetAsset(kind, key)))
        self._gone = self.gone | {(kind, key)}
        self.there.discard((kind, key))
        self.locked.pop((kind.value, key), None)
        kept = tuple(each for each in self.model.given if each.asset != (kind, key))
        groups = {
            group: members - ({key} if kind is DEVICE else set())
            for group, members in self.model.groups.items()
            if kind is DEVICE or group != key
        }
        self.model = evolve(self.model, given=kept, groups=groups)

    @rule(person=OTHERS, by=PEOPLE)
    def join(self, person: Person, by: Person) -> None:
        def expected() -> bool:
            is_new = person.account_key not in self.model.members and person.account_key != self.model.owner
            return is_new and self._has(by, "GRANT", (PROJECT, 1))

        is_expected = expected()
        with suppress(PublicError):
            self.run(self.privileges.member(person, by=by))
            assert is_expected
            kept = tuple(each for each in self.model.given if each.person != person.account_key)
            self.model = evolve(self.model, members=self.model.members | {person.account_key}, given=kept)
            return
        assert not is_expected

    @rule(person=PEOPLE, by=PEOPLE)
    def remove(self, person: Person, by: Person) -> None:
        has_something = person.account_key in self.model.members or any(
            each.person == person.account_key for each in self.model.given
        )
        may_take = self._has(by, "GRANT", (PROJECT, 1), ignores_locks=by.account_key == self.model.owner)
        is_expected = may_take and person.account_key != self.model.owner and has_something
        try:
            self.run(self.privileges.members.member_remove(by, NameMember(1, NAMES[person.account_key])))
        except PublicError:
            assert not is_expected
        else:
            assert is_expected
            self._put_out(person.account_key)

    @rule(person=PEOPLE)
    def leave(self, person: Person) -> None:
        with suppress(PublicError):
            self.run(self.privileges.members.member_leave(person, NameProject(1)))
            assert person.account_key != self.model.owner
            self._put_out(person.account_key)

    @rule(to=PEOPLE, place=PLACES, by=PEOPLE, minutes=ENDS, is_visit=st.booleans(), data=st.data())
    def give(
        self, *, to: Person, place: tuple[AssetKind, int], by: Person, minutes: int | None, is_visit: bool, data: Any
    ) -> None:
        flag = data.draw(st.sampled_from([*FLAGS[place[0]], "READ", "GRANT"]))
        date, end = self._seconds(minutes)
        is_expected = self._may_give(to, place, by, flag, end, is_visit=is_visit)
        request = GiveFlags(NAMES[to.account_key], place[0], place[1], [flag], date, is_visit)
        try:
            self.run(self.privileges.grants.grant_give(by, request))
        except PublicError:
            assert not is_expected
        else:
            assert is_expected
            self._grant(to.account_key, flag, place, end, is_visit=is_visit)

    def _may_give(
        self, to: Person, place: tuple[AssetKind, int], by: Person, flag: str, end: float | None, *, is_visit: bool
    ) -> bool:
        now = self.privileges.clock()
        last = now + 10**7 if end is None else max(now, end - 0.001)
        holds = self._has(by, "GRANT", place) and self._has(by, flag, place)
        given = evolve(self.model, defaults=()) if place[0] is GROUP and flag in FLAGS[DEVICE] else self.model
        holds = holds and given.has(by.account_key, flag, place, last)
        fits = to.account_key not in (by.account_key, self.model.owner)
        if is_visit:
            fits = fits and to.account_key not in self.model.members and end is not None and flag != "GRANT"
            return holds and fits and by.account_key == self.model.owner
        return holds and fits and to.account_key in self.model.members

    @precondition(lambda self: self.model.given)
    @rule(by=PEOPLE, data=st.data())
    def take(self, by: Person, data: st.DataObject) -> None:
        given = data.draw(st.sampled_from(self.model.given))
        request = TakeFlags(given.person, *given.asset, [given.flag])
        is_owner = by.account_key == self.model.owner
        is_expected = given.person == by.account_key or self._has(by, "GRANT", given.asset, ignores_locks=is_owner)
        try:
            self.run(self.privileges.grants.grant_take(by, request))
        except PublicError:
            assert not is_expected
        else:
            assert is_expected
            self.model = evolve(self.model, given=tuple(each for each in self.model.given if each != given))

    @rule(by=PEOPLE, kind=st.sampled_from([PROJECT, DEVICE, GROUP]), minutes=ENDS, is_on=st.booleans(), data=st.data())
    def default(self, by: Person, kind: AssetKind, minutes: int | None, is_on: bool, data: Any) -> None:
        flag = data.draw(st.sampled_from(list(FLAGS[kind])))
        date, end = self._seconds(minutes)
        others = tuple(each for each in self.model.defaults if each[:2] != (kind, flag))
        grants = self.privileges.grants
        try:
            if is_on:
                self.run(grants.default_set(by, SetDefaults(1, kind, [flag], date)))
            else:
                self.run(grants.default_unset(by, UnsetDefaults(1, kind, [flag])))
        except PublicError:
            is_locked = is_on and self._is_locked("project", 1)
            assert by.account_key != self.model.owner or self._is_out(by) or is_locked
        else:
            assert by.account_key == self.model.owner
            self.model = evolve(self.model, defaults=(*others, (kind, flag, end)) if is_on else others)

    @rule(to=OTHERS)
    def hand_over(self, to: Person) -> None:
        owner = EVERYBODY[self.model.owner]
        if to == owner:
            return
        if self._is_locked("project", 1):
            with pytest.raises(NotAuthorizedError):
                self.run(self.privileges.transfers.transfer_offer(owner, NameMember(1, NAMES[to.account_key])))
            return
        self.run(self.privileges.transfers.transfer_offer(owner, NameMember(1, NAMES[to.account_key])))
        self.run(self.privileges.transfers.transfer_accept(to, NameProject(1)))
        members = self.model.members - {to.account_key} | {owner.account_key}
        kept = tuple(each for each in self.model.given if each.person != to.account_key)
        self.model = evolve(self.model, owner=to.account_key, members=members, given=kept)

    @rule(kind=st.sampled_from([LockKind.DEVICE, LockKind.PROJECT]), key=st.integers(1, 3), by=PEOPLE, minutes=ENDS)
    def lock(self, kind: LockKind, key: int, by: Person, minutes: int | None) -> None:
        key = 1 if kind is LockKind.PROJECT else key
        date, end = self._seconds(minutes)
        place = (AssetKind(kind.value), key)
        is_expected = self._has(by, "GRANT", place, ignores_locks=True) and not self._is_locked(kind.value, key)
        try:
            view = self.run(self.privileges.locks.lock_create(by, CreateLock(kind, str(key), date)))
        except PublicError:
            assert not is_expected
        else:
            assert is_expected
            self.locked[kind.value, key] = (view.lock_key, end)

    @precondition(lambda self: self.locked)
    @rule(by=PEOPLE, data=st.data())
    def unlock(self, by: Person, data: st.DataObject) -> None:
        kind, key = data.draw(st.sampled_from(sorted(self.locked)))
        is_expected = self._has(by, "GRANT", (AssetKind(kind), key), ignores_locks=True) and self._is_locked(kind, key)
        try:
            self.run(self.privileges.locks.lock_end(by, EndLock(self.locked[kind, key][0])))
        except PublicError:
            assert not is_expected
        else:
            assert is_expected
            del self.locked[kind, key]

    @rule(minutes=st.integers(1, 15))
    def wait(self, minutes: int) -> None:
        snapshot = (self.privileges.clock.now, self.model, set(self.there), dict(self.locked))
        self.before = [*self.before[-2:], snapshot]
        self.privileges.clock.turn(minutes=minutes)

    def _has(
        self,
        person: Person,
        flag: str,
        place: tuple[AssetKind, int],
        now: float | None = None,
        *,
        ignores_locks: bool = False,
    ) -> bool:
        moment = self.privileges.clock() if now is None else now
        if place not in self.there:
            return False
        locked = self._is_locked("project", 1, moment) or self._is_locked(place[0].value, place[1], moment)
        if locked and not ignores_locks and flag not in ("READ", "AUDIT"):
            return False
        return self.model.has(person.account_key, flag, place, moment)

    def _is_locked(self, kind: str, key: int, now: float | None = None) -> bool:
        moment = self.privileges.clock() if now is None else now
        _, end = self.locked.get((kind, key), (0, 0.0))
        return end is None or end > moment

    def _is_out(self, person: Person) -> bool:
        return not self._has(person, "READ", (PROJECT, 1))

    def _grant(
        self, person: int, flag: str, asset: tuple[AssetKind, int], end: float | None, *, is_visit: bool
    ) -> None:
        kept = tuple(each for each in self.model.given if (each.person, each.flag, each.asset) != (person, flag, asset))
        self.model = evolve(self.model, given=(*kept, Given(person, flag, asset, end, is_visit)))

    def _into(self, device: int, groups: set[int]) -> None:
        self.model = evolve(
            self.model,
            groups={
                group: (members | {device}) if group in groups else members - {device}
                for group, members in self.model.groups.items()
            },
        )

    def _put_out(self, person: int) -> None:
        kept = tuple(each for each in self.model.given if each.person != person)
        self.model = evolve(self.model, members=self.model.members - {person}, given=kept)

    @invariant()
    def everybody_says_the_same(self) -> None:
        if hasattr(self, "privileges"):
            self.run(self._compare())

    async def _compare(self) -> None:
        await self.privileges.announcer.beat()
        self._listen()
        wanted = [(kind, key, flag) for kind, key in sorted(self.there) for flag in FLAGS[kind]]
        for person in EVERYBODY.values():
            expected = {each: self._has(person, each[2], each[:2]) for each in wanted}
            checks = CheckMany([Check(*each) for each in wanted])
            batch = (await self.privileges.questions.flag_check_many(person, checks)).answers
            assert dict(zip(wanted, (each.allowed for each in batch), strict=True)) == expected
            for kind, key in sorted(self.there):
                explained = await self.privileges.questions.flag_explain(person, Explain(kind, key))
                assert {flag: answer.allowed for flag, answer in explained.flags.items()} == {
                    flag: expected[kind, key, flag] for flag in FLAGS[kind]
                }
            await self._compare_lists(person, expected)
            await self._compare_decisions(person, expected)
        await self._compare_one_check()
        await self._compare_people()
        await self._compare_history()

    def _listen(self) -> None:
        for news in self.privileges.news[self.heard :]:
            self.rights._hear(msgspec.convert(news, News))
        self.heard = len(self.privileges.news)

    async def _compare_lists(self, person: Person, expected: dict[tuple[AssetKind, int, str], bool]) -> None:
        for kind, flag in ((DEVICE, "READ"), (DEVICE, "MAINTAIN"), (GROUP, "READ"), (PROJECT, "GRANT")):
            listed = (await self.privileges.questions.asset_list(person, ListAssets(kind, flag))).keys
            assert listed == sorted(
                key for (of_kind, key, of_flag), has in expected.items() if has and (of_kind, of_flag) == (kind, flag)
            )

    async def _compare_decisions(self, person: Person, expected: dict[tuple[AssetKind, int, str], bool]) -> None:
        holdings = await self.rights.holdings(person.account_key)
        for (kind, key, flag), has in expected.items():
            groups = frozenset(
                group for group, devices in self.model.groups.items() if kind is DEVICE and key in devices
            )
            decision = self.rights.judge(holdings, flag, Asset(kind, key, groups), project_domain(1))
            assert decision.allowed is has, (person, kind, key, flag, decision)

    async def _compare_one_check(self) -> None:
        for kind, key in sorted(self.there):
            assert await self.privileges.has(BERT, "READ", kind, key) is self._has(BERT, "READ", (kind, key))
        assert not await self.privileges.has(BERT, "READ", DEVICE, 77)

    async def _compare_people(self) -> None:
        owner = EVERYBODY[self.model.owner]
        for kind, key in sorted(self.there):
            if not self._has(owner, "GRANT", (kind, key)):
                with pytest.raises(PublicError):
                    await self.privileges.questions.person_list(owner, ListPeople(kind, key, "READ"))
                continue
            for flag in ("READ", "DELETE"):
                listed = await self.privileges.questions.person_list(owner, ListPeople(kind, key, flag))
                assert [each.account_key for each in listed.people] == [
                    person.account_key for person in EVERYBODY.values() if self._has(person, flag, (kind, key))
                ]

    async def _compare_history(self) -> None:
        now = (self.model, self.there, self.locked)
        for at, model, there, locked in self.before:
            self.model, self.there, self.locked = model, there, locked
            for kind, key in sorted(there):
                for person in (BERT, CARL):
                    for flag in ("READ", "GRANT"):
                        expected = self._has(person, flag, (kind, key), at.timestamp())
                        answer = await self.privileges.has(person, flag, kind, key, at=at)
                        assert answer is expected, (at, person, kind, key, flag)
            self.model, self.there, self.locked = now


OF_THE_GATE = settings(
    max_examples=8,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class ManyModels(Models):
    """The same, for the full counts."""


TestModels = Models.TestCase
TestModels.settings = OF_THE_GATE
TestManyModels = pytest.mark.soak(pytest.mark.timeout(1_800)(ManyModels.TestCase))
TestManyModels.settings = settings(OF_THE_GATE, max_examples=100, stateful_step_count=30)

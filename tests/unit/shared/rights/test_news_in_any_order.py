"""However news, answers, silences and losses are mixed: nothing rests on something older than the newest news.

What somebody holds is, here, one grant whose key is the position of the newest change of it; so whatever a decision
point has in its hands says how old it is.
"""

import asyncio
from contextlib import ExitStack
from typing import Any, cast

import pytest
from attrs import define, frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from shared.bus import Bus
from shared.errors import UnavailableError
from shared.flags import AssetKind
from shared.health import Health
from shared.procedures import plain
from shared.rights.decision_point import Following, Rights
from shared.rights.records import Domain, Grant, Held, Holdings, Lock, LockKind, Standing, project_domain
from shared.rights.wire import HOLDINGS, SILENCE_S, Change, News, StandingLocks

PEOPLE = st.integers(1, 3)
PLACES: dict[int, Domain] = {1: project_domain(1), 2: project_domain(1), 3: project_domain(2)}
WHICH = st.integers(0, 30)
RARELY = st.sampled_from([False, False, False, True])


@define
class Call:
    """A question on its way: first it is read, then answered."""

    procedure: str
    account_key: int
    answer: "asyncio.Future[Any]"
    snapshot: Any = None


class PlayedBus:
    """Keeps the questions until the test answers them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing was asked."""
        self._loop = loop
        self.calls: list[Call] = []
        self.tasks: set[asyncio.Task[Any]] = set()

    def on_join(self, *_: Any) -> None:
        """News are told by the test."""

    def task(self, coroutine: Any) -> "asyncio.Task[Any]":
        """As the real one."""
        task = self._loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # those who asked have it

    async def call(self, procedure: str, *, timeout_s: float, account_key: int = 0) -> Any:
        """What the test answers."""
        assert timeout_s == SILENCE_S
        asked = Call(procedure, account_key, self._loop.create_future())
        self.calls.append(asked)
        try:
            return await asked.answer
        finally:
            self.calls.remove(asked)


@frozen
class Deciding:
    """Somebody waits for what a person holds."""

    account_key: int
    task: "asyncio.Task[Holdings]"


class NewsInAnyOrder(RuleBasedStateMachine):
    """One decision point, and a stream that does whatever a network and crashes can do to it."""

    def __init__(self) -> None:
        """Nobody has anything, and nothing was heard."""
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bus = PlayedBus(self.loop)
        self.clock = 100.0
        self.position = 0
        self.changed_at: dict[int, list[int]] = {1: [0], 2: [0], 3: [0]}
        self.locked_at = [0]
        self.said: list[News] = []
        self.heard = 0
        self.heard_at = 0.0
        self.deciding: list[Deciding] = []
        self.rights = Rights(cast("Bus", self.bus), Health(), now=lambda: 0.0, clock=lambda: self.clock)
        self.open = ExitStack()
        self.following: dict[int, Following] = {}
        self.seen: dict[int, int] = {}

    @override
    def teardown(self) -> None:
        """End what still waits."""
        self.open.close()
        for task in [*self.bus.tasks, *(each.task for each in self.deciding)]:
            task.cancel()
        for _ in range(12):
            self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    @initialize()
    def begin(self) -> None:
        """Everybody is asked for and kept, with a stream open; the locks are known."""
        self.beat()
        for person in self.changed_at:
            self.look(person)
        self.serve()

    # what happens at privileges

    @rule(people=st.lists(PEOPLE, min_size=1, max_size=2, unique=True), is_lost=RARELY)
    def change(self, people: list[int], is_lost: bool) -> None:
        self._commit(people, tuple(people), PLACES[people[0]], is_lost=is_lost)

    @rule(place=st.sampled_from([1, 2]), is_lost=RARELY)
    def change_everybody(self, place: int, is_lost: bool) -> None:
        people = [person for person, domain in PLACES.items() if domain.key == place]
        self._commit(people, None, project_domain(place), is_lost=is_lost)

    @rule(is_lost=RARELY)
    def lock(self, is_lost: bool) -> None:
        self.locked_at.append(self.position + 1)
        self._commit([], (), PLACES[1], is_lost=is_lost)

    def _commit(self, people: list[int], told: tuple[int, ...] | None, domain: Domain, *, is_lost: bool) -> None:
        self.position += 1
        for person in people:
            self.changed_at[person].append(self.position)
        if not is_lost:
            is_about_locks = self.locked_at[-1] == self.position
            change = Change(self.position, domain, told or (), everybody=told is None, locks=is_about_locks)
            self.said.append(News(self.position, (change,)))

    # what the network does

    @precondition(lambda self: self.said)
    @rule(which=WHICH)
    def hear(self, which: int) -> None:
        """Any news, in any order, also again."""
        self._hear(self.said[which % len(self.said)])

    @precondition(lambda self: self.said)
    @rule()
    def hear_all_in_order(self) -> None:
        for news in self.said:
            self._hear(news)

    @rule()
    def beat(self) -> None:
        self._hear(News(self.position))

    @rule(back=st.integers(0, 3))
    def beat_late(self, back: int) -> None:
        self._hear(News(max(0, self.position - back)))

    def _hear(self, news: News) -> None:
        self.rights._hear(news)
        self.heard = max(self.heard, news.position)
        self.heard_at = self.clock
        self._run()

    @precondition(lambda self: any(asked.snapshot is None for asked in self.bus.calls))
    @rule(which=WHICH)
    def read(self, which: int) -> None:
        unread = [asked for asked in self.bus.calls if asked.snapshot is None]
        self._read(unread[which % len(unread)])

    def _read(self, asked: Call) -> None:
        """Privileges reads what it will answer."""
        if asked.procedure == HOLDINGS:
            grant = Grant(self.changed_at[asked.account_key][-1], "READ", AssetKind.DEVICE, 1, None)
            standing = Standing(is_owner=False, is_member=True, grants=(grant,))
            held = Held(PLACES[asked.account_key], standing)
            asked.snapshot = plain(Holdings(asked.account_key, self.position, (held,)))
        else:
            lock = Lock(self.locked_at[-1], LockKind.API_KEY, "x", None)
            asked.snapshot = plain(StandingLocks(self.position, (lock,)))

    @precondition(lambda self: any(asked.snapshot is not None for asked in self.bus.calls))
    @rule(which=WHICH)
    def answer(self, which: int) -> None:
        ready = [asked for asked in self.bus.calls if asked.snapshot is not None]
        ready[which % len(ready)].answer.set_result(ready[which % len(ready)].snapshot)
        self._run()

    @rule()
    def serve(self) -> None:
        """Privileges answers all that it is asked."""
        while self.bus.calls:
            for asked in list(self.bus.calls):
                if asked.snapshot is None:
                    self._read(asked)
                asked.answer.set_result(asked.snapshot)
            self._run()

    @precondition(lambda self: self.bus.calls)
    @rule(which=WHICH)
    def fail(self, which: int) -> None:
        self.bus.calls[which % len(self.bus.calls)].answer.set_exception(UnavailableError("away"))
        self._run()

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, SILENCE_S + 1]))
    def wait(self, seconds: float) -> None:
        self.clock += seconds

    # who asks

    @rule(person=PEOPLE)
    def decide(self, person: int) -> None:
        self.deciding.append(Deciding(person, self.loop.create_task(self.rights.holdings(person))))
        self._run()

    @rule(person=PEOPLE, is_read=st.booleans())
    def decide_anew(self, person: int, is_read: bool) -> None:
        """Somebody is asked for after a change of them, and the question is on its way, read or not."""
        self.hear_all_in_order()
        self._commit([person], (person,), PLACES[person], is_lost=False)
        self._hear(self.said[-1])
        self.decide(person)
        for asked in self.bus.calls:
            if is_read and asked.snapshot is None:
                self._read(asked)

    @rule(person=PEOPLE)
    def look(self, person: int) -> None:
        """As an open stream: it shows what it saw until it is due, and asks again then."""
        if person not in self.following:
            self.following[person] = self.open.enter_context(self.rights.follow(person))
            self.seen.pop(person, None)
        try:
            is_due = self.following[person].is_due()
        except UnavailableError:
            self.seen.pop(person, None)  # it ends
            return
        if is_due or person not in self.seen:
            self.seen.pop(person, None)
            self.decide(person)

    def _run(self) -> None:
        for _ in range(12):
            self.loop.run_until_complete(asyncio.sleep(0))
        for each in [each for each in self.deciding if each.task.done()]:
            self.deciding.remove(each)
            if isinstance(each.task.exception(), UnavailableError):
                continue
            assert self.clock - self.heard_at <= SILENCE_S
            said = age(each.task.result())
            assert said >= self._newest(self.changed_at[each.account_key])
            assert self.rights.locks[0].lock_key >= self._newest(self.locked_at)
            if each.account_key in self.following:
                self.seen[each.account_key] = said

    def _newest(self, positions: list[int]) -> int:
        """The newest of them that was heard of."""
        return max(position for position in positions if position <= self.heard)

    @invariant()
    def what_is_kept_is_no_older_than_the_newest_news(self) -> None:
        for person, holdings in self.rights._kept.items():
            assert age(holdings) >= self._newest(self.changed_at[person])

    @invariant()
    def whoever_saw_something_older_is_woken(self) -> None:
        for person, said in self.seen.items():
            assert self.following[person]._changed.is_set() or said >= self._newest(self.changed_at[person])

    @invariant()
    def nothing_is_left_of_what_is_answered(self) -> None:
        assert self.rights._touched.keys() <= self.rights._asked.keys()


def age(holdings: Holdings) -> int:
    """The position of the newest change that it knows."""
    return holdings.held[0].standing.grants[0].grant_key


class MuchNews(NewsInAnyOrder):
    """The same, for the full counts."""


TestNewsInAnyOrder = NewsInAnyOrder.TestCase
TestMuchNews = pytest.mark.soak(MuchNews.TestCase)
TestMuchNews.settings = settings(max_examples=10 * settings().max_examples)

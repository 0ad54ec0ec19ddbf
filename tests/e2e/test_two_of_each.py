"""Two processes of each service that can have two, under load: the first of each is killed in turn, and not missed."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus
from threading import Event
from typing import Any, Final

import pytest
from attrs import Factory, define

from tests.harness.app_load import WritingApp, apps_that_write, assert_every_answered_row_is_there_once
from tests.harness.clients import Account, join_person, new_name
from tests.harness.commands import Flockctl
from tests.harness.fleet import RunningFleet
from tests.harness.rest import RestClient
from tests.harness.running import RunningPlatform
from tests.harness.second import Second
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(900)]
SERVICES: Final = ("audit", "auth", "devices", "gateway", "privileges", "realms")
DEVICES: Final = 100
APPS: Final = 5
CALLERS: Final = 4
SOME: Final = 10
WITHIN_S: Final = 120.0
AGAIN_S: Final = 0.1
IN_FLIGHT: Final = frozenset({"ironflock.error.unavailable", "ironflock.error.outcome_unknown", "wamp.error.canceled"})
"""What may be said of a call that the killed process had: the caller looks, or tries again."""
clock: Final = time.monotonic


@define(eq=False)
class Caller:
    """Somebody who reads and changes without a pause; a change is made once, and is in doubt where nobody answered."""

    platform: RunningPlatform
    project: int
    answered: int = 0
    refused: Counter[str] = Factory(Counter)
    created: set[str] = Factory(set)
    doubtful: set[str] = Factory(set)

    async def call(self, ended: Event) -> None:
        """Until it is told to end."""
        async with await join_person(self.platform) as person:
            reads = itertools.cycle(self._reads())
            while not ended.is_set():
                await self._do(person.call(next(reads)[0], **next(reads)[1]))
                name = new_name("press")
                self.doubtful.add(name)
                if await self._do(person.call("ironflock.devices.device.create", project=self.project, name=name)):
                    self.doubtful.discard(name)
                    self.created.add(name)

    def _reads(self) -> list[tuple[str, dict[str, Any]]]:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("ironflock.realms.project.show", {"project": self.project}),
            ("ironflock.devices.device.list", {"project": self.project, "limit": 10}),
            ("ironflock.privileges.member.list", {"project": self.project}),
            ("ironflock.auth.account.me", {}),
            ("ironflock.audit.head.show", {}),
        ]
        return [each for call in calls for each in (call, call)]

    async def _do(self, calling: Any) -> bool:
        try:
            await calling
        except WampError as error:
            self.refused[error.uri] += 1
            await asyncio.sleep(AGAIN_S)
            return False
        self.answered += 1
        return True


@define(eq=False)
class Visitor:
    """Who asks the second gateway, to which whoever shares out visitors sends them while the first is away."""

    client: RestClient
    project: int
    answered: int = 0
    refused: Counter[str] = Factory(Counter)

    def ask(self, ended: Event) -> None:
        """Until it is told to end."""
        while not ended.is_set():
            reply = self.client.ask("GET", f"/swarms/{self.project}/alert-rules")
            if reply.status == HTTPStatus.OK:
                self.answered += 1
            else:
                self.refused[f"ironflock.error.{reply.json['code']}"] += 1
                ended.wait(AGAIN_S)


@asynccontextmanager
async def people_who_ask(platform: RunningPlatform, project: int, visitor: Visitor) -> AsyncIterator[list[Caller]]:
    """`visitor`, and some who call, while the block runs."""
    ended = Event()
    made = [Caller(platform, project) for _ in range(CALLERS)]
    asking = [asyncio.create_task(each.call(ended)) for each in made]
    asking.append(asyncio.create_task(asyncio.to_thread(visitor.ask, ended)))
    try:
        yield made
    finally:
        ended.set()
        await asyncio.gather(*asking)


@define(eq=False)
class Load:
    """What goes on, and what it costs that processes are killed."""

    platform: RunningPlatform
    fleet: RunningFleet
    apps: list[WritingApp]
    people: list[Caller | Visitor]

    def kill_each_first(self) -> dict[str, Counter[str]]:
        """What was refused while the first one of each service was away, by its name."""
        self._goes_on()
        return {name: self._killed(name) for name in SERVICES}

    def _killed(self, name: str) -> Counter[str]:
        before, lines, began = self._refused(), len(self.fleet.simulation.lines), clock()
        killed = self.platform.kill(name)
        self._goes_on()
        went_on_s = clock() - began
        wait_until(lambda: self.platform.is_back(name, killed), WITHIN_S, f"{name} is back")
        wait_until(self.fleet.is_right, WITHIN_S, "every device is online")
        cut = sum(line["event"] == "offline" for line in self.fleet.simulation.lines[lines:])
        cost = self._refused() - before + Counter({"devices cut": cut})
        print(f"\n{name}: went on {went_on_s:.1f} s, right {clock() - began:.1f} s; {dict(cost)}")  # noqa: T201 - the figures
        return cost

    def _goes_on(self) -> None:
        had = self._counts()
        try:
            wait_until(lambda: all(more > SOME for more in self._more(had)), WITHIN_S, "everybody is answered")
        except AssertionError as error:
            error.add_note(f"answers since: {self._more(had)} (apps, callers, the visitor); {dict(self._refused())}")
            raise

    def _more(self, had: list[int]) -> list[int]:
        return [now - before for now, before in zip(self._counts(), had, strict=True)]

    def _counts(self) -> list[int]:
        return [*(len(app.answered) for app in self.apps), *(each.answered for each in self.people)]

    def _refused(self) -> Counter[str]:
        refused: Counter[str] = Counter()
        for each in self.people:
            refused += Counter({f"people: {uri}": number for uri, number in each.refused.items()})
        for app in self.apps:
            refused += Counter({f"apps: {uri}": number for uri, number in app.refusals.items()})
            refused += Counter({"apps cut": len(app.lost)})
        return refused


def test_whichever_of_two_is_killed_under_load_the_other_goes_on(
    ironflock: RunningPlatform, owner: Account, flockctl: Flockctl
) -> None:
    project, fleet_name = owner.project(), new_name("fleet")

    async def run(fleet: RunningFleet, visitor: Visitor) -> tuple[dict[str, Counter[str]], list[Caller], int]:
        async with (
            apps_that_write(ironflock, owner, APPS) as apps,
            people_who_ask(ironflock, project, visitor) as people,
        ):
            costs = await asyncio.to_thread(Load(ironflock, fleet, apps, [*people, visitor]).kill_each_first)
        return costs, people, await assert_every_answered_row_is_there_once(apps)

    with ExitStack() as seconds, flockctl.running("simulate", "--devices", str(DEVICES), "--project", fleet_name) as it:
        second = {name: seconds.enter_context(Second(ironflock, name)) for name in SERVICES}
        visitor = Visitor(RestClient(ironflock, owner.api_key, port=second["gateway"].public_port), project)
        fleet = RunningFleet(it, owner, fleet_name, DEVICES)
        wait_until(fleet.is_right, WITHIN_S, "every device is online")
        costs, people, rows = asyncio.run(run(fleet, visitor))
        there = {each["name"] for each in listed(owner, project)}

    calls = sum(each.answered for each in people)
    print(f"\n{rows} rows, {calls} calls and {visitor.answered} REST calls answered")  # noqa: T201 - the figures
    created = set[str]().union(*(each.created for each in people))
    assert created <= there <= created.union(*(each.doubtful for each in people))
    assert flockctl.run("audit", "verify").status == 0
    for name, cost in costs.items():
        assert {each.removeprefix("people: ") for each in cost} <= IN_FLIGHT, name
        assert cost.total() <= 2 * CALLERS, name


def listed(owner: Account, project: int) -> list[dict[str, Any]]:
    """All devices of the project."""
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = owner.call("ironflock.devices.device.list", project=project, limit=1000, **after)
        found += page["devices"]
        if page["next"] is None:
            return found
        after = {"cursor": page["next"]}

"""A service is replaced under load: the process that is told to end answers what it has begun and is sent no more."""

import asyncio
from threading import Event

import pytest

from tests.harness.clients import Account, join_person, new_name, run_aside
from tests.harness.running import RunningPlatform
from tests.harness.second import Second
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import Peer, WampError

pytestmark = pytest.mark.real
CALLERS = 6


class Load:
    """People who call one after the other; `answered` and `refused` tell what came of it."""

    def __init__(self, platform: RunningPlatform) -> None:
        self.answered = 0
        self.refused: list[str] = []
        self.ended = Event()
        self._platform = platform

    async def run(self, project: int) -> None:
        """Until it is told to end."""
        await asyncio.gather(*(self._call(project) for _ in range(CALLERS)))

    async def _call(self, project: int) -> None:
        async with await join_person(self._platform) as person:
            while not self.ended.is_set():
                await self._one(person, project)

    async def _one(self, person: Peer, project: int) -> None:
        try:
            await person.call("ironflock.devices.group.create", project=project, name=new_name("line"))
            self.answered += 1
        except WampError as error:
            self.refused.append(error.uri)


def test_given_two_of_a_service_when_one_is_told_to_end_then_no_call_is_refused(
    ironflock: RunningPlatform, owner: Account
) -> None:
    load, project = Load(ironflock), owner.project()

    async def run(second: Second) -> int:
        calling = asyncio.create_task(load.run(project))
        try:
            await asyncio.to_thread(wait_until, lambda: load.answered > 100, 30.0, "both are called")
            status = await asyncio.to_thread(second.end)
            before = load.answered
            await asyncio.to_thread(wait_until, lambda: load.answered > before + 50, 30.0, "the other one goes on")
        finally:
            load.ended.set()
            await calling
        return status

    with Second(ironflock, "devices") as second:
        status = run_aside(run(second))

    assert status == 0
    assert load.refused == []

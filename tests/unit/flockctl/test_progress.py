"""How long an update is watched whose call has ended without an answer."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from deploy.flockctl.commands.progress import SILENCE_S, watched
from deploy.flockctl.errors import CommandError, OutcomeUnknownError

HALF, ALL = ({"octets": octets, "of_octets": 2, "percent": None, "step": None} for octets in (1, 2))


class Watched:
    """`update-agent --watch` whose call had no answer in time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ends = Deferred[None]()
        self.hear: Callable[[dict[str, Any]], None] = lambda _: None
        self.answers: list[Any] = []
        operator: Any = SimpleNamespace(
            reactor=self.clock,
            output=SimpleNamespace(as_json=False),
            connection=None,
            patiently=self._connection,
        )
        self.running = Deferred.fromCoroutine(watched(operator, {"device": 7}, self._act, of="agent_update"))
        _ = self.running.addBoth(self.answers.append)
        self.hear({"follows": True})

    async def stream(self, _: str, heard: Callable[[dict[str, Any]], None], **__: Any) -> None:
        """What a connection has."""
        self.hear = heard
        await self.ends

    async def _connection(self, _: Any) -> Any:
        return self

    async def _act(self) -> None:
        raise OutcomeUnknownError

    def failure(self) -> type[BaseException]:
        """How it failed."""
        (answer,) = self.answers
        return type(answer.value)


@pytest.fixture(name="update")
def fixture_update() -> Iterator[Watched]:
    update = Watched()
    yield update
    with suppress(Exception):
        update.running.cancel()
    assert update.clock.getDelayedCalls() == []


def test_it_is_done_when_the_device_says_so_of_this_operation(update: Watched) -> None:
    update.hear({"of": "os_download", **ALL})
    update.hear({"of": "agent_update", **HALF})
    assert update.answers == []

    update.hear({"of": "agent_update", **ALL})

    assert update.answers == [None]


@pytest.mark.parametrize("end", [None, CommandError("not_authorized", "no")])
def test_nobody_knows_when_nothing_more_can_be_heard(update: Watched, end: CommandError | None) -> None:
    if end is None:
        update.ends.callback(None)
    else:
        update.ends.errback(end)

    assert update.failure() is OutcomeUnknownError


def test_nobody_knows_when_nothing_is_heard_for_long(update: Watched) -> None:
    update.clock.advance(SILENCE_S - 1)
    update.hear({"of": "agent_update", **HALF})
    update.clock.advance(SILENCE_S - 1)
    update.hear({"of": "os_install", **HALF})
    assert update.answers == []

    update.clock.advance(1)

    assert update.failure() is OutcomeUnknownError

"""The bound on agents that connect at once."""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from deploy.flockctl.simulator.gate import MAX_STAY_S, Gate


async def enter(gate: Gate, inside: list[Callable[[], None]]) -> None:
    inside.append(await gate.enter())


def test_who_leaves_makes_place_for_the_next() -> None:
    gate = Gate(1, Clock())
    inside: list[Callable[[], None]] = []
    waiting = [Deferred.fromCoroutine(enter(gate, inside)) for _ in range(2)]

    assert len(inside) == 1
    inside[0]()
    inside[0]()
    assert len(inside) == 2
    assert all(each.called for each in waiting)


def test_who_stays_too_long_loses_its_place() -> None:
    clock = Clock()
    gate = Gate(1, clock)
    inside: list[Callable[[], None]] = []
    waiting = [Deferred.fromCoroutine(enter(gate, inside)) for _ in range(2)]

    clock.advance(MAX_STAY_S)

    assert len(inside) == 2
    assert all(each.called for each in waiting)

"""A service on the bus that is told to end: what it ends, what it waits for, and for how long."""

import asyncio
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from shared import bus as bus_module
from shared.bus import Bus
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from tests.unit.shared.audiences import Surface
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, call_details

pytestmark = pytest.mark.asyncio


async def test_stopping_ends_the_streams_and_waits_for_the_calls(bus: Bus, router: MemoryRouter) -> None:
    surface = Surface()
    bus.serve(surface)
    session = await router.join(bus, CONTROL_REALM)
    running = session.endpoints["test.people"](details=call_details("user", "5")).asFuture(asyncio.get_running_loop())
    sent: list[Any] = []
    stream = session.endpoints["test.stream"](details=call_details("user", "5", sent.append))
    stream_ended = stream.asFuture(asyncio.get_running_loop())
    await asyncio.wait_for(surface.started.wait(), 10)

    stopping = asyncio.ensure_future(bus.stop())
    with pytest.raises(asyncio.CancelledError):
        await stream_ended
    assert not stopping.done()
    assert not session.is_lost
    assert session.endpoints == {}  # whoever calls now reaches another process of the service
    surface.may_end.set()
    await stopping

    assert await running == 5
    assert sent == [1]
    assert surface.ends == ["stream", "people"]
    assert session.is_lost


async def test_stopping_waits_for_the_ends_of_streams_and_for_what_these_leave_to_do(
    bus: Bus, router: MemoryRouter
) -> None:
    ends: list[str] = []

    async def finish() -> None:
        await asyncio.sleep(0.05)
        assert not session.is_lost
        ends.append("left to do")

    async def stream() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ends.append("stream")
            bus.spawn(finish())

    session = await router.join(bus, CONTROL_REALM)
    _ = bus.task(stream(), is_stream=True)
    await asyncio.sleep(0)

    await bus.stop()

    assert ends == ["stream", "left to do"]
    assert session.is_lost


async def test_given_a_link_that_is_down_when_the_service_stops_then_the_others_are_drained_all_the_same(
    bus: Bus, router: MemoryRouter
) -> None:
    surface = Surface()
    bus.serve(surface)
    system, control = await router.join(bus, SYSTEM_REALM), await router.join(bus, CONTROL_REALM)
    loop = asyncio.get_running_loop()
    running = control.endpoints["test.people"](details=call_details("user", "5")).asFuture(loop)
    await asyncio.wait_for(surface.started.wait(), 10)
    system.lose()

    stopping = asyncio.ensure_future(bus.stop())
    await asyncio.sleep(0)
    surface.may_end.set()
    await asyncio.wait_for(stopping, 10)

    assert await running == 5
    assert control.endpoints == {}
    assert control.is_lost


async def test_given_a_loss_that_nobody_was_told_of_when_the_service_stops_then_the_others_are_drained_all_the_same(
    bus: Bus, router: MemoryRouter
) -> None:
    bus.serve(Surface())
    system, control = await router.join(bus, SYSTEM_REALM), await router.join(bus, CONTROL_REALM)
    system.is_lost = True

    await asyncio.wait_for(bus.stop(), 10)

    assert control.endpoints == {}
    assert control.is_lost


async def test_a_realm_that_is_joined_again_while_the_service_stops_gets_no_registration(
    bus: Bus, router: MemoryRouter
) -> None:
    surface = Surface()
    bus.serve(surface)
    control = await router.join(bus, CONTROL_REALM)
    _ = control.endpoints["test.people"](details=call_details("user", "5"))
    await asyncio.wait_for(surface.started.wait(), 10)
    stopping = asyncio.ensure_future(bus.stop())
    await asyncio.sleep(0)
    running = set(bus._tasks)

    rejoined = router.begin_join(bus, SYSTEM_REALM)
    await asyncio.wait(bus._tasks - running)

    assert rejoined.endpoints == {}
    assert not rejoined.is_lost  # what runs may need it
    surface.may_end.set()
    await asyncio.wait_for(stopping, 10)
    assert surface.ends == ["people"]
    assert rejoined.is_lost


async def test_a_service_that_is_told_to_end_while_it_registers_takes_back_what_it_has_registered(
    bus: Bus, router: MemoryRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.serve(Surface())
    register = MemorySession.register
    asked: list[tuple[Deferred[Any], Deferred[Any]]] = []

    def slowly(self: MemorySession, *registration: Any) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        asked.append((answer, register(self, *registration)))
        return answer

    monkeypatch.setattr(MemorySession, "register", slowly)
    session = router.begin_join(bus, SYSTEM_REALM)
    await asyncio.sleep(0)
    assert len(session.endpoints) == 1

    stopping = asyncio.ensure_future(bus.stop())
    await asyncio.sleep(0)
    answer, registered = asked[0]
    _ = registered.chainDeferred(answer)
    await asyncio.wait_for(stopping, 10)

    assert len(asked) == 1
    assert session.endpoints == {}
    assert session.is_lost


async def test_stopping_waits_no_longer_than_its_bound(
    bus: Bus, router: MemoryRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "DRAIN_TIMEOUT_S", 0.05)
    session = await router.join(bus, CONTROL_REALM)
    stuck = bus.task(asyncio.Event().wait())

    await asyncio.wait_for(bus.stop(), 10)

    assert session.is_lost
    with pytest.raises(asyncio.CancelledError):
        await stuck

"""Calls over the bus: answers, refusals, what is away and what was lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost

from shared.bus import Bus, call
from shared.cells import FIRST, Cell
from shared.errors import InternalError, NotFoundError, OutcomeUnknownError, UnavailableError
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from tests.unit.shared.memory_router import MemoryRouter, new_bus

pytestmark = pytest.mark.asyncio


async def test_a_call_answers_what_the_service_answered(bus: Bus, router: MemoryRouter) -> None:
    await router.join(bus, SYSTEM_REALM)
    router.answers["other.double"] = lambda *, number: 2 * number

    assert await bus.call("other.double", number=4) == 8


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ApplicationError("ironflock.error.not_found", "none", code="not_found", message="none", x=1), NotFoundError),
        (ApplicationError("ironflock.error.internal", "wrong", incident="ab"), InternalError),
        (ApplicationError("wamp.error.no_such_procedure", "x"), UnavailableError),
        (ApplicationError("wamp.error.canceled"), OutcomeUnknownError),
    ],
)
async def test_a_refusal_of_another_service_is_ours(
    bus: Bus, router: MemoryRouter, error: ApplicationError, kind: type[Exception]
) -> None:
    await router.join(bus, SYSTEM_REALM)

    def answer() -> None:
        raise error

    router.answers["other.refuse"] = answer

    with pytest.raises(kind) as refused:
        await bus.call("other.refuse")
    assert refused.value.__cause__ is error


async def test_an_error_that_is_none_of_ours_stays_what_it_is(bus: Bus, router: MemoryRouter) -> None:
    session: Any = await router.join(bus, CONTROL_REALM)

    def answer(*_: object) -> None:
        raise ApplicationError("wamp.error.no_such_session", "no")

    router.answers["wamp.session.kill"] = answer

    with pytest.raises(ApplicationError, match="no_such_session"):
        await call(session, "wamp.session.kill", args=(1,))


async def test_a_service_that_is_not_in_one_cell_is_called_in_another_and_none_is_called_twice(
    ca: Path, router: MemoryRouter
) -> None:
    bus = new_bus(ca, Cell(FIRST, "wss://localhost:1/ws-svc"), Cell("second", "wss://localhost:2/ws-svc"))
    sessions: list[Any] = [await router.join(bus, SYSTEM_REALM, cell) for cell in (0, 1)]
    there, elsewhere = MemoryRouter(), MemoryRouter()
    sessions[0].router, sessions[1].router = elsewhere, there
    there.answers["other.double"] = lambda *, number: 2 * number

    assert await bus.call("other.double", number=4) == 8

    def refuse(**_: object) -> None:
        raise ApplicationError("ironflock.error.unavailable", "its database is away")

    elsewhere.answers["other.double"] = refuse
    with pytest.raises(UnavailableError, match="its database"):
        await bus.call("other.double", number=4)
    assert len(there.calls) == 1


async def test_given_no_session_when_a_service_is_called_then_it_is_unavailable(bus: Bus, router: MemoryRouter) -> None:
    with pytest.raises(UnavailableError):
        await bus.call("other.double")

    (await router.join(bus, SYSTEM_REALM)).lose()

    with pytest.raises(UnavailableError):
        await bus.call("other.double")


async def test_given_a_lost_transport_when_a_session_is_called_then_the_outcome_is_unknown(
    bus: Bus, router: MemoryRouter
) -> None:
    session: Any = await router.join(bus, SYSTEM_REALM)
    session.lose()

    with pytest.raises(OutcomeUnknownError) as refused:
        await call(session, "other.double")
    assert isinstance(refused.value.__cause__, TransportLost)


async def test_given_a_silent_callee_when_its_time_is_over_then_the_outcome_is_unknown(
    bus: Bus, router: MemoryRouter
) -> None:
    await router.join(bus, SYSTEM_REALM)
    router.answers["other.silent"] = asyncio.Event().wait

    with pytest.raises(OutcomeUnknownError):
        await bus.call("other.silent", timeout_s=0.01)

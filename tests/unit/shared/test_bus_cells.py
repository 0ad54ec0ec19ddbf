"""A service on the bus of several cells: which are there, what is done in all of them, what one that is away costs."""

from pathlib import Path
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost
from prometheus_client import REGISTRY

from shared.bus import Bus
from shared.cells import FIRST, Cell
from shared.errors import (
    CellAwayError,
    NotAuthorizedError,
    NotFoundError,
    OutcomeUnknownError,
    UnavailableError,
)
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from shared.session import BusSession
from tests.unit.shared.audiences import Surface
from tests.unit.shared.memory_router import MemoryRouter, new_bus, sessions_of

pytestmark = pytest.mark.asyncio
CELLS = (Cell(FIRST, "wss://localhost:1/ws-svc"), Cell("second", "wss://localhost:2/ws-svc"))


def _joined(cell: str, realm: str) -> float | None:
    return REGISTRY.get_sample_value("ironflock_bus_joined", {"cell": cell, "realm": realm})


async def test_one_cell_that_is_away_is_seen_in_health_and_in_who_is_there(ca: Path, router: MemoryRouter) -> None:
    bus = new_bus(ca, *CELLS)
    bus.start()
    first = await router.join(bus, CONTROL_REALM, cell=0)
    second = await router.join(bus, CONTROL_REALM, cell=1)
    assert sessions_of(bus.sessions(CONTROL_REALM)) == [first, second]

    first.lose()

    parts: Any = bus.health.report()["parts"]
    assert not parts[f"bus {CONTROL_REALM} in cell first"]["ok"]
    assert sessions_of(bus.sessions(CONTROL_REALM)) == [second]
    assert bus.sessions_by_cell(CONTROL_REALM).keys() == {"second"}


async def test_who_is_in_one_cell_is_ready_though_another_one_is_away(ca: Path, router: MemoryRouter) -> None:
    bus = new_bus(ca, *CELLS)
    bus.start()
    joined = [await router.join(bus, realm, cell) for realm in (SYSTEM_REALM, CONTROL_REALM) for cell in (0, 1)]
    assert bus.health.ready()

    joined[0].lose()
    joined[2].lose()
    assert bus.health.ready()
    assert _joined("first", SYSTEM_REALM) == 0
    assert _joined("second", SYSTEM_REALM) == 1

    joined[3].lose()
    assert not bus.health.ready()


@pytest.mark.parametrize("realm", [SYSTEM_REALM, CONTROL_REALM])
async def test_a_router_that_says_that_it_is_another_cell_is_not_joined_and_health_says_why(
    ca: Path, router: MemoryRouter, realm: str
) -> None:
    bus = new_bus(ca, *CELLS)
    bus.serve(Surface())
    router.cell = FIRST
    right = await router.join(bus, realm)
    wrong = await router.join(bus, realm, 1)

    assert (right.was_aborted, wrong.was_aborted, wrong.endpoints) == (False, True, {})
    assert sessions_of(bus.sessions(realm)) == [right]
    parts: Any = bus.health.report()["parts"]
    part = parts[f"bus {realm} in cell second"]
    assert (part["ok"], "is that of the cell first" in part["reason"]) == (False, True)


async def test_a_session_is_found_by_the_name_of_its_cell(ca: Path, router: MemoryRouter) -> None:
    bus = new_bus(ca, *CELLS)
    second = await router.join(bus, CONTROL_REALM, cell=1)

    assert sessions_of([bus.session_in("second", CONTROL_REALM)]) == [second]
    for absent in ("first", "third", ""):
        with pytest.raises(UnavailableError):
            bus.session_in(absent, CONTROL_REALM)
    with pytest.raises(UnavailableError):
        await bus.join_apart("third", "svc_test")


async def test_what_is_done_everywhere_is_done_in_each_cell_whatever_becomes_of_the_others(
    ca: Path, router: MemoryRouter
) -> None:
    bus = new_bus(ca, *CELLS)
    asked: list[BusSession] = []

    async def ask(session: BusSession) -> int:
        asked.append(session)
        if len(asked) == failing:
            raise failure
        return len(asked)

    failing = 0
    failure: Exception = OutcomeUnknownError("silent")
    with pytest.raises(UnavailableError) as nowhere:
        await bus.everywhere(CONTROL_REALM, ask)
    assert not isinstance(nowhere.value, CellAwayError)

    second = await router.join(bus, CONTROL_REALM, cell=1)
    with pytest.raises(CellAwayError):
        await bus.everywhere(CONTROL_REALM, ask)
    assert sessions_of(asked) == [second]

    first = await router.join(bus, CONTROL_REALM, cell=0)
    asked.clear()
    assert await bus.everywhere(CONTROL_REALM, ask) == [1, 2]
    assert sessions_of(asked) == [first, second]

    failing = 1
    for each, seen in (
        (OutcomeUnknownError("silent"), CellAwayError),
        (TransportLost("lost"), CellAwayError),
        (NotFoundError("no"), NotFoundError),
    ):
        asked.clear()
        failure = each
        with pytest.raises(seen):
            await bus.everywhere(CONTROL_REALM, ask)
        assert len(asked) == 2


async def test_of_what_was_asked_for_in_several_cells_only_a_cell_that_is_away_may_be_missing(
    ca: Path, router: MemoryRouter
) -> None:
    bus = new_bus(ca, *CELLS)
    away = CellAwayError("away")

    assert bus.done([1, 2]) == [1, 2]
    with pytest.raises(CellAwayError):
        bus.done([1, away])
    for other in (UnavailableError("auth is away"), OutcomeUnknownError("silent"), TransportLost("lost")):
        with pytest.raises(type(other)) as failed:
            bus.done([away, other])
        assert failed.value is other


async def test_where_there_is_one_cell_its_absence_is_no_other_cell_s(bus: Bus, router: MemoryRouter) -> None:
    async def silent(_: BusSession) -> None:
        raise OutcomeUnknownError("silent")

    await router.join(bus, CONTROL_REALM)

    with pytest.raises(OutcomeUnknownError):
        await bus.everywhere(CONTROL_REALM, silent)


async def test_while_the_router_cannot_be_asked_nobody_s_session_is_over(ca: Path, router: MemoryRouter) -> None:
    def gone(_: int) -> None:
        raise ApplicationError("wamp.error.no_such_session", "no")

    bus = new_bus(ca, *CELLS)
    router.answers["wamp.session.get"] = gone
    with pytest.raises(UnavailableError):
        await bus.credential_of(11)
    await router.join(bus, CONTROL_REALM, cell=0)
    with pytest.raises(UnavailableError):
        await bus.credential_of(11)
    await router.join(bus, CONTROL_REALM, cell=1)
    with pytest.raises(NotAuthorizedError):
        await bus.credential_of(11)

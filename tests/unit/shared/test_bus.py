"""A service on the bus, as far as no router is needed: what is registered where, joins, losses, errors, stopping."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost
from prometheus_client import REGISTRY
from twisted.internet.defer import Deferred

from shared import bus as bus_module
from shared.bus import Bus
from shared.cells import FIRST, Cell
from shared.errors import (
    CellAwayError,
    NotAuthorizedError,
    NotFoundError,
    OutcomeUnknownError,
    UnavailableError,
)
from shared.identities import CONTROL_REALM, SYSTEM_REALM, Credential, DeviceIdentity, Person, ServiceIdentity
from shared.procedures import NoArguments, Progress, declared, for_devices, for_people, for_services, seconds
from shared.scopes import EVERYTHING, NOTHING
from shared.session import BusSession
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, call_details, new_bus, settled

pytestmark = pytest.mark.asyncio
KEY = Credential("key-1", EVERYTHING)
CELLS = (Cell(FIRST, "wss://localhost:1/ws-svc"), Cell("second", "wss://localhost:2/ws-svc"))


class Surface:
    """One procedure for each audience."""

    def __init__(self) -> None:
        """Nothing runs."""
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ends: list[str] = []

    @for_people("test.people")
    async def people(self, person: Person, request: NoArguments) -> int:
        """Wait until it may end."""
        self.started.set()
        await self.may_end.wait()
        self.ends.append("people")
        return person.account_key

    @for_people("test.stream", is_stream=True)
    async def stream(self, person: Person, request: NoArguments, progress: Progress) -> None:
        """Never end by itself."""
        progress(1)
        try:
            await asyncio.Event().wait()
        finally:
            self.ends.append("stream")

    @for_services("test.services")
    async def services(self, service: ServiceIdentity, request: NoArguments) -> str:
        """Its name."""
        return service.name

    @for_devices("test.devices")
    async def devices(self, device: DeviceIdentity, request: NoArguments) -> int:
        """Its key."""
        return device.device_key


def _joined(cell: str, realm: str) -> float | None:
    return REGISTRY.get_sample_value("ironflock_bus_joined", {"cell": cell, "realm": realm})


def sessions_of(sessions: Sequence[object]) -> list[object]:
    return list(sessions)


@pytest.fixture(name="bus")
def fixture_bus(ca: Path) -> Bus:
    return new_bus(ca)


@pytest.fixture(name="router")
def fixture_router() -> MemoryRouter:
    return MemoryRouter()


async def test_each_procedure_is_registered_on_the_realms_of_its_audience(bus: Bus, router: MemoryRouter) -> None:
    bus.serve(Surface())

    system = await router.join(bus, SYSTEM_REALM)
    control = await router.join(bus, CONTROL_REALM)

    assert set(system.endpoints) == {"test.people", "test.stream", "test.services"}
    assert set(control.endpoints) == {"test.people", "test.stream", "test.devices"}


async def test_what_a_process_has_of_its_own_is_known_by_what_is_declared(bus: Bus, router: MemoryRouter) -> None:
    declaration, method = next(each for each in declared(Surface()) if each[0].uri == "test.services")
    bus.serve_own(declaration, method, "test.of_7.services")

    session = await router.join(bus, SYSTEM_REALM)
    answered = await session.endpoints["test.of_7.services"](details=call_details("svc_auth", "svc_auth")).asFuture(
        asyncio.get_running_loop()
    )

    counted = {sample.labels.get("procedure") for family in seconds.collect() for sample in family.samples}
    assert answered == "auth"
    assert "test.services" in counted
    assert "test.of_7.services" not in counted


async def test_after_each_join_everything_is_registered_anew_before_the_service_counts_as_there(
    bus: Bus, router: MemoryRouter
) -> None:
    bus.serve(Surface())
    part = f"bus {SYSTEM_REALM} in cell first"
    seen: list[tuple[set[str], bool]] = []

    async def listener(session: BusSession) -> None:
        report: Any = bus.health.report()["parts"]
        seen.append((set(router.sessions[-1].endpoints), report[part]["ok"]))
        assert bus.sessions(SYSTEM_REALM) == [session]

    bus.on_join(SYSTEM_REALM, listener)
    bus.health.set(part, ok=False)
    for _ in range(3):
        session = await router.join(bus, SYSTEM_REALM)
        assert bus.health.report()["parts"] == {part: {"ok": True, "reason": ""}}
        session.lose()
        assert bus.sessions(SYSTEM_REALM) == []
        assert not bus.health.ready()

    assert seen == [({"test.people", "test.stream", "test.services"}, False)] * 3


async def test_given_a_refused_registration_when_the_service_joins_then_it_gives_the_session_up(
    bus: Bus, router: MemoryRouter
) -> None:
    bus.serve(Surface())
    router.refused = {"test.services"}

    session = await router.join(bus, SYSTEM_REALM)

    assert session.was_aborted
    assert bus.sessions(SYSTEM_REALM) == []


async def test_given_a_listener_that_fails_when_the_service_joins_then_it_gives_the_session_up(
    bus: Bus, router: MemoryRouter
) -> None:
    async def listener(_: BusSession) -> None:
        raise UnavailableError("away")

    bus.on_join(CONTROL_REALM, listener)

    session = await router.join(bus, CONTROL_REALM)

    assert session.was_aborted
    assert bus.sessions(CONTROL_REALM) == []


async def test_the_end_of_an_older_session_does_not_take_the_newer_one_away(bus: Bus, router: MemoryRouter) -> None:
    older = await router.join(bus, SYSTEM_REALM)
    newer = await router.join(bus, SYSTEM_REALM)

    older.lose()

    assert sessions_of(bus.sessions(SYSTEM_REALM)) == [newer]
    assert bus.health.ready()


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


async def test_an_invocation_goes_through_the_wrapper(bus: Bus, router: MemoryRouter) -> None:
    bus.serve(Surface())
    session = await router.join(bus, SYSTEM_REALM)
    loop = asyncio.get_running_loop()

    answer = session.endpoints["test.services"](details=call_details("svc_auth", "svc_auth"))
    assert await answer.asFuture(loop) == "auth"

    with pytest.raises(ApplicationError, match="not_authorized"):
        await session.endpoints["test.services"](details=call_details("user", "5")).asFuture(loop)


async def test_a_person_s_credential_is_what_the_router_noted_and_is_asked_for_once(
    bus: Bus, router: MemoryRouter
) -> None:
    await router.join(bus, CONTROL_REALM)

    assert [await bus.credential_of(11), await bus.credential_of(11)] == [KEY, KEY]

    assert router.called("wamp.session.get") == [(11,)]


@pytest.mark.parametrize(
    "extra", [None, {}, {"credential": "k"}, {"credential": "k", "scopes": "all"}, {"scopes": [1]}]
)
async def test_given_a_session_of_which_the_router_notes_no_scopes_when_it_is_asked_for_then_it_reaches_nothing(
    bus: Bus, router: MemoryRouter, extra: Any
) -> None:
    await router.join(bus, CONTROL_REALM)
    router.answers["wamp.session.get"] = lambda _: {"authextra": extra}

    assert (await bus.credential_of(11)).scopes == NOTHING


async def test_given_a_session_that_is_over_when_its_credential_is_asked_for_then_the_call_is_refused(
    bus: Bus, router: MemoryRouter
) -> None:
    def gone(_: int) -> None:
        raise ApplicationError("wamp.error.no_such_session", "no")

    await router.join(bus, CONTROL_REALM)
    router.answers["wamp.session.get"] = gone

    with pytest.raises(NotAuthorizedError):
        await bus.credential_of(11)


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


async def test_the_memory_of_credentials_is_bounded(
    bus: Bus, router: MemoryRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "CREDENTIALS_REMEMBERED", 3)
    await router.join(bus, CONTROL_REALM)

    for session in range(10):
        assert await bus.credential_of(session) == KEY

    assert len(bus._credentials) == 3


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


async def test_what_fails_beside_is_said(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    async def fails() -> None:
        raise ValueError("beside")

    bus.spawn(fails())
    await settled(bus)
    await asyncio.sleep(0)

    assert "task_failed" in capsys.readouterr().out

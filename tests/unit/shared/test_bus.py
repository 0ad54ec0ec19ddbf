"""A service on the bus, as far as no router is needed: what is registered where, joins, losses, errors, stopping."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred

from shared import bus as bus_module
from shared.bus import Bus
from shared.errors import NotAuthorizedError, UnavailableError
from shared.identities import CONTROL_REALM, SYSTEM_REALM, Credential, DeviceIdentity, Person, ServiceIdentity
from shared.procedures import NoArguments, Progress, for_devices, for_people, for_services
from shared.scopes import EVERYTHING, NOTHING
from shared.session import BusSession
from tests.integration.flockctl.certificates import make_certificates
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, call_details, new_bus, settled

pytestmark = pytest.mark.asyncio
KEY = Credential("key-1", EVERYTHING)
CELLS = ("wss://localhost:1/ws-svc", "wss://localhost:2/ws-svc")


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


def sessions_of(sessions: Sequence[object]) -> list[object]:
    return list(sessions)


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("authority")).ca


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


async def test_after_each_join_everything_is_registered_anew_before_the_service_counts_as_there(
    bus: Bus, router: MemoryRouter
) -> None:
    bus.serve(Surface())
    part = f"bus {SYSTEM_REALM} at localhost:1"
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


async def test_one_cell_that_is_away_is_seen_in_health_and_by_who_asks_for_every_session(
    ca: Path, router: MemoryRouter
) -> None:
    bus = new_bus(ca, *CELLS)
    first = await router.join(bus, CONTROL_REALM, cell=0)
    second = await router.join(bus, CONTROL_REALM, cell=1)
    assert sessions_of(bus.every_session(CONTROL_REALM)) == [first, second]

    first.lose()

    assert not bus.health.ready()
    assert sessions_of(bus.sessions(CONTROL_REALM)) == [second]
    with pytest.raises(UnavailableError):
        bus.every_session(CONTROL_REALM)


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

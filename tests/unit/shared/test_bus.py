"""A service on the bus, as far as no router is needed: what is registered where, joins, losses, credentials."""

import asyncio
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from shared import bus as bus_module
from shared.bus import Bus
from shared.errors import (
    NotAuthorizedError,
    UnavailableError,
)
from shared.identities import CONTROL_REALM, SYSTEM_REALM, Credential
from shared.procedures import declared, seconds
from shared.scopes import EVERYTHING, NOTHING
from shared.session import BusSession
from tests.unit.shared.audiences import Surface
from tests.unit.shared.memory_router import MemoryRouter, call_details, sessions_of, settled

pytestmark = pytest.mark.asyncio
KEY = Credential("key-1", EVERYTHING)


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


async def test_the_memory_of_credentials_is_bounded(
    bus: Bus, router: MemoryRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "CREDENTIALS_REMEMBERED", 3)
    await router.join(bus, CONTROL_REALM)

    for session in range(10):
        assert await bus.credential_of(session) == KEY

    assert len(bus._credentials) == 3


async def test_what_fails_beside_is_said(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    async def fails() -> None:
        raise ValueError("beside")

    bus.spawn(fails())
    await settled(bus)
    await asyncio.sleep(0)

    assert "task_failed" in capsys.readouterr().out

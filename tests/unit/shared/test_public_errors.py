"""What leaves a procedure that fails, who calls at all, and how arguments become records."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallDetails
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.identities import DeviceIdentity, Person
from shared.procedures import (
    Audience,
    Declaration,
    NoArguments,
    decode,
    for_people,
    identify,
    plain,
    public_errors,
)
from tests.unit.shared.surface import (
    HERE,
    USER,
    Order,
    details,
    everywhere,
    refused,
    wrapped,
)

pytestmark = pytest.mark.asyncio


class Failing:
    """Fails as it is told."""

    def __init__(self, error: BaseException) -> None:
        """Raise `error`."""
        self._error = error

    @for_people("test.failing")
    async def fail(self, person: Person, request: NoArguments) -> None:
        """Fail."""
        raise self._error


async def test_a_public_error_leaves_as_it_is() -> None:
    error = await refused(wrapped(Failing(NotFoundError("none", kind="x")), "test.failing")(details=details(USER)))

    assert error.error == "ironflock.error.not_found"
    assert error.kwargs == {"code": "not_found", "message": "none", "kind": "x"}


@pytest.mark.parametrize(
    "fault",
    [ValueError("MARKER"), KeyError("MARKER"), FileNotFoundError(2, "MARKER"), ApplicationError("x.y", "MARKER")],
)
async def test_anything_else_leaves_as_an_incident_only(fault: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    error = await refused(wrapped(Failing(fault), "test.failing")(details=details(USER)))

    assert error.error == "ironflock.error.internal"
    assert set(error.kwargs) == {"code", "message", "incident"}
    assert "MARKER" not in repr(error) + str(error.args) + str(error.kwargs)
    assert error.__cause__ is None
    assert error.kwargs["incident"] in capsys.readouterr().out


async def test_two_incidents_have_two_ids() -> None:
    call = wrapped(Failing(ValueError("x")), "test.failing")

    incidents = {(await refused(call(details=details(USER)))).kwargs["incident"] for _ in range(5)}

    assert len(incidents) == 5


async def test_of_a_call_that_takes_too_long_nothing_is_known() -> None:
    error = await refused(wrapped(Failing(TimeoutError()), "test.failing")(details=details(USER)))

    assert error.error == "ironflock.error.outcome_unknown"


async def test_a_cancelled_call_is_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        await wrapped(Failing(asyncio.CancelledError()), "test.failing")(details=details(USER))


roles = st.sampled_from(["device", "user", "app", "trusted", "svc_", "svc_auth", "svc_x", "anonymous", ""]) | st.text()
authids = st.sampled_from(["3-7", "5", "svc_auth", "svc_", "0", "1-0"]) | st.text()


@given(st.none() | roles, st.none() | authids, st.none() | st.integers(0, 2**53))
async def test_any_disclosure_is_a_caller_or_refused(role: str | None, authid: str | None, session: int | None) -> None:
    disclosed = CallDetails(HERE, caller=session, caller_authrole=role, caller_authid=authid)

    try:
        caller = identify(disclosed)
    except NotAuthorizedError:
        return
    assert isinstance(caller, Person) == (role == "user")
    assert isinstance(caller, DeviceIdentity) == (role == "device")
    assert caller.session == (session or 0)


@pytest.mark.parametrize(
    "caller", [("", ""), ("device", ""), ("user", "1-1"), ("svc_auth", "1"), ("svc_auth", "svc_Auth")]
)
async def test_given_a_hostile_disclosure_when_the_caller_is_identified_then_it_is_refused(
    caller: tuple[str, str],
) -> None:
    with pytest.raises(NotAuthorizedError):
        identify(details(caller))


@given(
    st.dictionaries(
        st.sampled_from(["number", "colour", "place", "other"]), st.none() | st.integers() | st.text() | st.floats()
    )
)
async def test_any_arguments_decode_strictly_or_are_refused(arguments: dict[str, Any]) -> None:
    try:
        order = decode(Order, arguments)
    except InvalidArgumentError:
        return
    assert type(order.number) is int
    assert 1 <= order.number <= 9
    assert order.colour in ("red", "green")
    assert set(arguments) <= {"number", "colour", "place"}


async def test_a_record_is_plain_values_outside() -> None:
    assert plain([Order(1, place=UUID(int=1))]) == [
        {"number": 1, "colour": "red", "place": "00000000-0000-0000-0000-000000000001"}
    ]


async def test_the_wrapper_takes_any_declaration() -> None:
    async def method(_person: Person, _request: NoArguments) -> int:
        return 7

    declaration = Declaration("test.plain", Audience.PEOPLE, NoArguments, is_stream=False)

    assert await public_errors(declaration, method, None, everywhere)(details=details(USER)) == 7

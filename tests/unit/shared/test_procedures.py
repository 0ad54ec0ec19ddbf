"""The wrapper around every procedure: identify, decode, run, let only public errors out."""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from attrs import frozen
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.request import Registration
from autobahn.wamp.types import CallDetails
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.identities import DeviceIdentity, Person, ServiceIdentity
from shared.procedures import (
    Audience,
    Declaration,
    NoArguments,
    Progress,
    declared,
    decode,
    for_devices,
    for_people,
    for_services,
    identify,
    plain,
    public_errors,
)

pytestmark = pytest.mark.asyncio
HERE = Registration(None, 1, "test", None)
DEVICE, USER, SERVICE, ROUTER = ("device", "3-7"), ("user", "5"), ("svc_gateway", "svc_gateway"), ("trusted", "router")


@frozen
class Order:
    """A payload."""

    number: Annotated[int, Meta(ge=1, le=9)]
    colour: Literal["red", "green"] = "red"
    place: UUID | None = None


class Surface:
    """Marked methods of every kind."""

    def __init__(self) -> None:
        """Nobody has called."""
        self.callers: list[object] = []

    @for_people("test.people", Order)
    async def people(self, person: Person, order: Order) -> dict[str, Any]:
        """Answer with what came."""
        self.callers.append(person)
        return {"order": order}

    @for_services("test.services", Order)
    async def services(self, service: ServiceIdentity, order: Order) -> Order:
        """Answer with what came."""
        self.callers.append(service)
        return order

    @for_devices("test.devices", Order)
    async def devices(self, device: DeviceIdentity, order: Order) -> Order:
        """Answer with what came."""
        self.callers.append(device)
        return order

    @for_devices("test.devices.nothing")
    async def nothing(self, device: DeviceIdentity, request: NoArguments) -> None:
        """Answer nothing."""
        self.callers.append((device, request))

    @for_people("test.stream", is_stream=True)
    async def stream(self, person: Person, request: NoArguments, progress: Progress) -> None:
        """Answer twice."""
        self.callers.append((person, request))
        progress(Order(1))
        progress({"place": UUID(int=7)})

    async def run(self) -> None:
        """No procedure: it is not marked."""


class Verifier:
    """Takes the assertion `good` for account 9."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def verify(self, assertion: str, *, procedure: str, arguments: dict[str, Any]) -> Person:
        """The person."""
        self.asked.append((assertion, procedure, dict(arguments)))
        if assertion != "good":
            raise NotAuthorizedError("no")
        return Person(account_key=9, session=0, credential="key")


def details(caller: tuple[str, str], progress: Progress | None = None) -> CallDetails:
    return CallDetails(HERE, progress=progress, caller=11, caller_authrole=caller[0], caller_authid=caller[1])


def wrapped(surface: object, uri: str, verifier: Verifier | None = None) -> Any:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(surface)}
    return public_errors(*found[uri], verifier)


async def refused(call: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as error:
        await call
    assert error.value.args[0] == error.value.kwargs["message"]
    assert error.value.kwargs["code"] == error.value.error.rpartition(".")[2]
    return error.value


async def test_every_marked_method_is_declared_and_no_other() -> None:
    kinds = {declaration.uri: (declaration.audience, declaration.is_stream) for declaration, _ in declared(Surface())}

    assert kinds == {
        "test.people": (Audience.PEOPLE, False),
        "test.services": (Audience.SERVICES, False),
        "test.devices": (Audience.DEVICES, False),
        "test.devices.nothing": (Audience.DEVICES, False),
        "test.stream": (Audience.PEOPLE, True),
    }


@pytest.mark.parametrize(
    ("uri", "caller", "who"),
    [
        ("test.people", USER, Person(5, 11)),
        ("test.services", SERVICE, ServiceIdentity("gateway", 11)),
        ("test.services", ROUTER, ServiceIdentity("router", 11)),
        ("test.devices", DEVICE, DeviceIdentity(3, 7, 11)),
    ],
)
async def test_the_procedure_gets_who_calls(uri: str, caller: tuple[str, str], who: object) -> None:
    surface = Surface()
    arguments: dict[str, Any] = {"number": 2}

    if uri == "test.devices":
        await wrapped(surface, uri)(arguments, details=details(caller))
    else:
        await wrapped(surface, uri)(details=details(caller), **arguments)

    assert surface.callers == [who]


OTHERS = [
    ("", ""),
    ("user", "3-7"),
    ("user", "0"),
    ("device", "5"),
    ("svc_auth", "svc_gateway"),
    ("app", "5"),
    ("anonymous", "5"),
    ("USER", "5"),
]


@pytest.mark.parametrize("verifier", [None, Verifier()])
@pytest.mark.parametrize(
    ("uri", "mine"),
    [
        ("test.people", [USER]),
        ("test.stream", [USER]),
        ("test.services", [SERVICE, ROUTER]),
        ("test.devices", [DEVICE]),
        ("test.devices.nothing", [DEVICE]),
    ],
)
async def test_every_audience_refuses_the_other_callers(
    uri: str, mine: list[tuple[str, str]], verifier: Verifier | None
) -> None:
    surface = Surface()

    for caller in [DEVICE, USER, SERVICE, ROUTER, *OTHERS]:
        if caller not in mine:
            error = await refused(wrapped(surface, uri, verifier)({"number": 1}, details=details(caller)))
            assert error.error == "wamp.error.not_authorized"

    assert surface.callers == []


async def test_a_service_with_an_assertion_speaks_for_the_person() -> None:
    surface, verifier = Surface(), Verifier()

    await wrapped(surface, "test.people", verifier)(details=details(SERVICE), number=3, assertion="good")

    assert surface.callers == [Person(9, 0, "key")]
    assert verifier.asked == [("good", "test.people", {"number": 3})]


@pytest.mark.parametrize("assertion", ["bad", None, 7, ["good"], {"good": 1}])
async def test_given_another_assertion_when_a_service_calls_then_it_is_refused(assertion: object) -> None:
    surface = Surface()

    error = await refused(
        wrapped(surface, "test.people", Verifier())(details=details(SERVICE), number=3, assertion=assertion)
    )

    assert error.error == "wamp.error.not_authorized"
    assert surface.callers == []


async def test_given_no_verifier_when_a_service_brings_an_assertion_then_it_is_refused() -> None:
    error = await refused(wrapped(Surface(), "test.people")(details=details(SERVICE), number=3, assertion="good"))

    assert error.error == "wamp.error.not_authorized"


@pytest.mark.parametrize("caller", [USER, DEVICE])
async def test_an_assertion_helps_nobody_but_a_service(caller: tuple[str, str]) -> None:
    surface, verifier = Surface(), Verifier()

    await refused(wrapped(surface, "test.people", verifier)(details=details(caller), number=3, assertion="good"))

    assert verifier.asked == []
    assert surface.callers == []


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"number": "1"},
        {"number": 1.0},
        {"number": True},
        {"number": None},
        {"number": 0},
        {"number": 10},
        {"number": 10**400},
        {"number": 1, "more": 1},
        {"number": 1, "colour": "MARKER"},
        {"number": 1, "colour": "MARKER' - at `$.number`"},
        {"number": 1, "colour": "MARKER\n'MARKER"},
        {"number": 1, "colour": ["red"]},
        {"number": 1, "place": "MARKER"},
        {"number": 1, "place": 7},
        {"number": ["MARKER"]},
        {"number": {"MARKER": 1}},
    ],
)
async def test_given_unfit_arguments_when_people_call_then_the_refusal_does_not_repeat_them(
    arguments: dict[str, Any],
) -> None:
    surface = Surface()

    error = await refused(wrapped(surface, "test.people")(details=details(USER), **arguments))

    assert error.error == "wamp.error.invalid_argument"
    assert "MARKER" not in str(error.args) + str(error.kwargs)
    assert len(error.kwargs["message"]) < 300
    assert surface.callers == []


async def test_given_an_unknown_argument_when_people_call_then_it_is_named_and_cut() -> None:
    error = await refused(wrapped(Surface(), "test.people")(details=details(USER), number=1, **{"x" * 10_000: 1}))

    assert error.kwargs["argument"] == "x" * 100
    assert len(error.kwargs["message"]) < 300


async def test_given_positional_arguments_when_people_call_then_they_are_refused() -> None:
    error = await refused(wrapped(Surface(), "test.people")({"number": 1}, details=details(USER)))

    assert error.error == "wamp.error.invalid_argument"


@pytest.mark.parametrize(
    "args",
    [(), ({"number": 1}, {"number": 1}), (1,), ([{"number": 1}],), ("number",), (None,), ({},), ({"number": "1"},)],
)
async def test_given_another_shape_when_a_device_calls_then_it_is_refused(args: tuple[Any, ...]) -> None:
    error = await refused(wrapped(Surface(), "test.devices")(*args, details=details(DEVICE)))

    assert error.error == "wamp.error.invalid_argument"


async def test_what_a_later_agent_sends_besides_is_left_alone() -> None:
    payload = {"number": 1, "colour": "green", "later": {"x": [1]}, 7: 8}

    result = await wrapped(Surface(), "test.devices")(payload, details=details(DEVICE))

    assert result == {"number": 1, "colour": "green", "place": None}


@pytest.mark.parametrize("args", [(), ({"ports": []},), (1, 2, 3)])
async def test_a_device_procedure_without_arguments_takes_any(args: tuple[Any, ...]) -> None:
    assert await wrapped(Surface(), "test.devices.nothing")(*args, details=details(DEVICE)) is None


async def test_given_no_receive_progress_when_a_stream_is_called_then_it_is_refused() -> None:
    surface = Surface()

    error = await refused(wrapped(surface, "test.stream")(details=details(USER)))

    assert error.error == "wamp.error.invalid_argument"
    assert "receive_progress" in error.kwargs["message"]
    assert surface.callers == []


async def test_a_stream_sends_plain_values() -> None:
    sent: list[Any] = []

    await wrapped(Surface(), "test.stream")(details=details(USER, sent.append))

    assert sent == [{"number": 1, "colour": "red", "place": None}, {"place": str(UUID(int=7))}]


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


async def test_a_call_that_takes_too_long_is_unavailable() -> None:
    error = await refused(wrapped(Failing(TimeoutError()), "test.failing")(details=details(USER)))

    assert error.error == "ironflock.error.unavailable"


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

    assert await public_errors(declaration, method, None)(details=details(USER)) == 7

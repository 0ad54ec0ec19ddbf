"""The wrapper around every procedure: identify, decode, run."""

from typing import Annotated, Any
from uuid import UUID

import pytest
from attrs import frozen
from msgspec import Meta

from shared.errors import InvalidArgumentError
from shared.identities import Credential, DeviceIdentity, Person, ServiceIdentity
from shared.procedures import (
    Audience,
    declared,
    decode,
    public_errors,
)
from shared.scopes import NOTHING, parse_scopes
from tests.unit.shared.surface import DEVICE, ROUTER, SERVICE, USER, Surface, Verifier, details, refused, wrapped

pytestmark = pytest.mark.asyncio


async def test_every_marked_method_is_declared_and_no_other() -> None:
    kinds = {declaration.uri: (declaration.audience, declaration.is_stream) for declaration, _ in declared(Surface())}

    assert kinds == {
        "test.people": (Audience.PEOPLE, False),
        "test.reading": (Audience.PEOPLE, False),
        "test.narrowing": (Audience.PEOPLE, False),
        "test.services": (Audience.SERVICES, False),
        "test.devices": (Audience.DEVICES, False),
        "test.devices.nothing": (Audience.DEVICES, False),
        "test.stream": (Audience.PEOPLE, True),
    }


@pytest.mark.parametrize(
    ("uri", "caller", "who"),
    [
        ("test.people", USER, Person(5, 11, "key")),
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


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({}, "number"),
        ({"number": "1"}, "number"),
        ({"number": 1, "colour": "MARKER' - at `$.place`"}, "colour"),
        ({"number": 1, "place": 7}, "place"),
    ],
)
async def test_given_an_argument_that_does_not_fit_when_people_call_then_it_is_named(
    arguments: dict[str, Any], argument: str
) -> None:
    error = await refused(wrapped(Surface(), "test.people")(details=details(USER), **arguments))

    assert error.kwargs["argument"] == argument


@frozen
class Coded:
    """A record with a value of one form."""

    code: Annotated[str, Meta(pattern="^[0-9]{6}$")]


async def test_a_malformed_value_is_refused_without_the_expression_it_has_to_match() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        decode(Coded, {"code": "MARKER"})

    assert caught.value.message == "Malformed value - at `$.code`"


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


CHANGE, READ, NARROW = "test.people", "test.reading", "test.narrowing"
WAYS: list[tuple[list[str], set[str]]] = [
    (["all"], {CHANGE, READ, NARROW}),
    (["read"], {READ}),
    (["all@project/3"], {NARROW}),
    (["read@project/3"], set()),
    (["all@device/7", "read"], {READ, NARROW}),
]


@pytest.mark.parametrize("uri", [CHANGE, READ, NARROW])
@pytest.mark.parametrize(("scopes", "open_to"), WAYS)
async def test_scopes_let_no_more_be_done_than_they_say(scopes: list[str], open_to: set[str], uri: str) -> None:
    surface, credential = Surface(), Credential("key", parse_scopes(scopes))
    call = wrapped(surface, uri, None, credential)(details=details(USER), number=1)

    if uri not in open_to:
        assert (await refused(call)).error == "wamp.error.not_authorized"
        assert surface.callers == []
        return
    await call
    (person,) = surface.callers
    assert isinstance(person, Person)
    assert person.scopes == credential.scopes.usable(changes=uri != READ)


async def test_a_session_of_which_nothing_is_known_may_do_nothing() -> None:
    surface = Surface()
    unknown = [public_errors(*found) for found in declared(surface) if found[0].uri == READ]

    assert (await refused(unknown[0](details=details(USER), number=1))).error == "wamp.error.not_authorized"
    nothing = wrapped(surface, READ, None, Credential("key", NOTHING))
    assert (await refused(nothing(details=details(USER), number=1))).error == "wamp.error.not_authorized"
    assert surface.callers == []


async def test_what_an_assertion_says_of_scopes_holds_for_a_service_too() -> None:
    class Narrow(Verifier):
        """Proves the wish of somebody who may only read."""

        async def verify(self, assertion: str, *, procedure: str, arguments: dict[str, Any]) -> Person:
            """The person."""
            return Person(9, 0, "key", parse_scopes(["read"]))

    surface = Surface()
    call = wrapped(surface, CHANGE, Narrow())(details=details(SERVICE), number=3, assertion="good")

    assert (await refused(call)).error == "wamp.error.not_authorized"
    await wrapped(surface, READ, Narrow())(details=details(SERVICE), number=3, assertion="good")
    assert len(surface.callers) == 1

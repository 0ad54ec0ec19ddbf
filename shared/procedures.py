"""Procedures: how a method of a service becomes a WAMP procedure, the same way everywhere.

A method marked with `@for_people`, `@for_services` or `@for_devices` gets the caller as the router disclosed it and its
arguments as one typed record; what it returns goes out as plain JSON values. One wrapper stands around every procedure:
public errors leave as they are, anything else becomes an incident id.
"""

import asyncio
import inspect
import re
import secrets
from collections.abc import Callable, Coroutine, Iterator
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

import attrs
import msgspec
import structlog
from attrs import frozen
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallDetails
from prometheus_client import Histogram

from shared import tracing
from shared.errors import InternalError, InvalidArgumentError, NotAuthorizedError, OutcomeUnknownError, PublicError
from shared.identities import (
    DEVICE_ROLE,
    ROUTER_ROLE,
    SERVICE_ROLE_PREFIX,
    USER_ROLE,
    Caller,
    Credential,
    DeviceIdentity,
    Person,
    ServiceIdentity,
    parse_account_authid,
    parse_device_authid,
)
from shared.scopes import NOTHING

MAX_TIME_S: Final = 30.0
ASSERTION: Final = "assertion"
OUT_OF_SCOPE: Final = "the scopes of what you are signed in with do not reach this"
_VALUE: Final = re.compile(r"Invalid enum value .*(?= - at )", re.DOTALL)  # msgspec repeats it, we do not
_PATTERN: Final = re.compile(r"Expected `str` matching regex .*(?= - at )", re.DOTALL)  # for programs, not for people
_ARGUMENT: Final = re.compile(r"(?: - at `\$\.|\AObject missing required field `)([a-z_]+)[^`]*`\Z")
Payload = TypeVar("Payload", bound=attrs.AttrsInstance)
Invocation = Callable[..., Coroutine[Any, Any, Any]]
Progress = Callable[[Any], None]
CredentialLookup = Callable[[int], Coroutine[Any, Any, Credential]]

log = structlog.get_logger()
seconds = Histogram("ironflock_procedure_seconds", "Time of a procedure call", ["procedure", "outcome"])


class Audience(Enum):
    """For whom a procedure is registered, and so on which realms."""

    PEOPLE = "people"
    SERVICES = "services"
    DEVICES = "devices"


@frozen
class Declaration:
    """What a marked method is on the bus."""

    uri: str
    audience: Audience
    payload: type[Any]
    is_stream: bool = False
    is_reading: bool = False
    is_narrowing: bool = False


class AssertionVerifier(Protocol):
    """Tells whose wish an assertion proves; see `shared.assertions`."""

    async def verify(self, assertion: str, *, procedure: str, arguments: dict[str, Any]) -> Person:
        """The person, or a refusal (`NotAuthorizedError`)."""


@frozen
class NoArguments:
    """The payload of a procedure that takes none."""


def for_people(
    uri: str,
    payload: type[Any] = NoArguments,
    *,
    is_stream: bool = False,
    is_reading: bool = False,
    is_narrowing: bool = False,
) -> Callable[[Any], Any]:
    """Mark `async def method(self, person, payload)`: registered for people and for services that act for them.

    A stream's method takes a third argument, `progress`, and sends progressive results through it until it ends.

    Args:
        is_reading: It changes nothing, so that a `read` scope lets it be done.
        is_narrowing: It asks `person.scopes` itself how far it may reach; to any other one a narrowed scope is closed.
    """
    return _mark(
        Declaration(
            uri, Audience.PEOPLE, payload, is_stream=is_stream, is_reading=is_reading, is_narrowing=is_narrowing
        )
    )


def for_services(uri: str, payload: type[Any] = NoArguments) -> Callable[[Any], Any]:
    """Mark `async def method(self, service, payload)`: registered on the system realm alone."""
    return _mark(Declaration(uri, Audience.SERVICES, payload))


def for_devices(uri: str, payload: type[Any] = NoArguments) -> Callable[[Any], Any]:
    """Mark `async def method(self, device, payload)`: the agent's wire, one dict as the only argument.

    The record takes the keys that it knows and leaves the others be: agents of other releases send more.
    """
    return _mark(Declaration(uri, Audience.DEVICES, payload))


def _mark(declaration: Declaration) -> Callable[[Any], Any]:
    def mark(method: Any) -> Any:
        method.declaration = declaration
        return method

    return mark


def declared(surface: object) -> Iterator[tuple[Declaration, Invocation]]:
    """Every marked method of `surface`, in the order of their names."""
    for _, method in inspect.getmembers(surface, inspect.iscoroutinefunction):
        declaration = getattr(method, "declaration", None)
        if isinstance(declaration, Declaration):
            yield declaration, method


def public_errors(
    declaration: Declaration,
    method: Invocation,
    verifier: AssertionVerifier | None = None,
    credential_of: CredentialLookup | None = None,
) -> Invocation:
    """The wrapper around every procedure: identify, decode, call within a time limit, let only public errors out.

    Args:
        verifier: Opens people's procedures to services that act for them.
        credential_of: Tells by which credential a person's session is there; without it, no session may do anything.
    """

    async def invoke(*args: Any, details: CallDetails, **kwargs: Any) -> Any:
        outcome = "cancelled"
        with seconds.time() as timer, tracing.served(declaration.uri, _carried(details)) as doing:
            try:
                caller = await _identify(declaration, details, kwargs, verifier)
                if isinstance(caller, Person):
                    caller = _scoped(declaration, await _known(caller, credential_of))
                payload = _decode(declaration, args, kwargs)
                result = await _run(declaration, method, caller, payload, details)
                outcome = "done"
            except Exception as error:  # noqa: BLE001 - the one place that stands between any fault and a caller
                refusal = _public(declaration, error, details)
                outcome = refusal.code
                doing.refused(outcome)
                raise ApplicationError(refusal.uri, refusal.message, **refusal.details()) from None
            finally:
                timer.labels(declaration.uri, outcome)
        return result

    return invoke


def _carried(details: CallDetails) -> str | None:
    """The trace that the call belongs to, where a service of ours calls, or the router; see `BusSession`."""
    role = details.caller_authrole or ""
    is_ours = role == ROUTER_ROLE or role.startswith(SERVICE_ROLE_PREFIX)
    return details.transaction_hash if is_ours else None


async def _run(
    declaration: Declaration, method: Invocation, caller: Caller, payload: object, details: CallDetails
) -> Any:
    if not declaration.is_stream:
        async with asyncio.timeout(MAX_TIME_S):
            return plain(await method(caller, payload))
    if details.progress is None:
        raise InvalidArgumentError("this procedure answers progressively; call it with receive_progress")
    send = details.progress
    return plain(await method(caller, payload, lambda value: send(plain(value))))


def _public(declaration: Declaration, error: Exception, details: CallDetails) -> PublicError:
    who = {"authid": details.caller_authid, "session": details.caller}
    if isinstance(error, PublicError):
        log.info("procedure_refused", procedure=declaration.uri, code=error.code, **who)
        return error
    if isinstance(error, TimeoutError):
        log.warning("procedure_timed_out", procedure=declaration.uri, **who)
        return OutcomeUnknownError("this took too long and was given up; look before you repeat")
    incident = secrets.token_hex(8)
    log.error("procedure_failed", procedure=declaration.uri, incident=incident, exc_info=error, **who)
    return InternalError("something went wrong here; the incident id finds it in the log", incident=incident)


async def _identify(
    declaration: Declaration, details: CallDetails, kwargs: dict[str, Any], verifier: AssertionVerifier | None
) -> Caller:
    caller = identify(details)
    if declaration.audience is Audience.PEOPLE and isinstance(caller, ServiceIdentity) and verifier is not None:
        assertion = kwargs.pop(ASSERTION, None)
        if isinstance(assertion, str):
            return await verifier.verify(assertion, procedure=declaration.uri, arguments=kwargs)
    if not isinstance(caller, _CALLERS[declaration.audience]):
        raise NotAuthorizedError("this procedure is not for you")
    return caller


async def _known(person: Person, credential_of: CredentialLookup | None) -> Person:
    """The person with what their session on the bus is there by; an assertion has said it already."""
    if not person.session or credential_of is None:
        return person
    found = await credential_of(person.session)
    return attrs.evolve(person, credential=found.name, scopes=found.scopes)


def _scoped(declaration: Declaration, person: Person) -> Person:
    usable = person.scopes.usable(changes=not declaration.is_reading)
    if not usable.parts or not (usable.is_everywhere or declaration.is_narrowing):
        raise NotAuthorizedError(OUT_OF_SCOPE)
    return attrs.evolve(person, scopes=usable)


_CALLERS: Final = {
    Audience.PEOPLE: Person,
    Audience.SERVICES: ServiceIdentity,
    Audience.DEVICES: DeviceIdentity,
}


def identify(details: CallDetails) -> Caller:
    """The caller, from what the router itself disclosed.

    Raises:
        NotAuthorizedError: The router disclosed nothing that we know.
    """
    role, authid, session = details.caller_authrole or "", details.caller_authid or "", details.caller or 0
    device, account = parse_device_authid(authid), parse_account_authid(authid)
    if role == DEVICE_ROLE and device is not None:
        return DeviceIdentity(project_key=device[0], device_key=device[1], session=session)
    if role == USER_ROLE and account is not None:
        return Person(account_key=account, session=session, scopes=NOTHING)
    if role == ROUTER_ROLE:
        return ServiceIdentity(name="router", session=session)
    if role.startswith(SERVICE_ROLE_PREFIX) and role == authid:
        return ServiceIdentity(name=role.removeprefix(SERVICE_ROLE_PREFIX), session=session)
    raise NotAuthorizedError("this procedure is not for you")


def _decode(declaration: Declaration, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    if declaration.audience is not Audience.DEVICES:
        if args:
            raise InvalidArgumentError("this procedure takes arguments by name only")
        return decode(declaration.payload, kwargs)
    if declaration.payload is NoArguments:
        return NoArguments()
    if len(args) != 1 or not isinstance(args[0], dict):
        raise InvalidArgumentError("this procedure takes one dictionary")
    known = {field.name for field in attrs.fields(declaration.payload)}
    return decode(declaration.payload, {key: value for key, value in args[0].items() if key in known})


def decode(record: type[Payload], arguments: dict[str, Any]) -> Payload:
    """`arguments` as a `record` of attrs, strictly: no unknown key, no conversion between types.

    Raises:
        InvalidArgumentError: They do not fit; the text says which and why, without repeating the value.
    """
    known = {field.name for field in attrs.fields(record)}
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise InvalidArgumentError(f"there is no argument {unknown[0][:100]!r}", argument=unknown[0][:100])
    try:
        return msgspec.convert(arguments, record, strict=True)
    except (msgspec.ValidationError, ValueError) as error:
        said = _PATTERN.sub("Malformed value", _VALUE.sub("Invalid value", str(error)))
        named = _ARGUMENT.search(said)
        if named is None:
            raise InvalidArgumentError(said) from error
        raise InvalidArgumentError(said, argument=named[1]) from error


def answered(record: type[Payload], answer: Any) -> Payload:
    """What another service answered, as a `record`; keys that its release has and ours does not are left be.

    Raises:
        msgspec.ValidationError: It does not fit: a fault of ours, never the caller's.
    """
    known = {field.name for field in attrs.fields(record)}
    fitting = {key: value for key, value in answer.items() if key in known} if isinstance(answer, dict) else answer
    return msgspec.convert(fitting, record, strict=True)


def plain(value: Any) -> Any:
    """A record as JSON values: times as RFC 3339, identifiers as text."""
    return msgspec.to_builtins(value)

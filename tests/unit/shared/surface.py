"""A surface with a procedure for each audience, and callers of every kind."""

from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from attrs import frozen
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.request import Registration
from autobahn.wamp.types import CallDetails
from msgspec import Meta

from shared.errors import NotAuthorizedError
from shared.identities import Credential, DeviceIdentity, Person, ServiceIdentity
from shared.procedures import (
    NoArguments,
    Progress,
    declared,
    for_devices,
    for_people,
    for_services,
    public_errors,
)
from shared.scopes import EVERYTHING

EVERYWHERE = Credential("key", EVERYTHING)
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

    @for_people("test.reading", Order, is_reading=True)
    async def reading(self, person: Person, order: Order) -> None:
        """Change nothing."""
        self.callers.append(person)

    @for_people("test.narrowing", Order, is_narrowing=True)
    async def narrowing(self, person: Person, order: Order) -> None:
        """Change something, as far as the scopes reach."""
        self.callers.append(person)

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


async def everywhere(session: int) -> Credential:
    """A session that reaches everything."""
    return EVERYWHERE


def wrapped(surface: object, uri: str, verifier: Verifier | None = None, credential: Credential = EVERYWHERE) -> Any:
    async def credential_of(session: int) -> Credential:
        assert session == 11
        return credential

    found = {declaration.uri: (declaration, method) for declaration, method in declared(surface)}
    return public_errors(*found[uri], verifier, credential_of)


async def refused(call: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as error:
        await call
    assert error.value.args[0] == error.value.kwargs["message"]
    assert error.value.kwargs["code"] == error.value.error.rpartition(".")[2]
    return error.value

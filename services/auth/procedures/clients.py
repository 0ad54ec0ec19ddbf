"""The WAMP surface of clients and consents."""

from services.auth.provider.clients import Clients
from services.auth.provider.consents import Consents
from services.auth.records.provider import (
    ClientList,
    ConsentList,
    NameClient,
    RegisterClient,
    RegisteredClient,
)
from services.auth.step_up import StepUp
from shared.identities import Person
from shared.procedures import NoArguments, for_people


class ClientProcedures:
    """Clients, for whoever has `GRANT` on the installation; consents, for each person."""

    def __init__(self, clients: Clients, consents: Consents, step_up: StepUp) -> None:
        """Serve both; registering and ending a client asks for a `step_up`."""
        self._clients = clients
        self._consents = consents
        self._step_up = step_up

    @for_people("ironflock.auth.client.register", RegisterClient)
    async def client_register(self, person: Person, request: RegisterClient) -> RegisteredClient:
        """A new OpenID client; its secret is shown this once. Needs `GRANT` and a step-up."""
        await self._step_up.require(person)
        return await self._clients.register(person, request)

    @for_people("ironflock.auth.client.list", is_reading=True)
    async def client_list(self, person: Person, request: NoArguments) -> ClientList:  # noqa: ARG002
        """Every client; needs `GRANT` on the installation."""
        return ClientList(await self._clients.list_all(person))

    @for_people("ironflock.auth.client.end", NameClient)
    async def client_end(self, person: Person, request: NameClient) -> None:
        """A client, and every token that it has, open nothing any more. Needs `GRANT` and a step-up."""
        await self._step_up.require(person)
        await self._clients.end(person, request.client_id)

    @for_people("ironflock.auth.consent.list", is_reading=True)
    async def consent_list(self, person: Person, request: NoArguments) -> ConsentList:  # noqa: ARG002
        """What the caller lets clients know and do."""
        return ConsentList(await self._consents.of(person))

    @for_people("ironflock.auth.consent.revoke", NameClient)
    async def consent_revoke(self, person: Person, request: NameClient) -> None:
        """The caller lets a client do nothing any more; every token that it has of them ends."""
        await self._consents.revoke(person, request.client_id)

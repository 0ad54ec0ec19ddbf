"""The WAMP surface of what opens the bus: tickets for the router, assertions for services."""

import secrets
from collections.abc import Callable
from typing import Final

from joserfc.jwk import KeySetSerialization

from services.auth.locks import Locks
from services.auth.procedures.callers import serve_only
from services.auth.provider.access_tokens import AccessTokens
from services.auth.provider.tickets import Tickets
from services.auth.records.tickets import (
    AliveCredential,
    AskCredentials,
    IssueAssertion,
    IssuedAssertion,
    StandingCredential,
    VerifiedTicket,
    VerifyTicket,
)
from services.auth.signing import Signing
from services.auth.store.credentials import credential_list_alive
from shared import assertions
from shared.database import Database
from shared.errors import NotAuthorizedError
from shared.identities import Person, ServiceIdentity
from shared.procedures import NoArguments, for_services
from shared.scopes import scopes_of

NONCE_OCTETS: Final = 16


class TicketProcedures:
    """Who a ticket speaks for."""

    def __init__(
        self,
        database: Database,
        signing: Signing,
        access_tokens: AccessTokens,
        locks: Locks,
        now: Callable[[], float],
    ) -> None:
        """Serve from `database`; `now` gives Unix seconds."""
        self._database = database
        self._locks = locks
        self._tickets = Tickets(database, access_tokens, locks, now)
        self._signing = signing
        self._now = now

    @for_services("ironflock.auth.ticket.verify", VerifyTicket)
    async def ticket_verify(self, service: ServiceIdentity, request: VerifyTicket) -> VerifiedTicket | None:
        """Whose ticket it is, for the router, the front of SQL and tunnels; None where it opens nothing, whatever why.

        Raises:
            UnavailableError: It would open, and locks cannot be looked up now.
        """
        serve_only(service, "router", "fleetdb", "tunnels")
        return await self._tickets.opened_by(request.ticket, request.address)

    @for_services("ironflock.auth.credential.standing", AskCredentials)
    async def credential_standing(self, service: ServiceIdentity, request: AskCredentials) -> list[StandingCredential]:
        """Which of these still open something, for tunnels: what lives from one that does not has to end.

        Raises:
            UnavailableError: Locks cannot be looked up now.
        """
        serve_only(service, "tunnels")
        asked = [(each.account_key, each.credential) for each in request.credentials]
        alive = await self._database.run(lambda connection: credential_list_alive(connection, asked))
        return [each.standing for each in alive if not await self._is_out(each)]

    @for_services("ironflock.auth.assertion.issue", IssueAssertion)
    async def assertion_issue(self, service: ServiceIdentity, request: IssueAssertion) -> IssuedAssertion:
        """A proof that the holder of the ticket wants this one call, for the gateway alone."""
        serve_only(service, "gateway")
        opened = await self._tickets.opened_by(request.ticket, request.address)
        if opened is None:
            raise NotAuthorizedError("the credential does not open anything; sign in again")
        person = Person(opened.account_key, 0, opened.credential, scopes_of(opened.scopes))
        claims = assertions.claims_for(
            person,
            audience=request.audience,
            procedure=request.procedure,
            digest=request.arguments_hash,
            nonce=secrets.token_urlsafe(NONCE_OCTETS),
            now=self._now(),
        )
        return IssuedAssertion(assertions.sign(claims, await self._signing.key()))

    @for_services("ironflock.auth.assertion.keys")
    async def assertion_keys(self, service: ServiceIdentity, request: NoArguments) -> KeySetSerialization:  # noqa: ARG002
        """The public keys that verify assertions, as a JWK set."""
        return await self._signing.public_keys()

    async def _is_out(self, alive: AliveCredential) -> bool:
        standing = alive.standing
        if await self._locks.is_key_out(standing.credential):
            return True
        return await self._locks.is_out(standing.account_key, alive.owner_key)

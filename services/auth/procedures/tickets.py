"""The WAMP surface of what opens the bus: tickets for the router, assertions for services."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from joserfc.jwk import KeySetSerialization

from services.auth.procedures.callers import serve_only
from services.auth.records.api_keys import ApiKey
from services.auth.records.tickets import IssueAssertion, IssuedAssertion, VerifiedTicket, VerifyTicket
from services.auth.rules.api_keys import opens
from services.auth.signing import Signing
from services.auth.store.api_keys import api_key_find, api_key_touch
from shared import api_keys, assertions
from shared.database import Database
from shared.errors import NotAuthorizedError
from shared.identities import Person, ServiceIdentity
from shared.names import clean_token
from shared.procedures import NoArguments, for_services
from shared.scopes import scopes_of

NONCE_OCTETS: Final = 16


class TicketProcedures:
    """Who a ticket speaks for."""

    def __init__(self, database: Database, signing: Signing, now: Callable[[], float]) -> None:
        """Serve from `database`; `now` gives Unix seconds."""
        self._database = database
        self._signing = signing
        self._now = now

    @for_services("ironflock.auth.ticket.verify", VerifyTicket)
    async def ticket_verify(self, service: ServiceIdentity, request: VerifyTicket) -> VerifiedTicket | None:
        """Whose ticket it is, for the router alone; None where it opens nothing, whatever the reason."""
        serve_only(service, "router")
        key = await self._opening_key(request.ticket, request.address)
        if key is None:
            return None
        return VerifiedTicket(key.account_key, key.key_id, key.scopes, key.ends_at.timestamp())

    @for_services("ironflock.auth.assertion.issue", IssueAssertion)
    async def assertion_issue(self, service: ServiceIdentity, request: IssueAssertion) -> IssuedAssertion:
        """A proof that the holder of the ticket wants this one call, for the gateway alone."""
        serve_only(service, "gateway")
        key = await self._opening_key(request.ticket, request.address)
        if key is None:
            raise NotAuthorizedError("the credential does not open anything; sign in again")
        person = Person(key.account_key, 0, key.key_id, scopes_of(key.scopes))
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

    async def _opening_key(self, ticket: str, address: str) -> ApiKey | None:
        ticket = ticket.strip()
        if not api_keys.is_well_formed(ticket):
            return None
        key_id, now = api_keys.key_id(ticket), datetime.fromtimestamp(self._now(), UTC)
        key = await self._database.run(lambda connection: api_key_find(connection, key_id))
        if key is None or not opens(key, presented=api_keys.key_hash(ticket), now=now):
            return None
        await self._database.run(lambda connection: api_key_touch(connection, key_id, clean_token(address)[:64]))
        return key

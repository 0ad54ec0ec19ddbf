"""What people and programs show to be let in: API keys and access tokens, and whether they open anything now."""

from collections.abc import Callable
from datetime import UTC, datetime

from services.auth.locks import Locks
from services.auth.provider.access_tokens import AccessTokens
from services.auth.records.tickets import VerifiedTicket
from services.auth.rules.api_keys import opens
from services.auth.store.api_keys import api_key_find, api_key_touch
from shared import api_keys
from shared.database import Database
from shared.names import clean_token


class Tickets:
    """Looks them up."""

    def __init__(self, database: Database, access_tokens: AccessTokens, locks: Locks, now: Callable[[], float]) -> None:
        """Look into `database`; `now` gives Unix seconds."""
        self._database = database
        self._access_tokens = access_tokens
        self._locks = locks
        self._now = now

    async def opened_by(self, ticket: str, address: str) -> VerifiedTicket | None:
        """What the ticket, shown from `address`, opens; None where that is nothing.

        Raises:
            UnavailableError: It would open, and locks cannot be looked up now.
        """
        ticket = ticket.strip()
        if ticket.startswith(api_keys.PREFIX):
            return await self._opening_by_key(ticket, address)
        token = await self._access_tokens.verify(ticket)
        if token is None or not token.reach.parts:
            return None
        return VerifiedTicket(token.account_key, token.credential, token.reach.texts, token.ends_at)

    async def _opening_by_key(self, ticket: str, address: str) -> VerifiedTicket | None:
        if not api_keys.is_well_formed(ticket):
            return None
        key_id, now = api_keys.key_id(ticket), datetime.fromtimestamp(self._now(), UTC)
        key = await self._database.run(lambda connection: api_key_find(connection, key_id))
        if key is None or not opens(key, presented=api_keys.key_hash(ticket), now=now):
            return None
        if await self._locks.is_key_out(key_id) or await self._locks.is_out(key.account_key, key.owner_key):
            return None
        await self._database.run(lambda connection: api_key_touch(connection, key_id, clean_token(address)[:64]))
        return VerifiedTicket(key.account_key, key.key_id, key.scopes, key.ends_at.timestamp())

"""Browsers that are signed in to one tunnel each, by a cookie of which only the SHA-256 is kept."""

from datetime import UTC, datetime
from typing import Final

from services.tunnels.admitting import Admissions, Wanted
from services.tunnels.credentials import Credentials
from services.tunnels.records.visits import Admitted, Browser, Visitor
from services.tunnels.store import browsers as store
from shared.database import Database
from shared.errors import SignInRefusedError
from shared.identities import Person
from shared.scopes import scopes_of

SIGN_IN_AGAIN: Final = "what you were signed in with has ended; sign in again"


class Browsers:
    """All of them."""

    def __init__(self, database: Database, admissions: Admissions, credentials: Credentials) -> None:
        """Kept in `database`."""
        self._database = database
        self._admissions = admissions
        self._credentials = credentials

    async def admit(self, digest: bytes, label: str, address: str, wanted: Wanted) -> Admitted:
        """Whose browser it is, let in at the tunnel.

        Raises:
            SignInRefusedError: Nobody's, or their sign-in has ended.
            NotFoundError, NotAuthorizedError, UnavailableError: As `Admissions.admit`.
        """
        found = await self._database.run(lambda connection: store.browser_find(connection, digest, label))
        if found is None:
            raise SignInRefusedError(SIGN_IN_AGAIN)
        whose = found.account_key, found.credential
        standing = await self._credentials.standing([whose])
        if whose not in standing:
            raise SignInRefusedError(SIGN_IN_AGAIN)
        person = Person(found.account_key, 0, found.credential, scopes_of(found.scopes))
        tunnel = await self._admissions.reached(person, wanted)
        return Admitted(tunnel, Visitor(person, address, min(found.ends_at.timestamp(), standing[whose])))

    async def remember(self, digest: bytes, label: str, admitted: Admitted, life_s: float, now: float) -> float | None:
        """Remember the cookie of whoever was let in; returns its end (Unix seconds), None where their sign-in is over.

        Raises:
            UnavailableError: Nobody can say now.
        """
        person = admitted.visitor.person
        if person is None or person.credential is None:
            return None
        whose = person.account_key, person.credential
        standing = await self._credentials.standing([whose])
        if whose not in standing:
            return None
        ends_at = min(now + life_s, standing[whose])
        browser = Browser(
            person.account_key, person.credential, person.scopes.texts, datetime.fromtimestamp(ends_at, UTC)
        )
        await self._database.run(lambda connection: store.browser_insert(connection, digest, label, browser))
        return ends_at

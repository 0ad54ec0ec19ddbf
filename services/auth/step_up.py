"""Before something that matters: a factor that was shown within the last five minutes (RFC 9470).

An API key never steps up, nor does an application that is not the installation's own: however far its scopes reach,
what its person showed was not shown for its sake. The one exception is a person's account by which nobody can sign in,
since it has been given nothing to sign in by yet: the first owner's, before it is set up.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from services.auth.factors import overview_in_txn
from services.auth.records.sessions import Session
from services.auth.rules.step_up import MAX_AGE_S, is_fresh
from services.auth.store.clients import client_find
from services.auth.store.people import person_is_set_up
from services.auth.store.sessions import session_find
from shared.database import Connection, Database
from shared.errors import StepUpRequiredError
from shared.identities import Person

NOT_FRESH: Final = (
    "sign in again (flockctl login): this needs your second factor, or your password where you have none,"
    " shown within the last five minutes"
)
KEYS_CANNOT: Final = (
    "neither an API key nor another's application can do this; sign in (flockctl login) and do it within five minutes"
)


class StepUp:
    """Asks for it."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        """Read `database`; `now` gives Unix seconds."""
        self._database = database
        self._now = now

    async def require(self, person: Person) -> None:
        """Let pass whoever has shown lately who they are.

        Raises:
            StepUpRequiredError: They have not, or came by an API key or by another's application.
        """
        async with self._database.transaction() as connection:
            session = await session_find(connection, person.credential or "")
            is_set_up = await person_is_set_up(connection, person.account_key)
            overview = await overview_in_txn(connection, person.account_key)
            is_own = session is not None and await _is_own(connection, session)
        if session is None or session.account_key != person.account_key:
            if not is_set_up:
                return
            raise StepUpRequiredError(KEYS_CANNOT, max_age_s=MAX_AGE_S)
        if not is_own:
            raise StepUpRequiredError(KEYS_CANNOT, max_age_s=MAX_AGE_S)
        self._require(session, has_factor=overview.has_any)

    async def is_fresh(self, session: Session) -> bool:
        """Whether the person of `session` has shown lately who they are."""
        async with self._database.transaction() as connection:
            overview = await overview_in_txn(connection, session.account_key)
        return is_fresh(session, has_factor=overview.has_any, now=self._at())

    def _require(self, session: Session, *, has_factor: bool) -> None:
        if not is_fresh(session, has_factor=has_factor, now=self._at()):
            raise StepUpRequiredError(NOT_FRESH, max_age_s=MAX_AGE_S)

    def _at(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


async def _is_own(connection: Connection, session: Session) -> bool:
    """Whether the session is a browser's, or of an application of the installation itself."""
    if session.kind == "browser":
        return True
    client = await client_find(connection, session.client_id or "")
    return client is not None and client.is_first_party

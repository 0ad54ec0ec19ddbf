"""Whoever is out at another provider is out here: sign-ins are confirmed there while sessions live from them.

Each is asked for every ten minutes with its refresh token; one that is refused ends, with every session that came by
it and all that lives from those. One that could not be confirmed for `session_hours`, or that brought no refresh token,
ends as well. A sign-in is set aside before it is asked for: a process that dies meanwhile asks nobody twice.
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from services.auth.keyring import Keyring
from services.auth.links import AUTH
from services.auth.records.upstream import DueCheck
from services.auth.rules.upstream import ENDED, IDENTITY_TYPES, UntrustedError, pause_of_checks, require_identity
from services.auth.sessions import Sessions
from services.auth.store.upstream import (
    session_list_of_upstream,
    upstream_session_confirm,
    upstream_session_delete,
    upstream_session_list_lapsed,
    upstream_session_take,
    upstream_sweep,
)
from services.auth.upstream.asking import Asking, DeclinedError, UnreachableError
from services.auth.upstream.coming import CHECK_PAUSE_S, HOUR_S, place_of
from services.auth.upstream.requests import kept_token
from shared.database import Connection, Database

MAX_AT_ONCE: Final = 50
OUT_THERE: Final = "the provider that they came by does not know them any more"
UNCONFIRMED: Final = "the provider that they came by has not confirmed it for too long"

log = structlog.get_logger()


class Checks:
    """Confirms sign-ins."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        sessions: Sessions,
        askings: Mapping[str, Asking],
        chance: Callable[[], float],
    ) -> None:
        """Look into `database`, ask `askings`; `chance` gives numbers of [0, 1)."""
        self._database = database
        self._keyring = keyring
        self._sessions = sessions
        self._askings = askings
        self._chance = chance

    async def keep_up(self) -> None:
        """End what counts no longer, confirm what is due."""
        async with self._database.transaction() as connection:
            for upstream_id in await upstream_session_list_lapsed(connection):
                await end_in_txn(connection, self._sessions, upstream_id, UNCONFIRMED)
            await upstream_sweep(connection)
        for _ in range(MAX_AT_ONCE):
            pause_s = pause_of_checks(self._chance(), pause_s=CHECK_PAUSE_S)
            async with self._database.transaction() as connection:
                due = await upstream_session_take(connection, pause_s)
            if due is None:
                return
            await self._check(due)

    async def _check(self, due: DueCheck) -> None:
        asking = self._askings.get(due.provider)
        if asking is None:  # no longer configured: it lapses
            return
        try:
            token = await self._confirmed(asking, due)
        except DeclinedError as error:
            log.info("upstream_declined", provider=due.provider, error=error.error)
            if error.error in ENDED:
                async with self._database.transaction() as connection:
                    await end_in_txn(connection, self._sessions, due.upstream_id, OUT_THERE)
        except (UnreachableError, UntrustedError) as error:
            log.warning("upstream_not_confirmed", provider=due.provider, reason=str(error))
        else:
            sealed = await self._keyring.seal(token, place_of(due.upstream_id))
            life_s = asking.provider.session_hours * HOUR_S
            async with self._database.transaction() as connection:
                await upstream_session_confirm(connection, due.upstream_id, sealed, life_s)

    async def _confirmed(self, asking: Asking, due: DueCheck) -> str:
        """The refresh token for the next time.

        Raises:
            DeclinedError, UnreachableError, UntrustedError: The provider does not confirm it.
        """
        token = await self._keyring.open(due.sealed, place_of(due.upstream_id))
        given = await asking.refresh(token)
        id_token = given.get("id_token")
        if isinstance(id_token, str):
            _, claims = await asking.verified(id_token, IDENTITY_TYPES)
            if require_identity(claims, asking.provider, nonce=None, now=asking.now()) != due.subject:
                raise UntrustedError("the refresh token is another subject's")
        return kept_token(given.get("refresh_token")) or token


async def end_in_txn(connection: Connection, sessions: Sessions, upstream_id: str, because: str) -> int:
    """End every session that came by the sign-in, and what was half done by it; how many sessions there were."""
    found = await session_list_of_upstream(connection, upstream_id)
    for session_id, account_key in found:
        await sessions.end_in_txn(connection, account_key, session_id, AUTH, because)
    await upstream_session_delete(connection, upstream_id)
    return len(found)

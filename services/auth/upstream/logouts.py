"""A provider tells that somebody has signed out there and so is out here (OpenID Connect Back-Channel Logout 1.0)."""

from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Final

import structlog

from services.auth.provider.requests import Answered, Call, answered
from services.auth.rules.upstream import LOGOUT_TYPES, MAX_AGE_S, MAX_SKEW_S, UntrustedError, require_logout
from services.auth.sessions import Sessions
from services.auth.store.upstream import upstream_logout_spend, upstream_session_list
from services.auth.upstream.asking import Asking, UnreachableError
from services.auth.upstream.checks import end_in_txn
from shared.database import Database
from shared.errors import InvalidArgumentError, NotFoundError, UnavailableError

SIGNED_OUT: Final = "signed out at the provider that they came by"
REFUSED: Final = "this logout token does not count"

log = structlog.get_logger()


class Logouts:
    """Takes logout tokens."""

    def __init__(self, database: Database, sessions: Sessions, askings: Mapping[str, Asking]) -> None:
        """End sessions in `database`."""
        self._database = database
        self._sessions = sessions
        self._askings = askings

    async def take(self, call: Call) -> Answered:
        """End what the token of a provider tells of; each token counts once.

        Raises:
            NotFoundError, InvalidArgumentError: No such provider; the token does not count.
            UnavailableError: The provider's keys cannot be had now.
        """
        asking = self._askings.get(call.path.split("/")[2])
        if asking is None:
            raise NotFoundError("there is no such provider here")
        if len(call.fields.get("logout_token", ())) != 1:
            raise InvalidArgumentError("logout_token is missing, or there more than once")
        try:
            _, claims = await asking.verified(call.one("logout_token"), LOGOUT_TYPES)
            told = require_logout(claims, asking.provider, now=asking.now())
        except UntrustedError as error:
            log.warning("upstream_logout_refused", provider=asking.provider.name, reason=str(error))
            raise InvalidArgumentError(REFUSED) from error
        except UnreachableError as error:
            raise UnavailableError("the provider's keys cannot be had now") from error
        name, jti = asking.provider.name, sha256(told.jti.encode("utf-8", "surrogatepass")).digest()
        async with self._database.transaction() as connection:
            if not await upstream_logout_spend(connection, name, jti, MAX_AGE_S + 2 * MAX_SKEW_S):
                raise InvalidArgumentError(REFUSED)
            for upstream_id in await upstream_session_list(connection, name, told.subject, told.sid):
                await end_in_txn(connection, self._sessions, upstream_id, SIGNED_OUT)
        return answered(HTTPStatus.OK, {}, [("Cache-Control", "no-store")])

"""What a client may know of who has signed in (OpenID Connect Core, section 5.3); errors as RFC 6750 has them."""

from typing import Final

from services.auth.provider.access_tokens import AccessTokens
from services.auth.provider.requests import Answered, Call, answered
from services.auth.rules.openid import claims_about
from services.auth.store.grants import subject_find
from shared.database import Database

JSON: Final = ("Content-Type", "application/json")


class UserInfo:
    """The endpoint."""

    def __init__(self, database: Database, access_tokens: AccessTokens) -> None:
        """People are in `database`."""
        self._database = database
        self._access_tokens = access_tokens

    async def show(self, call: Call) -> Answered:
        """The claims of the token's person."""
        scheme, _, text = call.authorization.partition(" ")
        if scheme.lower() != "bearer":
            return answered(401, {}, [JSON, ("WWW-Authenticate", "Bearer")])
        token = await self._access_tokens.verify(text.strip())
        if token is None:
            return _refused(401, "invalid_token")
        if "openid" not in token.scopes:
            return _refused(403, "insufficient_scope")
        session_id = token.session_id or ""
        subject = await self._database.run(lambda connection: subject_find(connection, session_id))
        if subject is None:
            return _refused(401, "invalid_token")
        return answered(200, claims_about(subject, list(token.scopes)), [JSON])


def _refused(status: int, error: str) -> Answered:
    return answered(status, {"error": error}, [JSON, ("WWW-Authenticate", f'Bearer error="{error}"')])

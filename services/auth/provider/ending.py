"""The end of a session: asked for by a client (RP-Initiated Logout 1.0), told to clients (Back-Channel Logout 1.0)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from attrs import frozen

from services.auth.provider.access_tokens import AccessTokens
from services.auth.provider.clients import known
from services.auth.provider.engine import Engine
from services.auth.provider.facts import Facts
from services.auth.provider.requests import Call, Request, refuse_repeated
from services.auth.provider.tokens import IDENTITY, logout_token, read
from services.auth.rules.letters import pause_after
from services.auth.store.clients import client_find
from services.auth.store.signing_keys import notice_delete, notice_postpone, notice_take
from shared.database import Database
from shared.posting import PostingError, post

MAX_ATTEMPTS: Final = 12

log = structlog.get_logger()


@frozen
class LogoutWish:
    """What a client asks for: the session that it names by an ID token of ours, and where to go afterwards."""

    account_key: int | None
    session_id: str | None
    redirect_uri: str | None


class Endings:
    """Ends of sessions, as clients ask for them and hear of them."""

    def __init__(
        self,
        database: Database,
        access_tokens: AccessTokens,
        now: Callable[[], float],
        chance: Callable[[], float],
        *,
        ca: str | None,
    ) -> None:
        """Notices lie in `database`; `ca` is a PEM file of authorities for clients, None for the system's."""
        self._database = database
        self._access_tokens = access_tokens
        self._now = now
        self._chance = chance
        self._ca = ca

    async def look(self, call: Call) -> LogoutWish:
        """The client's wish; nothing of it counts that is not proved by an ID token of ours.

        Raises:
            OAuth2Error: It is malformed, or contradicts itself.
        """
        refuse_repeated(call)
        tokens = self._access_tokens
        signer = await tokens.signer()
        claims: dict[str, Any] = read(signer, call.one("id_token_hint"), IDENTITY) or {}
        audience = claims.get("aud")
        client_id = call.one("client_id") or (audience if isinstance(audience, str) else "")
        client = await self._database.run(lambda connection: client_find(connection, client_id))
        facts = Facts(tokens.issuer, tokens.audience, signer, self._now())
        facts.client = None if client is None else known(client)
        wish = Engine(facts).validate_endpoint_request("end_session", Request(call))
        # Authlib looks at the signature, not at the type: other tokens of ours would prove as much to it.
        if not wish.id_token_claims or claims.get("iss") != tokens.issuer:
            return LogoutWish(None, None, None)
        return LogoutWish(int(claims["sub"]), claims.get("sid"), wish.redirect_uri)

    async def tell_due(self) -> int:
        """Tell one client that is due; how many were told or tried."""
        tokens = self._access_tokens
        signer = await tokens.signer()
        async with self._database.transaction() as connection:
            notice = await notice_take(connection)
            if notice is None:
                return 0
            token = logout_token(signer, tokens.issuer, notice, self._now())
            if await self._tell(notice.uri, token) or notice.attempts + 1 >= MAX_ATTEMPTS:
                await notice_delete(connection, notice.session_id, notice.client_id)
            else:
                pause = pause_after(notice.attempts, self._chance())
                await notice_postpone(connection, notice.session_id, notice.client_id, pause)
        return 1

    async def _tell(self, uri: str, token: str) -> bool:
        body = urlencode({"logout_token": token}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            reply = await post(uri, body, headers, self._ca)
        except PostingError as error:
            log.warning("logout_not_told", reason=str(error))
            return False
        is_told = reply.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT)
        if not is_told:
            log.warning("logout_not_taken", status=reply.status)
        return is_told

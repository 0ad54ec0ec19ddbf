"""The authorization endpoint: a client's wish, looked at by Authlib; and the code that answers it.

Between the two lie the sign-in and the consent, which are pages; what a person has done there for this very request
comes back in a sealed mark (`so_far`), so that nobody is asked twice, and nobody skips what was asked for.
"""

import base64
import binascii
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from attrs import asdict, frozen
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error

from services.auth.keyring import Keyring
from services.auth.provider.access_tokens import AccessTokens
from services.auth.provider.clients import known
from services.auth.provider.engine import Engine
from services.auth.provider.facts import Facts, hash_of
from services.auth.provider.ids import new_token
from services.auth.provider.requests import Call, Request
from services.auth.records.provider import Client, Code
from services.auth.records.sessions import Session
from services.auth.rules.openid import PROMPTS
from services.auth.store.clients import client_find
from services.auth.store.grants import code_insert
from shared.database import Database
from shared.secrets import SecretsError

MARK: Final = "so_far"
MARK_CONTEXT: Final = "auth/authorization_request"
MARK_LIFE_S: Final = 600
MAX_AGE_DIGITS: Final = 9


@frozen
class Wish:
    """A request that may be answered: of which client, for what, where to, and what it asks of the sign-in."""

    client: Client
    scopes: list[str]
    redirect_uri: str
    state: str | None
    nonce: str | None
    code_challenge: str
    prompts: frozenset[str]
    max_age_s: int | None


@frozen
class Mark:
    """What was done for this request, in which browser and by whom: it spares nothing in another one, to nobody else.

    `sent_from` is the browser that was sent to sign in, `session_id` and `shown_at` who was signed in there by then
    ("" is nobody) and when they had shown it; `consented_in` is the session whose person has consented. No clock is
    compared with another: whoever has shown again who they are has another session, or another moment in it.
    """

    sent_from: str = ""
    session_id: str = ""
    shown_at: float = 0.0
    consented_in: str = ""

    def has_shown(self, browser: str, session: Session | None) -> bool:
        """Whether the person of `session` has shown who they are since this browser was sent to do so."""
        if session is None or not self.sent_from or self.sent_from != browser:
            return False
        return (session.session_id, session.authenticated_at.timestamp()) != (self.session_id, self.shown_at)

    def has_consented(self, session: Session | None) -> bool:
        """Whether the person of `session` has consented in it."""
        return session is not None and self.consented_in == session.session_id


def sent(browser: str, session: Session | None) -> Mark:
    """The mark of a request whose browser is sent to sign in, or to show again who is there."""
    if session is None:
        return Mark(browser)
    return Mark(browser, session.session_id, session.authenticated_at.timestamp())


class RefusedWishError(Exception):
    """A request that gets no code: the browser goes to `location`, or sees `reason` where there is none."""

    def __init__(self, location: str, reason: str) -> None:
        """Say so."""
        super().__init__(reason)
        self.location = location
        self.reason = reason


class Authorizations:
    """Requests at the authorization endpoint."""

    def __init__(
        self, database: Database, keyring: Keyring, access_tokens: AccessTokens, now: Callable[[], float]
    ) -> None:
        """Codes lie in `database`, marks are sealed with `keyring`; `now` gives Unix seconds."""
        self._database = database
        self._keyring = keyring
        self._access_tokens = access_tokens
        self._now = now

    async def look(self, call: Call) -> Wish:
        """The client's wish.

        Raises:
            RefusedWishError: It cannot be granted.
        """
        if not all(_is_plain(call.one(name)) for name in ("redirect_uri", "response_type")):
            raise RefusedWishError("", "A parameter has characters that none may have.")  # Authlib would repeat them
        client_id = call.one("client_id")
        named = client_id if client_id and "\0" not in client_id else ""
        client = await self._database.run(lambda connection: client_find(connection, named))
        tokens = self._access_tokens
        facts = Facts(tokens.issuer, tokens.audience, await tokens.signer(), self._now())
        facts.client = None if client is None else known(client)
        try:
            grant = Engine(facts).get_consent_grant(Request(call))
            if client is None:
                raise InvalidRequestError("The client does not exist on this server.")
            return self._wish(call, client, str(grant.redirect_uri))
        except OAuth2Error as error:
            raise self._refusal(error) from error

    async def answer(self, wish: Wish, session: Session) -> str:
        """Where the browser goes with a new code, which opens for a minute, once."""
        code = new_token()
        async with self._database.transaction() as connection:
            await code_insert(
                connection,
                hash_of(code),
                Code(
                    client_id=wish.client.client_id,
                    account_key=session.account_key,
                    session_id=session.session_id,
                    redirect_uri=wish.redirect_uri,
                    scopes=wish.scopes,
                    nonce=wish.nonce,
                    code_challenge=wish.code_challenge,
                    is_alive=True,
                    is_used=False,
                    family_id=None,
                ),
            )
        return self._location(wish, {"code": code})

    def refuse(self, wish: Wish, error: str) -> str:
        """Where the browser goes with a refusal (OpenID Connect Core, section 3.1.2.6)."""
        return self._location(wish, {"error": error})

    async def mark(self, call: Call, mark: Mark) -> str:
        """The request's path with what was done for it."""
        said = {"for": _digest(call), "at": self._now(), "mark": asdict(mark)}
        sealed = await self._keyring.seal(json.dumps(said), MARK_CONTEXT)
        text = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        pairs = [(name, value) for name, values in call.fields.items() if name != MARK for value in values]
        return f"{call.path}?{urlencode([*pairs, (MARK, text)])}"

    async def so_far(self, call: Call) -> Mark:
        """What was done for this request; nothing, where its mark is another request's, too old, or none of ours."""
        try:
            sealed = base64.urlsafe_b64decode(call.one(MARK).encode("ascii") + b"==")
            said = json.loads(await self._keyring.open(sealed, MARK_CONTEXT)) if sealed else {}
        except (SecretsError, ValueError, binascii.Error):
            return Mark()
        if said.get("for") != _digest(call) or not 0 <= self._now() - said.get("at", 0) < MARK_LIFE_S:
            return Mark()
        return Mark(**said["mark"])

    def _wish(self, call: Call, client: Client, redirect_uri: str) -> Wish:
        def refuse(why: str) -> OAuth2Error:
            return InvalidRequestError(why, redirect_uri=redirect_uri, state=call.one("state") or None)

        if any(len(values) > 1 for values in call.fields.values()):
            raise refuse("A parameter is there more than once.")
        if any("\0" in value for values in call.fields.values() for value in values):
            raise refuse("A parameter has characters that none may have.")
        if call.one("request") or call.one("request_uri"):
            raise refuse("Request objects are not supported.")
        if call.one("response_mode") not in ("", "query"):
            raise refuse("response_mode is query.")
        prompts, max_age = frozenset(call.one("prompt").split()), call.one("max_age")
        if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
            raise refuse("prompt is none, or some of login, consent and select_account.")
        if max_age and not (max_age.isascii() and max_age.isdigit() and len(max_age) <= MAX_AGE_DIGITS):
            raise refuse("max_age is a number of seconds.")
        return Wish(
            client=client,
            scopes=list(dict.fromkeys(call.one("scope").split())),
            redirect_uri=redirect_uri,
            state=call.one("state") or None,
            nonce=call.one("nonce") or None,
            code_challenge=call.one("code_challenge"),
            prompts=prompts,
            max_age_s=int(max_age) if max_age else None,
        )

    def _refusal(self, error: OAuth2Error) -> RefusedWishError:
        reason = str(error.description or error.error)
        if not error.redirect_uri:
            return RefusedWishError("", reason)
        said: dict[str, Any] = {**dict(error.get_body()), "iss": self._access_tokens.issuer}
        return RefusedWishError(add_params_to_uri(error.redirect_uri, list(said.items())), reason)

    def _location(self, wish: Wish, said: dict[str, str]) -> str:
        """The client's redirect URI with an answer, which says whose it is (RFC 9207)."""
        state = {} if wish.state is None else {"state": wish.state}
        parameters = {**said, **state, "iss": self._access_tokens.issuer}
        return str(add_params_to_uri(wish.redirect_uri, list(parameters.items())))


def _is_plain(text: str) -> bool:
    """Whether a description of an error may have `text` in it (RFC 6749 section 4.1.2.1)."""
    return text.isascii() and text.isprintable() and not set(text) & set('"\\')


def _digest(call: Call) -> str:
    """Of everything that the client asked for."""
    pairs = sorted((name, values) for name, values in call.fields.items() if name != MARK)
    return sha256(json.dumps(pairs).encode()).hexdigest()

"""Sending people to another provider and taking them back: once, in the same browser, from the provider itself."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import structlog
from attrs import field, frozen
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from services.auth.records.upstream import Identity, Metadata, Purpose, UpstreamProvider, UpstreamRequest
from services.auth.rules.upstream import (
    IDENTITY_TYPES,
    Because,
    UntrustedError,
    address_of,
    authenticated_at,
    has_two_factors,
    plain,
    require_access_token,
    require_answered,
    require_identity,
    session_of,
)
from services.auth.sessions import TOKEN_OCTETS, token_hash
from services.auth.store.upstream import upstream_request_insert, upstream_request_take
from services.auth.upstream.asking import Asking, DeclinedError, UnreachableError
from shared.database import Database
from shared.errors import InvalidArgumentError, NotFoundError, SignInRefusedError
from shared.names import clean_name

NO_PROVIDER: Final = "there is no such provider here"
MAX_CODE_LENGTH: Final = 4_096
MAX_TOKEN_LENGTH: Final = 8_192

log = structlog.get_logger()


@frozen
class Answer:
    """With what a browser comes back."""

    state: str = field(repr=False)
    code: str = field(repr=False)
    iss: str
    error: str


class Requests:
    """Requests that are on their way."""

    def __init__(self, database: Database, askings: Mapping[str, Asking], *, origin: str) -> None:
        """Keep them in `database`; browsers come back to `origin`."""
        self._database = database
        self._askings = askings
        self._origin = origin

    async def begin(
        self, name: str, purpose: Purpose, *, browser: str, return_to: str, session_id: str | None = None
    ) -> str:
        """Where the browser is sent, whose token is `browser`.

        Raises:
            NotFoundError: There is no such provider.
            SignInRefusedError: It cannot be reached, or not be trusted.
        """
        asking = self._asking(name)
        try:
            metadata = await asking.metadata()
        except (UnreachableError, UntrustedError) as error:
            raise _refused(name, error) from error
        state, nonce, code_verifier = (secrets.token_urlsafe(TOKEN_OCTETS) for _ in range(3))
        async with self._database.transaction() as connection:
            await upstream_request_insert(
                connection,
                token_hash(state),
                token_hash(browser),
                provider=name,
                purpose=purpose,
                nonce=nonce,
                code_verifier=code_verifier,
                return_to=return_to,
                session_id=session_id,
            )
        again = {"prompt": "login", "max_age": "0"} if purpose == "step_up" else {}
        uri: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            asking.provider.client_id,
            "code",
            redirect_uri=self._back_at(name),
            scope=" ".join(asking.provider.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(code_verifier),
            code_challenge_method="S256",
            **again,
        )
        return uri

    async def answered(self, name: str, answer: Answer, *, browser: str) -> tuple[UpstreamRequest, Identity]:
        """Who came back, and from which request; that is spent, whatever comes of it.

        Raises:
            NotFoundError: There is no such provider.
            SignInRefusedError: Nobody set out like this, or the provider does not say who they are.
        """
        asking = self._asking(name)
        async with self._database.transaction() as connection:
            request = await upstream_request_take(connection, token_hash(answer.state), token_hash(browser), name)
        if request is None:
            raise refusal("expired")
        try:
            metadata = await asking.metadata()
            require_answered(metadata, answer.iss)
            given = await asking.exchange(
                _code_of(answer), code_verifier=request.code_verifier, redirect_uri=self._back_at(name)
            )
            return request, await self._identity(asking, metadata, given, request.nonce)
        except (UnreachableError, UntrustedError, DeclinedError) as error:
            raise _refused(name, error) from error

    async def _identity(self, asking: Asking, metadata: Metadata, given: dict[str, Any], nonce: str) -> Identity:
        id_token, access_token = plain(given.get("id_token")), plain(given.get("access_token"))
        if not id_token or not access_token:
            raise UntrustedError("it gives no ID token, or no access token")
        header, claims = await asking.verified(id_token, IDENTITY_TYPES)
        subject = require_identity(claims, asking.provider, nonce=nonce, now=asking.now())
        require_access_token(claims, header.algorithm, access_token)
        if metadata.userinfo_endpoint is not None and "email" not in claims:
            said = await asking.user_info(metadata.userinfo_endpoint, access_token)
            if said.get("sub") != subject:
                raise UntrustedError("what it says of the person is another one's")
            claims = {**{key: said[key] for key in ("email", "email_verified", "name") if key in said}, **claims}
        return _identity_of(asking.provider, subject, claims, given.get("refresh_token"))

    def _asking(self, name: str) -> Asking:
        found = self._askings.get(name)
        if found is None:
            raise NotFoundError(NO_PROVIDER)
        return found

    def _back_at(self, name: str) -> str:
        return f"{self._origin}/upstream/{name}/callback"


def _code_of(answer: Answer) -> str:
    """The code that the browser brought.

    Raises:
        DeclinedError: It brought an error, or nothing.
    """
    if answer.error or not 0 < len(answer.code) <= MAX_CODE_LENGTH:
        raise DeclinedError(answer.error[:64] or "no code")
    return answer.code


def refusal(because: Because) -> SignInRefusedError:
    """What somebody is told who does not come in by another provider."""
    return SignInRefusedError("the sign-in with the other provider failed", argument="upstream", reason=because)


def _identity_of(provider: UpstreamProvider, subject: str, claims: Mapping[str, Any], refresh_token: Any) -> Identity:
    return Identity(
        provider=provider.name,
        subject=subject,
        sid=session_of(claims),
        address=address_of(claims, provider),
        display_name=name_of(claims.get("name")),
        has_two_factors=has_two_factors(claims, provider),
        authenticated_at=authenticated_at(claims),
        refresh_token=kept_token(refresh_token),
    )


def kept_token(said: Any) -> str | None:
    """A refresh token that can be kept; None where it is none."""
    token = plain(said)
    return token if token and len(token) <= MAX_TOKEN_LENGTH else None


def name_of(said: Any) -> str:
    """How the provider says that the person is called; empty where that is no name here."""
    try:
        return clean_name(said, what="display_name") if isinstance(said, str) else ""
    except InvalidArgumentError:
        return ""


def _refused(name: str, error: Exception) -> SignInRefusedError:
    log.warning("upstream_refused", provider=name, reason=str(error))
    if isinstance(error, UnreachableError):
        return refusal("unavailable")
    return refusal("declined" if isinstance(error, DeclinedError) and error.error == "access_denied" else "failed")

"""Authlib's authorization server over facts: it looks nothing up and writes nothing, so that it decides at once."""

from typing import Any, Final

from attrs import evolve
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant
from typing_extensions import override

from services.auth.provider.endpoints import DeviceAuthorization, EndSession, Introspection, Revocation
from services.auth.provider.facts import Facts, KnownClient, KnownCode, KnownToken
from services.auth.provider.ids import new_family_id, new_session_id, new_token
from services.auth.provider.requests import Answered, Request, answered
from services.auth.provider.tokens import access_token, id_token
from services.auth.records.provider import ACCESS_TOKEN_LIFE_S, AUTH_METHODS, CLIENT_CREDENTIALS, SCOPES, Subject

SLOWER_BY_S: Final = 5
NO_CLIENT: Final = (
    "There is no such client, or its secret is another one, or it sends it in another way than it was registered for."
)


class Engine(AuthorizationServer):
    """Decides about one request."""

    def __init__(self, facts: Facts) -> None:
        """Over `facts`, whose `decisions` it fills."""
        super().__init__(scopes_supported=list(SCOPES))
        self.facts = facts
        self.register_token_generator("default", self._issue)
        self.register_grant(CodeGrant, [Challenge(required=True)])
        self.register_grant(RefreshGrant)
        self.register_grant(DeviceGrant)
        self.register_grant(OwnGrant)
        for endpoint in (Revocation, Introspection, DeviceAuthorization, EndSession):
            self.register_endpoint(endpoint(self))

    @override
    def query_client(self, client_id: str) -> KnownClient | None:
        client = self.facts.client
        return client if client is not None and client.get_client_id() == client_id else None

    @override
    def authenticate_client(self, request: Request, methods: tuple[str, ...], endpoint: str = "token") -> KnownClient:
        try:
            client: KnownClient = super().authenticate_client(request, methods, endpoint)
        except InvalidClientError as error:
            # Libraries that try one way after the other show the last answer alone: it names every cause.
            error.description = NO_CLIENT
            raise
        return client

    @override
    def create_oauth2_request(self, request: Request) -> Request:
        return request

    @override
    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answered:
        return answered(status, body, headers)

    @override
    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    @override
    def save_token(self, token: dict[str, Any], request: Request) -> None:
        """An ID token joins those that OpenID Connect asks for; all of them are written after."""
        scopes = token["scope"].split()
        if "openid" in scopes and self.facts.subject is not None and self.facts.subject.session_id is not None:
            nonce = request.authorization_code.get_nonce() if request.authorization_code else None
            token["id_token"] = id_token(
                self.facts,
                self._subject(),
                scopes,
                request.client.get_client_id(),
                nonce=nonce,
                access=token["access_token"],
            )

    def _issue(
        self,
        *,
        grant_type: str,
        client: KnownClient,
        user: Subject | None,
        scope: str | None,
        expires_in: int | None,  # noqa: ARG002 - Authlib's call
        include_refresh_token: bool,
    ) -> dict[str, Any]:
        """The tokens of an exchange, and the decision to keep them."""
        decisions, scopes = self.facts.decisions, (scope or "").split()
        if grant_type == CLIENT_CREDENTIALS:
            scopes = client.get_allowed_scope(scope or " ".join(client.client.scopes)).split()
        subject = user or self.facts.subject
        if subject is None:
            raise InvalidRequestError("There is nobody for whom a token could be issued.")
        family = self.facts.refresh.family_id if self.facts.refresh else None
        if family is None and subject.session_id is not None:
            family = decisions.new_family = new_family_id()
            if "offline_access" in scopes or self.facts.waiting is not None:
                decisions.new_session = new_session_id()
        decisions.scopes = tuple(scopes)
        token = {
            "token_type": "Bearer",
            "access_token": access_token(self.facts, self._subject(), scopes, client.get_client_id(), family),
            "expires_in": ACCESS_TOKEN_LIFE_S,
            "scope": " ".join(scopes),
        }
        if include_refresh_token and family is not None:
            token["refresh_token"] = decisions.new_refresh = new_token()
        return token

    def _subject(self) -> Subject:
        """The person, in the session that the tokens live from."""
        subject, session = self.facts.subject, self.facts.decisions.new_session
        if subject is None:
            raise InvalidRequestError("There is nobody for whom a token could be issued.")
        return subject if session is None else evolve(subject, session_id=session)


class Challenge(CodeChallenge):
    """PKCE (RFC 7636): asked of every client, with S256 alone (RFC 9700 section 2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    @override
    def validate_code_challenge(self, grant: "CodeGrant", redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Say code_challenge, with code_challenge_method S256.")
        super().validate_code_challenge(grant, redirect_uri)


class CodeGrant(grants.AuthorizationCodeGrant):
    """The authorization code grant."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    @property
    def facts(self) -> Facts:
        """Of this request."""
        facts: Facts = self.server.facts
        return facts

    @override
    def validate_requested_scope(self) -> None:
        """A client may ask for what it was registered for, and asks for something."""
        scope = self.request.payload.scope or ""
        client: KnownClient = self.request.client
        if not scope.split() or set(scope.split()) - set(client.client.scopes):
            raise InvalidScopeError

    @override
    def generate_authorization_code(self) -> str:
        return new_token()

    @override
    def save_authorization_code(self, code: str, request: Request) -> None:
        """Whoever asked for the answer keeps it: see `authorization`."""

    @override
    def query_authorization_code(self, code: str, client: KnownClient) -> KnownCode | None:
        found, subject = self.facts.code, self.facts.subject
        if found is None or found.client_id != client.get_client_id():
            return None
        if found.is_used:
            # Somebody has two copies of it: whatever the first one opened ends (RFC 6749 section 4.1.2).
            self.facts.decisions.replayed = found.family_id
            return None
        return KnownCode(found, subject) if found.is_alive and subject is not None else None

    @override
    def authenticate_user(self, authorization_code: KnownCode) -> Subject:
        return authorization_code.subject

    @override
    def delete_authorization_code(self, authorization_code: KnownCode) -> None:
        self.facts.decisions.spent_code = True


class RefreshGrant(grants.RefreshTokenGrant):
    """Each refresh token is spent once, and followed by another; a spent one that comes again ends its family."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    @override
    def authenticate_refresh_token(self, refresh_token: str) -> KnownToken | None:
        facts: Facts = self.server.facts
        found = facts.refresh
        if found is None or found.client_id != self.request.client.get_client_id():
            return None
        if found.is_spent:
            facts.decisions.replayed = found.family_id
            return None
        if not found.is_alive:
            return None
        return KnownToken(found.client_id, found.account_key, found.family_id, tuple(found.scopes))

    @override
    def authenticate_user(self, refresh_token: KnownToken) -> Subject | None:
        subject: Subject | None = self.server.facts.subject
        return subject

    @override
    def revoke_old_credential(self, refresh_token: KnownToken) -> None:
        self.server.facts.decisions.spent_refresh = True


class DeviceGrant(DeviceCodeGrant):
    """The device authorization grant (RFC 8628)."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    @override
    def query_device_credential(self, device_code: str) -> "KnownDevice | None":
        waiting = self.server.facts.waiting
        return None if waiting is None else KnownDevice(self.server.facts)

    @override
    def query_user_grant(self, user_code: str) -> tuple[Subject | None, bool] | None:
        waiting, subject = self.server.facts.waiting, self.server.facts.subject
        if waiting.decision is None:
            return None
        return subject, waiting.decision == "approved" and subject is not None

    @override
    def should_slow_down(self, credential: "KnownDevice") -> bool:
        facts: Facts = self.server.facts
        is_too_fast = facts.waiting is not None and facts.waiting.is_too_fast
        facts.decisions.slower_by_s = SLOWER_BY_S if is_too_fast else 0
        return is_too_fast

    @override
    def create_token_response(self) -> tuple[int, Any, list[tuple[str, str]]]:
        self.server.facts.decisions.opened_device = True
        answer: tuple[int, Any, list[tuple[str, str]]] = super().create_token_response()
        return answer


class KnownDevice:
    """A device that waits, as Authlib asks it."""

    def __init__(self, facts: Facts) -> None:
        """The one of `facts`."""
        self._facts = facts

    @property
    def _waiting(self) -> Any:
        return self._facts.waiting

    def get_client_id(self) -> str:
        """Of which client it is."""
        return str(self._waiting.client_id)

    def get_scope(self) -> str:
        """What it asks for."""
        return " ".join(self._waiting.scopes)

    def get_user_code(self) -> str:
        """What it shows."""
        return str(self._waiting.user_code)

    def is_expired(self) -> bool:
        """Whether it has waited too long."""
        return not self._waiting.is_alive


class OwnGrant(grants.ClientCredentialsGrant):
    """A client acts for itself, as the service account that it was registered with."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    @override
    def validate_requested_scope(self) -> None:
        scope = self.request.payload.scope or ""
        if set(scope.split()) - set(self.request.client.client.scopes):
            raise InvalidScopeError

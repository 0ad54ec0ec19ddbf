"""Authlib's other endpoints over facts: revocation, introspection, device authorization, end of a session."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint
from authlib.oidc.rpinitiated import EndSessionEndpoint, EndSessionRequest
from joserfc.jwk import KeySet
from typing_extensions import override

from services.auth.provider.facts import Facts, KnownClient, KnownToken
from services.auth.provider.ids import new_token, new_user_code
from services.auth.provider.requests import Request
from services.auth.records.provider import (
    AUTH_METHODS,
    DEVICE_CODE,
    DEVICE_CODE_LIFE_S,
    DEVICE_INTERVAL_S,
    SIGNING_ALGORITHM,
)


def _token_of(facts: Facts) -> KnownToken | None:
    refresh, access = facts.refresh, facts.access
    if refresh is not None and refresh.is_alive and not refresh.is_spent:
        return KnownToken(refresh.client_id, refresh.account_key, refresh.family_id, tuple(refresh.scopes))
    if access is not None:
        return KnownToken(access.client_id, access.account_key, access.family_id, access.scopes, access)
    return None


class Revocation(RevocationEndpoint):
    """Revocation (RFC 7009): either token of a family ends the family."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    @override
    def query_token(self, token_string: str, token_type_hint: str | None) -> KnownToken | None:
        return _token_of(self.server.facts)

    @override
    def revoke_token(self, token: KnownToken, request: Request) -> None:
        self.server.facts.decisions.ended_family = token.family_id


class Introspection(IntrospectionEndpoint):
    """Introspection (RFC 7662): a client learns of its own tokens."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    @override
    def query_token(self, token_string: str, token_type_hint: str | None) -> KnownToken | None:
        return _token_of(self.server.facts)

    @override
    def check_permission(self, token: KnownToken, client: KnownClient, request: Request) -> bool:
        return token.check_client(client)

    @override
    def introspect_token(self, token: KnownToken) -> dict[str, Any]:
        facts: Facts = self.server.facts
        known = {
            "active": True,
            "client_id": token.client_id,
            "scope": token.get_scope(),
            "sub": str(token.account_key),
            "iss": facts.issuer,
        }
        if token.access is None:
            return known
        times = {"iat": int(token.access.issued_at), "exp": int(token.access.ends_at)}
        return {**known, **times, "token_type": "Bearer", "aud": facts.audience}


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """A device begins to wait (RFC 8628 section 3.1)."""

    CLIENT_AUTH_METHODS = AUTH_METHODS
    EXPIRES_IN = DEVICE_CODE_LIFE_S
    INTERVAL = DEVICE_INTERVAL_S

    @override
    def authenticate_client(self, request: Request) -> KnownClient:
        client: KnownClient = super().authenticate_client(request)
        if not client.check_grant_type(DEVICE_CODE):
            raise UnauthorizedClientError
        scope = request.payload.scope or ""
        if not scope.split() or set(scope.split()) - set(client.client.scopes):
            raise InvalidScopeError
        return client

    @override
    def generate_device_code(self) -> str:
        return new_token()

    @override
    def generate_user_code(self) -> str:
        code = new_user_code()
        return f"{code[:4]}-{code[4:]}"

    @override
    def get_verification_uri(self) -> str:
        return f"{self.server.facts.issuer}/device"

    @override
    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        self.server.facts.decisions.new_device = {"client_id": client_id, "scopes": scope.split(), **data}


class EndSession(EndSessionEndpoint):
    """The end of a session that a client asks for (RP-Initiated Logout 1.0); the page ends it."""

    @override
    def get_server_jwks(self) -> KeySet:
        keys: KeySet = self.server.facts.signer.keys
        return keys

    @override
    def get_algorithms(self) -> list[str]:
        return [SIGNING_ALGORITHM]

    @override
    def end_session(self, end_session_request: EndSessionRequest) -> None:
        """Whoever asked for the answer does it."""

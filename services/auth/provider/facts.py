"""What is known of a request before it is decided, and what was decided."""

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin

from services.auth.provider.signing_keys import Signer
from services.auth.records.provider import REACHING_SCOPES, Client, Code, Refresh, Subject, Waiting
from services.auth.rules.openid import redirect_matches
from services.auth.sessions import token_hash
from shared.scopes import NOTHING, Scopes, scopes_of

REDIRECTS = "code"


@frozen
class AccessToken:
    """An access token that counts: whose it is, from which session it lives, how far it reaches, until when."""

    account_key: int
    client_id: str
    session_id: str | None
    """None where its client acts for itself."""
    credential: str
    """By what it opens the bus: its session, where that is its client's own or the client the installation's; else its
    family, for another's application is not there by the browser of its person; its client, where that acts for itself.
    """
    family_id: str | None
    scopes: tuple[str, ...]
    issued_at: float
    ends_at: float

    @property
    def reach(self) -> Scopes:
        """How far it reaches at the platform."""
        said = [scope for scope in self.scopes if scope in REACHING_SCOPES]
        return scopes_of(said) if said else NOTHING


@frozen
class KnownClient(ClientMixin):
    """A client as Authlib asks it."""

    client: Client
    is_secret: Callable[[str], bool]

    @property
    def client_metadata(self) -> dict[str, Any]:
        """What Authlib looks up by name."""
        return {"post_logout_redirect_uris": self.client.post_logout_redirect_uris}

    def get_client_id(self) -> str:
        """Its id."""
        return self.client.client_id

    def get_default_redirect_uri(self) -> None:
        """None: a request names its redirect URI (RFC 9700 section 2.1)."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Those of `scope` that it may ask for."""
        return " ".join(each for each in dict.fromkeys((scope or "").split()) if each in self.client.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is registered."""
        return redirect_matches(self.client.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is the client's."""
        return self.is_secret(client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - the same at each
        """Whether it authenticates so: exactly as it was registered."""
        return method == self.client.token_endpoint_auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Whether it may ask for that."""
        return response_type == REDIRECTS and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may use that grant."""
        return grant_type in self.client.grant_types


@frozen
class KnownCode:
    """An authorization code as Authlib asks it."""

    code: Code
    subject: Subject
    code_challenge_method: str = "S256"

    @property
    def code_challenge(self) -> str:
        """What the verifier must hash to (RFC 7636)."""
        return self.code.code_challenge

    def get_redirect_uri(self) -> str:
        """The one that the request named."""
        return self.code.redirect_uri

    def get_scope(self) -> str:
        """What was granted."""
        return " ".join(self.code.scopes)

    def get_nonce(self) -> str | None:
        """What the ID token repeats."""
        return self.code.nonce

    def get_auth_time(self) -> None:
        """None: said with the other claims of the sign-in."""

    get_acr = get_amr = get_auth_time


@frozen
class KnownToken(TokenMixin):
    """A refresh or access token as Authlib asks it."""

    client_id: str
    account_key: int
    family_id: str | None
    scopes: tuple[str, ...]
    access: AccessToken | None = None

    def check_client(self, client: KnownClient) -> bool:
        """Whether it was issued to the client."""
        return self.client_id == client.get_client_id()

    def get_scope(self) -> str:
        """What was granted."""
        return " ".join(self.scopes)

    def is_expired(self) -> bool:
        """False: only those that count become facts."""
        return False

    is_revoked = is_expired


@define
class Decisions:
    """What is to be written once Authlib has answered."""

    spent_code: bool = False
    spent_refresh: bool = False
    opened_device: bool = False
    new_family: str | None = None
    new_session: str | None = None
    new_refresh: str | None = field(default=None, repr=False)
    replayed: str | None = None
    ended_family: str | None = None
    slower_by_s: int | None = None
    new_device: dict[str, Any] | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()


@define
class Facts:
    """Everything that Authlib may ask for while it decides about one request."""

    issuer: str
    audience: str
    signer: Signer
    now: float
    client: KnownClient | None = None
    subject: Subject | None = None
    code: Code | None = None
    refresh: Refresh | None = None
    waiting: Waiting | None = None
    access: AccessToken | None = None
    decisions: Decisions = field(factory=Decisions)


def hash_of(secret: str) -> bytes:
    """What is kept of a code, a token or a client's secret: 256 random bits need no slow hash."""
    return token_hash(secret)

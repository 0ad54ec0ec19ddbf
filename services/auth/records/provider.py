"""The OpenID provider's clients, codes, families of refresh tokens, devices that wait, and keys, as they are stored."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import ShortText

CODE_LIFE_S: Final = 60
ACCESS_TOKEN_LIFE_S: Final = 600
ID_TOKEN_LIFE_S: Final = 600
REFRESH_TOKEN_LIFE_S: Final = 30 * 86_400
FAMILY_KEPT_S: Final = 7 * 86_400
"""For how long a family that has ended is still there: a token of it that comes again is known."""
DEVICE_CODE_LIFE_S: Final = 900
DEVICE_INTERVAL_S: Final = 5
SIGNING_KEY_LIFE_S: Final = 90 * 86_400
SIGNING_KEY_LEAD_S: Final = 86_400
"""A new key stands in the key set for a day before it signs, so that clients have read it by then."""
SIGNING_KEY_BITS: Final = 3072
SIGNING_ALGORITHM: Final = "RS256"

AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - the name of a grant
CLIENT_CREDENTIALS: Final = "client_credentials"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS: Final = (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, DEVICE_CODE)
IDENTITY_SCOPES: Final = ("openid", "profile", "email", "offline_access")
REACHING_SCOPES: Final = ("all", "read")
"""Those that let a token be used at the platform itself; see `shared.scopes`."""
SCOPES: Final = (*IDENTITY_SCOPES, *REACHING_SCOPES)
FLOCKCTL: Final = "flockctl"
TUNNELS: Final = "tunnels"
"""The client by which browsers come to tunnels."""

AuthMethod = Literal["client_secret_basic", "client_secret_post", "none"]
AUTH_METHODS: Final[tuple[AuthMethod, ...]] = ("client_secret_basic", "client_secret_post", "none")
Uri = Annotated[str, Meta(max_length=1000)]


@frozen
class Client:
    """A registered client; without a secret it is a public one (RFC 6749 section 2.1)."""

    client_id: str
    name: str
    secret_hash: bytes | None = field(repr=False)
    is_first_party: bool
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    grant_types: list[str]
    scopes: list[str]
    token_endpoint_auth_method: AuthMethod
    account_key: int | None
    created_at: datetime
    ended_at: datetime | None


@frozen
class Subject:
    """For whom tokens are issued: an account, and the session that they live from (none for a client's own)."""

    account_key: int
    login_name: str = field(repr=False)
    display_name: str = field(repr=False)
    locale: str
    is_verified: bool
    session_id: str | None
    amr: list[str]
    authenticated_at: datetime | None
    factor_at: datetime | None


@frozen
class Code:
    """An authorization code as it was given out; `is_alive` where it is not past its end."""

    client_id: str
    account_key: int
    session_id: str
    redirect_uri: str
    scopes: list[str]
    nonce: str | None
    code_challenge: str
    is_alive: bool
    is_used: bool
    family_id: str | None


@frozen
class Refresh:
    """A refresh token with its family; `is_alive` where neither it, nor its family, nor its session has ended."""

    family_id: str
    client_id: str
    account_key: int
    session_id: str
    scopes: list[str]
    is_alive: bool
    is_spent: bool


@frozen
class Waiting:
    """A device that waits for a person's decision (RFC 8628)."""

    client_id: str
    client_name: str
    is_first_party: bool
    user_code: str
    scopes: list[str]
    address: str
    user_agent: str
    created_at: datetime
    is_alive: bool
    is_too_fast: bool
    interval_s: int
    decision: Literal["approved", "refused"] | None
    account_key: int | None
    amr: list[str] | None
    authenticated_at: datetime | None
    factor_at: datetime | None


@frozen
class SigningKey:
    """A key that signs tokens; `public_jwk` is what the key set shows.

    One `is_to_be_followed` where an operator wants another one before its time is over.
    """

    key_id: str
    public_jwk: dict[str, Any]
    sealed: bytes = field(repr=False)
    created_at: datetime
    is_to_be_followed: bool


@frozen
class LogoutNotice:
    """A client that must still be told that a session has ended."""

    session_id: str
    client_id: str
    account_key: int
    uri: str
    attempts: int


@frozen
class RegisterClient:
    """`ironflock.auth.client.register`."""

    name: ShortText
    redirect_uris: list[Uri] = field(factory=list)
    post_logout_redirect_uris: list[Uri] = field(factory=list)
    backchannel_logout_uri: Uri | None = None
    scopes: list[ShortText] = field(factory=lambda: ["openid", "profile", "email"])
    grant_types: list[ShortText] = field(factory=lambda: [AUTHORIZATION_CODE, REFRESH_TOKEN])
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"  # noqa: S105 - a name of RFC 7591
    is_first_party: bool = False
    account_key: int | None = None


@frozen
class RegisteredClient:
    """A new client; its secret is shown this once, and is null for a public one."""

    client_id: str
    client_secret: str | None = field(repr=False)


@frozen
class NameClient:
    """`ironflock.auth.client.end`."""

    client_id: ShortText


@frozen
class ClientView:
    """A client as operators see it."""

    client_id: str
    name: str
    is_first_party: bool
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    grant_types: list[str]
    scopes: list[str]
    token_endpoint_auth_method: str
    account_key: int | None
    created_at: datetime


@frozen
class ClientList:
    """`ironflock.auth.client.list`, in the order of their names."""

    clients: list[ClientView]


@frozen
class ConsentView:
    """What a person has granted a client."""

    client_id: str
    name: str
    scopes: list[str]
    granted_at: datetime


@frozen
class ConsentList:
    """`ironflock.auth.consent.list`."""

    consents: list[ConsentView]

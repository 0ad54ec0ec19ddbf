"""Other OpenID providers by which people sign in, and what is kept of a sign-in by one of them."""

from datetime import datetime
from typing import Final, Literal

from attrs import field, frozen

Purpose = Literal["sign_in", "link", "step_up"]

REQUEST_LIFE_S: Final = 600
OFFER_LIFE_S: Final = 900
SESSION_HOURS: Final = 12
ALGORITHMS: Final[dict[str, str]] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""The algorithms of ID tokens that count, each with the type of its keys (RFC 7518, RFC 8037, RFC 9864)."""


@frozen
class UpstreamProvider:
    """A provider as the operator has described it.

    `trusts_addresses`: its `email_verified` counts here. `satisfies_second_factor`: where it says that it has asked for
    two factors, ours is not asked for. `required_claims` must stand in each ID token with these values (for example the
    hosted domain `hd`). `session_hours`: for how long what it said counts without being confirmed.
    """

    name: str
    title: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    trusts_addresses: bool
    satisfies_second_factor: bool
    required_claims: dict[str, str]
    session_hours: int
    ca: str | None


@frozen
class Metadata:
    """What a provider says of itself (OpenID Connect Discovery 1.0), as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    algorithms: tuple[str, ...]
    takes_basic: bool
    """Whether clients show their secret by HTTP Basic; else in the form."""
    names_itself: bool
    """Whether its answers carry `iss` (RFC 9207)."""


@frozen
class UpstreamRequest:
    """A request that is on its way to a provider and back."""

    provider: str
    purpose: Purpose
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    return_to: str
    session_id: str | None
    created_at: datetime


@frozen
class Identity:
    """Who somebody is at a provider, once its ID token was verified.

    `address` is the e-mail address that the provider has verified, where its word counts; `sid` its session.
    """

    provider: str
    subject: str
    sid: str | None
    address: str | None
    display_name: str
    has_two_factors: bool
    authenticated_at: float | None
    refresh_token: str | None = field(repr=False)


@frozen
class UpstreamLink:
    """Whose account a subject of a provider opens."""

    provider: str
    subject: str
    account_key: int
    created_at: datetime


@frozen
class Offer:
    """A link that waits until its person has shown here who they are."""

    provider: str
    subject: str
    account_key: int


@frozen
class DueCheck:
    """A sign-in that must be confirmed with its provider; `sealed` is its refresh token there."""

    upstream_id: str
    provider: str
    subject: str
    account_key: int
    sealed: bytes = field(repr=False)


@frozen
class LogoutClaims:
    """Whom a provider has signed out: a session of theirs, or all of a subject's."""

    jti: str
    subject: str | None
    sid: str | None

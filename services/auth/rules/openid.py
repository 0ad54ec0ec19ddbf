"""What the OpenID provider says of itself and of people, and which clients it takes. Pure.

Sources: OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0, Back-Channel Logout 1.0; RFC 8414, RFC 9068,
RFC 9207, RFC 9700 (security best practice).
"""

from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from services.auth.records.provider import (
    AUTH_METHODS,
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    GRANTS,
    REFRESH_TOKEN,
    SCOPES,
    SIGNING_ALGORITHM,
    RegisterClient,
    Subject,
)
from shared.errors import InvalidArgumentError

# Two factors, or a passkey, which is one that nobody can be talked out of.
ACR_ONE: Final = "urn:ironflock:acr:one-factor"
ACR_TWO: Final = "urn:ironflock:acr:two-factors"
MAX_URIS: Final = 20
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


def metadata(issuer: str) -> dict[str, Any]:
    """The document of `/.well-known/openid-configuration`, and of RFC 8414's place."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "end_session_endpoint": f"{issuer}/oauth/end_session",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [SIGNING_ALGORITHM],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["none", "login", "consent"],
        "acr_values_supported": [ACR_ONE, ACR_TWO],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash",
            "name", "preferred_username", "locale", "email", "email_verified",
        ],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "ui_locales_supported": ["en", "de"],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }  # fmt: skip


def claims_about(subject: Subject, scopes: list[str]) -> dict[str, Any]:
    """What a client with `scopes` may know of the person (OpenID Connect Core, section 5.4)."""
    claims: dict[str, Any] = {"sub": str(subject.account_key)}
    if "profile" in scopes:
        claims |= {
            "name": subject.display_name or subject.login_name,
            "preferred_username": subject.login_name,
            "locale": subject.locale,
        }
    if "email" in scopes:
        claims |= {"email": subject.login_name, "email_verified": subject.is_verified}
    return claims


def claims_of_sign_in(subject: Subject) -> dict[str, Any]:
    """How and when the person showed who they are."""
    if subject.session_id is None or subject.authenticated_at is None:
        return {}
    return {
        "sid": subject.session_id,
        "auth_time": seconds(subject.authenticated_at),
        "amr": subject.amr,
        "acr": acr_of(subject.amr),
    }


def acr_of(amr: list[str]) -> str:
    """The context class of a sign-in by `amr` (RFC 8176)."""
    return ACR_TWO if {"mfa", "hwk", "swk"} & set(amr) or len({"pwd", "otp", "kba", "fed"} & set(amr)) > 1 else ACR_ONE


Step = Literal["sign_in", "show_again", "consent", "answer", "login_required", "consent_required"]


def next_step(
    *,
    prompts: frozenset[str],
    max_age_s: int | None,
    age_s: float | None,
    shown_since: bool,
    is_granted: bool,
    has_consented: bool,
) -> Step:
    """What an authorization request needs next (OpenID Connect Core, section 3.1.2.1).

    Args:
        age_s: For how long the person has been signed in; None where nobody is.
        shown_since: Whether they have shown who they are since this request sent them to.
        is_granted: Whether the client may have what it asks for.
        has_consented: Whether they have just said so, for this request: what `prompt=consent` asks for.
    """
    is_quiet = "none" in prompts
    is_stale = max_age_s is not None and age_s is not None and age_s > max_age_s
    if age_s is None:
        return "login_required" if is_quiet else "sign_in"
    if not shown_since and (is_stale or prompts & {"login", "select_account"}):
        return "login_required" if is_quiet else "show_again"
    if not is_granted or ("consent" in prompts and not has_consented):
        return "consent_required" if is_quiet else "consent"
    return "answer"


def seconds(moment: datetime) -> int:
    """Whole Unix seconds, as claims have them."""
    return int(moment.timestamp())


def checked(request: RegisterClient) -> RegisterClient:
    """`request`, once it is seen to make sense.

    Raises:
        InvalidArgumentError: It does not; the text says which part.
    """
    unknown = [scope for scope in request.scopes if scope not in SCOPES]
    if unknown or not request.scopes or len(set(request.scopes)) != len(request.scopes):
        raise InvalidArgumentError(f"scopes are some of: {', '.join(SCOPES)}", argument="scopes")
    if not request.grant_types or not set(request.grant_types) <= set(GRANTS):
        raise InvalidArgumentError(f"grant_types are some of: {', '.join(GRANTS)}", argument="grant_types")
    if AUTHORIZATION_CODE in request.grant_types and not request.redirect_uris:
        raise InvalidArgumentError("a client with authorization_code has a redirect URI", argument="redirect_uris")
    _check_own(request)
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        uris = getattr(request, name)
        if len(uris) > MAX_URIS or not all(is_redirect_uri(uri) for uri in uris):
            raise InvalidArgumentError(
                f"{name} are https URIs without a fragment, or http ones of a loopback address", argument=name
            )
    if request.backchannel_logout_uri is not None and not _is_https(request.backchannel_logout_uri):
        raise InvalidArgumentError("backchannel_logout_uri is an https URI", argument="backchannel_logout_uri")
    return request


def _check_own(request: RegisterClient) -> None:
    """A client that acts for itself has a secret, and an account as which it acts; no other one has one."""
    acts = CLIENT_CREDENTIALS in request.grant_types
    if acts != (request.account_key is not None):
        raise InvalidArgumentError(
            "client_credentials and account_key, a service account of yours, go together", argument="account_key"
        )
    if acts and request.token_endpoint_auth_method == "none":  # noqa: S105 - a name of RFC 7591
        raise InvalidArgumentError(
            "a client with client_credentials has a secret", argument="token_endpoint_auth_method"
        )
    if REFRESH_TOKEN in request.grant_types and not {AUTHORIZATION_CODE, DEVICE_CODE} & set(request.grant_types):
        raise InvalidArgumentError("refresh_token needs another grant that gives one", argument="grant_types")


def is_redirect_uri(uri: str) -> bool:
    """Whether browsers may be sent there: https, or http on this machine itself (RFC 8252 section 7.3)."""
    parts = _split(uri)
    if parts is None or not uri.isascii() or not uri.isprintable() or set(uri) & set(" \\#*") or "@" in parts.netloc:
        return False
    return _is_https(uri) or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def redirect_matches(registered: list[str], uri: str) -> bool:
    """Whether `uri` is one of `registered`: exactly, but for the port of a loopback address (RFC 8252 section 7.3)."""
    return uri in registered or any(_is_same_loopback(each, uri) for each in registered)


def _is_same_loopback(registered: str, uri: str) -> bool:
    ours, theirs = _split(registered), _split(uri)
    if ours is None or theirs is None or not is_redirect_uri(uri) or not ours.scheme == theirs.scheme == "http":
        return False
    return ours.hostname == theirs.hostname and (ours.path, ours.query) == (theirs.path, theirs.query)


def _is_https(uri: str) -> bool:
    parts = _split(uri)
    if parts is None or parts.scheme != "https" or not parts.hostname:
        return False
    return "@" not in parts.netloc and not parts.fragment


def _split(uri: str) -> SplitResult | None:
    """The parts of a URI, whose port is a number; None where it has none, as browsers see it."""
    try:
        parts = urlsplit(uri)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        is_whole = parts.netloc.lower() in (host, f"{host}:", f"{host}:{parts.port}") or "@" in parts.netloc
    except ValueError:  # brackets that do not match, a port that is no number
        return None
    return parts if is_whole else None

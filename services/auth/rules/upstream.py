"""What counts of what another OpenID provider says, and what follows from it. Pure.

Sources: OpenID Connect Core 1.0 (sections 3.1.3.7, 12.2), Discovery 1.0, Back-Channel Logout 1.0; RFC 8725, RFC 9207,
RFC 9700.
"""

import base64
import binascii
import hmac
import ipaddress
import json
import math
from collections.abc import Mapping
from hashlib import sha256, sha512
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from attrs import frozen

from services.auth.records.upstream import ALGORITHMS, LogoutClaims, Metadata, UpstreamProvider

WELL_KNOWN: Final = "/.well-known/openid-configuration"
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPES: Final = frozenset({None, "JWT", "logout+jwt"})
IDENTITY_TYPES: Final = frozenset({None, "JWT"})
MAX_TOKEN_LENGTH: Final = 16_384
MAX_SUBJECT_LENGTH: Final = 255
MAX_SKEW_S: Final = 60
MAX_AGE_S: Final = 600
"""How long ago an ID token or a logout token may have been made when it comes."""
MIN_RSA_BITS: Final = 2048
TWO_FACTORS: Final = frozenset({"mfa", "hwk"})
OUR_TWO_FACTORS: Final = "urn:ironflock:acr:two-factors"
TWO_FACTOR_CLASSES: Final = frozenset(
    {OUR_TWO_FACTORS, "phrh", "http://schemas.openid.net/pape/policies/2007/06/multi-factor"}
)
ENDED: Final = frozenset({"invalid_grant", "access_denied", "interaction_required", "login_required"})
"""What a provider answers to a refresh token of somebody who is out there (RFC 6749 section 5.2)."""
Because = Literal["declined", "expired", "failed", "unavailable", "uninvited", "taken"]
BECAUSES: Final[tuple[Because, ...]] = ("declined", "expired", "failed", "unavailable", "uninvited", "taken")


class UntrustedError(Exception):
    """The provider said what does not count; the text tells operators why, without a token's content."""


@frozen
class Header:
    """Whose signature a token claims to carry; nothing of it is believed before it is verified."""

    algorithm: str
    key_id: str | None
    type: str | None


def metadata_of(document: Any, issuer: str) -> Metadata:
    """What counts of a provider's description of itself.

    Raises:
        UntrustedError: It is another provider's, or leads elsewhere than to https.
    """
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise UntrustedError("the document is not that of the issuer")
    algorithms = [each for each in _texts(document, "id_token_signing_alg_values_supported") if each in ALGORITHMS]
    if not algorithms:
        raise UntrustedError("it signs with no algorithm that counts")
    methods = _texts(document, "token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    userinfo = document.get("userinfo_endpoint")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(document, "token_endpoint", issuer),
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        userinfo_endpoint=None if userinfo is None else _endpoint(document, "userinfo_endpoint", issuer),
        algorithms=tuple(algorithms),
        takes_basic="client_secret_basic" in methods or "client_secret_post" not in methods,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def is_endpoint(url: Any, issuer: str) -> bool:
    """Whether requests may be sent to `url`: https, and on this or a private machine only where the issuer is."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or set(url) & set(" \\#"):
        return False
    try:
        parts, own = urlsplit(url), urlsplit(issuer)
        is_usable = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
    return is_usable and (parts.hostname == own.hostname or _is_name(parts.hostname or ""))


def header_of(token: str) -> Header:
    """What `token` says of its signature.

    Raises:
        UntrustedError: It is no signed token, or one that wants what is not understood.
    """
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii() or token.count(".") != 2:  # noqa: PLR2004 - RFC 7515
        raise UntrustedError("it is no signed token")
    header = _decoded(token.partition(".")[0])
    if "crit" in header or "zip" in header or header.get("b64") is False:
        raise UntrustedError("the token wants what is not understood")
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None) or not isinstance(kind, str | None):
        raise UntrustedError("the token's header is malformed")
    return Header(algorithm, key_id, kind)


def keys_for(header: Header, key_set: Any, allowed: tuple[str, ...]) -> list[dict[str, Any]]:
    """The public keys of a key set that may have signed a token with `header`.

    Raises:
        UntrustedError: The algorithm is none that counts, or the key set is none.
    """
    if header.algorithm not in allowed or header.algorithm not in ALGORITHMS:
        raise UntrustedError("the token is signed by an algorithm that does not count")
    keys = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(keys, list):
        raise UntrustedError("the key set is none")
    return [
        each
        for each in keys
        if isinstance(each, dict)
        and each.get("kty") == ALGORITHMS[header.algorithm]
        and each.get("use", "sig") == "sig"
        and each.get("alg", header.algorithm) == header.algorithm
        and (header.key_id is None or each.get("kid") == header.key_id)
        and _is_strong(each)
    ]


def require_identity(claims: Mapping[str, Any], provider: UpstreamProvider, *, nonce: str | None, now: float) -> str:
    """The subject of an ID token whose signature was verified.

    Args:
        nonce: Of the request; None where the token came with a refresh.

    Raises:
        UntrustedError: It is for somebody else, from somewhere else, of another request, or not of now.
    """
    _require_addressed(claims, provider)
    _require_current(claims, now)
    said = plain(claims.get("nonce"))
    if nonce is not None and (said is None or not hmac.compare_digest(said, nonce)):
        raise UntrustedError("the token belongs to another request")
    for name, value in provider.required_claims.items():
        if claims.get(name) != value:
            raise UntrustedError(f"the claim {name} is not what it has to be")
    return _subject(claims)


def require_access_token(claims: Mapping[str, Any], algorithm: str, access_token: str) -> None:
    """The access token belongs to the ID token, where that says so.

    Raises:
        UntrustedError: It belongs to another one.
    """
    if "at_hash" not in claims:
        return
    said = plain(claims["at_hash"])
    hashed = sha512 if algorithm in ("EdDSA", "Ed25519") else sha256
    digest = hashed(access_token.encode()).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if said is None or not hmac.compare_digest(said, expected):
        raise UntrustedError("the access token belongs to another ID token")


def require_logout(claims: Mapping[str, Any], provider: UpstreamProvider, *, now: float) -> LogoutClaims:
    """Whom a logout token tells of, whose signature was verified (Back-Channel Logout 1.0, section 2.6).

    Raises:
        UntrustedError: It is none, for somebody else, or not of now.
    """
    _require_addressed(claims, provider)
    _require_current(claims, now)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict) or "nonce" in claims:
        raise UntrustedError("the token tells of no logout")
    jti, sid = plain(claims.get("jti")), session_of(claims)
    if not jti or (sid is None and "sid" in claims):
        raise UntrustedError("the token has no jti, or a malformed sid")
    subject = _subject(claims) if "sub" in claims else None
    if subject is None and sid is None:
        raise UntrustedError("the token names nobody")
    return LogoutClaims(jti, subject, sid)


def address_of(claims: Mapping[str, Any], provider: UpstreamProvider) -> str | None:
    """The address that counts as verified; None where there is none, or the provider's word does not count."""
    address = claims.get("email")
    counts = provider.trusts_addresses and claims.get("email_verified") is True
    return address if counts and isinstance(address, str) and address else None


def session_of(claims: Mapping[str, Any]) -> str | None:
    """The provider's own session, if it names one that can be kept."""
    sid = plain(claims.get("sid"))
    return sid if sid and len(sid) <= MAX_SUBJECT_LENGTH else None


def plain(value: Any) -> str | None:
    """`value` if it is a text of printable ASCII, as tokens and names of tokens are; else None."""
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else None


def has_two_factors(claims: Mapping[str, Any], provider: UpstreamProvider) -> bool:
    """Whether the provider has asked for two factors, and this counts here (RFC 8176)."""
    amr = claims.get("amr")
    methods = {each for each in amr if isinstance(each, str)} if isinstance(amr, list) else set()
    is_said = bool(methods & TWO_FACTORS) or plain(claims.get("acr")) in TWO_FACTOR_CLASSES
    return provider.satisfies_second_factor and is_said


def require_answered(metadata: Metadata, iss: str) -> None:
    """The answer came from the provider that was asked (RFC 9207).

    Raises:
        UntrustedError: It says another issuer, or none where it should.
    """
    if iss != metadata.issuer and (iss or metadata.names_itself):
        raise UntrustedError("the answer came from another provider")


Step = Literal["sign_in", "shut_out", "confirm", "come", "create", "uninvited"]


def next_step(
    *, is_linked: bool, can_sign_in: bool, state: Literal["pending", "active", "disabled"] | None, has_address: bool,
    is_open: bool,
) -> Step:  # fmt: skip
    """What follows when somebody comes by another provider.

    Args:
        is_linked: Whether their subject there opens an account here.
        can_sign_in: Whether that account can be used.
        state: Of the account that has their verified address; None where none has.
        has_address: Whether their address is verified by a provider whose word counts.
        is_open: Whether people may come without an invitation.
    """
    if is_linked:
        return "sign_in" if can_sign_in else "shut_out"
    if not has_address or state == "disabled":
        return "uninvited"
    if state == "active":
        return "confirm"
    if state == "pending":
        return "come"
    return "create" if is_open else "uninvited"


def may_unlink(*, has_password: bool, passkeys: int, links: int) -> bool:
    """Whether a way to sign in is left without one of the links."""
    return has_password or passkeys > 0 or links > 1


def pause_of_checks(chance: float, *, pause_s: float) -> float:
    """Seconds until a sign-in is confirmed again: `pause_s`, a tenth more or less.

    Args:
        chance: Of [0, 1).
    """
    return pause_s * (0.9 + chance / 5)


def _require_addressed(claims: Mapping[str, Any], provider: UpstreamProvider) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if claims.get("iss") != provider.issuer:
        raise UntrustedError("the token is another issuer's")
    if not isinstance(audiences, list) or provider.client_id not in audiences:
        raise UntrustedError("the token is for another client")
    if claims.get("azp", provider.client_id) != provider.client_id or (len(audiences) > 1 and "azp" not in claims):
        raise UntrustedError("the token was asked for by another client")


def _require_current(claims: Mapping[str, Any], now: float) -> None:
    issued_at, ends_at, begins_at = (_moment(claims, name) for name in ("iat", "exp", "nbf"))
    if issued_at is None or ends_at is None:
        raise UntrustedError("the token does not say when it counts")
    if ends_at <= now - MAX_SKEW_S or not now - MAX_AGE_S - MAX_SKEW_S <= issued_at <= now + MAX_SKEW_S:
        raise UntrustedError("the token is not of now")
    if begins_at is not None and begins_at > now + MAX_SKEW_S:
        raise UntrustedError("the token does not count yet")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UntrustedError(f"{name} is no moment")
    return float(value)


def authenticated_at(claims: Mapping[str, Any]) -> float | None:
    """When the person showed the provider who they are, in Unix seconds.

    Raises:
        UntrustedError: It is no moment.
    """
    return _moment(claims, "auth_time")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = plain(claims.get("sub"))
    if not subject or len(subject) > MAX_SUBJECT_LENGTH:
        raise UntrustedError("the token has no subject that can be kept")
    return subject


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    found = document.get(name)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    if not is_endpoint(url, issuer):
        raise UntrustedError(f"{name} is no place to ask")
    return str(url)


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host.strip(".") and not host.rstrip(".").endswith(".localhost")
    return False


def _is_strong(key: Mapping[str, Any]) -> bool:
    """Whether the key is one that counts: RSA of 2048 bits at least, P-256, Ed25519; no private or shared secret."""
    if key.get("kty") == "RSA":
        modulus = key.get("n")
        return isinstance(modulus, str) and len(modulus) * 6 >= MIN_RSA_BITS
    return key.get("crv") == ("P-256" if key.get("kty") == "EC" else "Ed25519")


def _decoded(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise UntrustedError("the token cannot be read") from error
    if not isinstance(found, dict):
        raise UntrustedError("the token cannot be read")
    return found

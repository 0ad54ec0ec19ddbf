"""What tokens say: access tokens (RFC 9068), ID tokens (OpenID Connect Core), logout tokens (Back-Channel Logout)."""

import base64
import secrets
from hashlib import sha256
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError

from services.auth.provider.facts import AccessToken, Facts
from services.auth.provider.signing_keys import Signer
from services.auth.records.provider import (
    ACCESS_TOKEN_LIFE_S,
    ID_TOKEN_LIFE_S,
    SIGNING_ALGORITHM,
    LogoutNotice,
    Subject,
)
from services.auth.rules.openid import claims_about, claims_of_sign_in

ACCESS: Final = "at+jwt"
IDENTITY: Final = "JWT"
LOGOUT: Final = "logout+jwt"
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_LIFE_S: Final = 120
MAX_SKEW_S: Final = 5
MAX_LENGTH: Final = 4096
DOTS: Final = 2
"""A signed token has three parts (RFC 7515 section 7.1)."""
ID_OCTETS: Final = 16


def access_token(facts: Facts, subject: Subject, scopes: list[str], client_id: str, family_id: str | None) -> str:
    """An access token of the subject for the client; its audience is the platform."""
    claims = {
        "iss": facts.issuer,
        "aud": facts.audience,
        "sub": str(subject.account_key),
        "client_id": client_id,
        "scope": " ".join(scopes),
        "iat": int(facts.now),
        "exp": int(facts.now) + ACCESS_TOKEN_LIFE_S,
        "jti": secrets.token_urlsafe(ID_OCTETS),
        **claims_of_sign_in(subject),
    }
    if family_id is not None:
        claims["family"] = family_id
    return facts.signer.sign(claims, ACCESS)


def id_token(
    facts: Facts, subject: Subject, scopes: list[str], client_id: str, *, nonce: str | None, access: str
) -> str:
    """Who has signed in, for the client."""
    claims = {
        "iss": facts.issuer,
        "aud": client_id,
        "iat": int(facts.now),
        "exp": int(facts.now) + ID_TOKEN_LIFE_S,
        "at_hash": half_hash(access),
        **claims_of_sign_in(subject),
        **claims_about(subject, scopes),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return facts.signer.sign(claims, IDENTITY)


def logout_token(signer: Signer, issuer: str, notice: LogoutNotice, now: float) -> str:
    """That a session has ended, for one client."""
    claims = {
        "iss": issuer,
        "aud": notice.client_id,
        "sub": str(notice.account_key),
        "sid": notice.session_id,
        "iat": int(now),
        "exp": int(now) + LOGOUT_TOKEN_LIFE_S,
        "jti": secrets.token_urlsafe(ID_OCTETS),
        "events": {LOGOUT_EVENT: {}},
    }
    return signer.sign(claims, LOGOUT)


def read_access_token(signer: Signer, text: str, *, issuer: str, audience: str, now: float) -> AccessToken | None:
    """The access token that `text` is, if it is ours, for `audience`, and current.

    Whether it still counts, and by what it opens the bus, rows say.

    The algorithm is ours and fixed: a header cannot choose it (RFC 8725 section 3.1).
    """
    claims = read(signer, text, ACCESS)
    if claims is None or claims.get("iss") != issuer or claims.get("aud") != audience:
        return None
    try:
        issued_at, ends_at = float(claims["iat"]), float(claims["exp"])
        if not issued_at - MAX_SKEW_S <= now < ends_at:
            return None
        family, session, client_id = claims.get("family"), claims.get("sid"), str(claims["client_id"])
        return AccessToken(
            account_key=int(claims["sub"]),
            client_id=client_id,
            session_id=None if session is None else str(session),
            credential=client_id,
            family_id=None if family is None else str(family),
            scopes=tuple(str(claims["scope"]).split()),
            issued_at=issued_at,
            ends_at=ends_at,
        )
    except (KeyError, TypeError, ValueError):
        return None


def read(signer: Signer, text: str, kind: str) -> dict[str, Any] | None:
    """The claims of `text` if one of our keys has signed it as a token of the type `kind`."""
    if not is_shaped(text):
        return None
    try:
        token = jwt.decode(text, signer.keys, algorithms=[SIGNING_ALGORITHM])
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
    return dict(token.claims) if token.header.get("typ") == kind and "crit" not in token.header else None


def is_shaped(text: str) -> bool:
    """Whether `text` can be a signed token at all."""
    return len(text) <= MAX_LENGTH and text.isascii() and text.count(".") == DOTS


def half_hash(text: str) -> str:
    """`at_hash` of an access token (OpenID Connect Core, section 3.1.3.6)."""
    return base64.urlsafe_b64encode(sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()

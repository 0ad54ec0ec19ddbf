"""Assertions: how a service proves that it acts for a person (decision 7).

`auth` signs one for one account, one audience (a service), one procedure, one set of arguments and at most 60 seconds;
the callee takes it once. A stolen gateway cannot speak for anybody who is not talking to it. The form is a JWT with
Ed25519 (RFC 7519, RFC 9864); the algorithm is ours and fixed, a header cannot choose it.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final

import rfc8785
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization, OKPKey

from shared.canonical import canonical_json
from shared.errors import InvalidArgumentError, NotAuthorizedError
from shared.identities import Person
from shared.scopes import scopes_of

ALGORITHM: Final = "Ed25519"
TYPE: Final = "ironflock-assertion+jwt"
ISSUER: Final = "ironflock.auth"
LIFE_S: Final = 60
MAX_SKEW_S: Final = 5
MAX_REMEMBERED: Final = 100_000
REFUSED: Final = "the assertion is not valid for this call; ask auth for a new one"


def arguments_hash(arguments: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the arguments in canonical JSON (RFC 8785).

    Raises:
        InvalidArgumentError: They hold what JSON cannot carry.
    """
    try:
        return sha256(canonical_json(arguments)).hexdigest()
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidArgumentError("the arguments are not JSON values") from error


def claims_for(person: Person, *, audience: str, procedure: str, digest: str, nonce: str, now: float) -> dict[str, Any]:
    """What an assertion says; `now` in Unix seconds."""
    return {
        "iss": ISSUER,
        "sub": str(person.account_key),
        "aud": audience,
        "procedure": procedure,
        "arguments": digest,
        "credential": person.credential,
        "scopes": person.scopes.texts,
        "jti": nonce,
        "iat": int(now),
        "exp": int(now) + LIFE_S,
    }


def sign(claims: dict[str, Any], key: OKPKey) -> str:
    """The assertion in compact form."""
    return jwt.encode({"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


class Assertions:
    """A callee's memory: verifies assertions meant for `audience` and takes each once."""

    def __init__(
        self, audience: str, keys: Callable[[], Awaitable[KeySetSerialization]], now: Callable[[], float]
    ) -> None:
        """Verify for service `audience`; `keys` asks auth for its key set, `now` gives Unix seconds."""
        self._audience = audience
        self._fetch_keys = keys
        self._now = now
        self._keys: KeySet | None = None
        self._spent: dict[str, float] = {}

    async def verify(self, assertion: str, *, procedure: str, arguments: dict[str, Any]) -> Person:
        """The person that the assertion speaks for.

        Raises:
            NotAuthorizedError: Forged, for somewhere or something else, too old, or taken before.
        """
        claims = await self._claims(assertion)
        now = self._now()
        expected = {
            "iss": ISSUER,
            "aud": self._audience,
            "procedure": procedure,
            "arguments": arguments_hash(arguments),
        }
        if any(claims.get(name) != value for name, value in expected.items()) or not _is_current(claims, now):
            raise NotAuthorizedError(REFUSED)
        self._spend(str(claims["jti"]), float(claims["exp"]), now)
        return Person(
            account_key=int(claims["sub"]),
            session=0,
            credential=claims.get("credential"),
            scopes=scopes_of(claims.get("scopes")),
        )

    async def _claims(self, assertion: str) -> dict[str, Any]:
        for is_retry in (False, True):
            if self._keys is None or is_retry:
                self._keys = KeySet.import_key_set(await self._fetch_keys())
            try:
                token = jwt.decode(assertion, self._keys, algorithms=[ALGORITHM])
            except (JoseError, ValueError):
                continue
            if token.header.get("typ") == TYPE:
                return dict(token.claims)
        raise NotAuthorizedError(REFUSED)

    def _spend(self, nonce: str, end: float, now: float) -> None:
        if nonce in self._spent:
            raise NotAuthorizedError(REFUSED)
        if len(self._spent) >= MAX_REMEMBERED:
            self._spent = {name: until for name, until in self._spent.items() if until + MAX_SKEW_S >= now}
        if len(self._spent) >= MAX_REMEMBERED:
            raise NotAuthorizedError(REFUSED)
        self._spent[nonce] = end


def _is_current(claims: dict[str, Any], now: float) -> bool:
    begin, end = claims.get("iat"), claims.get("exp")
    if not isinstance(begin, int) or not isinstance(end, int) or not isinstance(claims.get("jti"), str):
        return False
    return begin - MAX_SKEW_S <= now <= end and end - begin <= LIFE_S and str(claims.get("sub", "")).isdigit()

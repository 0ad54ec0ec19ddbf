"""What a device is told of its visitor, signed: a JWT of some minutes for the one host of the tunnel (RFC 7519).

A process makes a key when it needs one, and another after twelve hours; the private half stays in it. The public halves
of all processes lie in the database until nothing that they signed counts any more, and are told as a JWK set.
"""

from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey

from services.tunnels.records.times import Times
from services.tunnels.store import identity_keys as store
from shared.database import Database

ALGORITHM: Final = "ES256"
LIFE_S: Final = 300
USED_S: Final = 60.0
"""For how long one assertion is told again: it is then good for four minutes more."""
ROTATION_S: Final = 12 * 3_600.0
MAX_KEPT: Final = 4_096


class Identity:
    """Signs."""

    def __init__(self, database: Database, times: Times, issuer: str) -> None:
        """`issuer` is the origin of the domain of tunnels."""
        self._database = database
        self._times = times
        self._issuer = issuer
        self._key: ECKey | None = None
        self._made_at = 0.0
        self._told: dict[tuple[int, str], tuple[float, str]] = {}

    async def assertion(self, account_key: int, host: str) -> str:
        """Who comes to `host`.

        Raises:
            PublicError: The database is away, and the key's public half cannot be told.
        """
        clock, asked = self._times.clock(), (account_key, host)
        told = self._told.get(asked)
        if told is not None and clock - told[0] < USED_S:
            return told[1]
        key = await self._ready()
        now = int(self._times.now().timestamp())
        claims = {"iss": self._issuer, "aud": host, "sub": str(account_key), "iat": now, "exp": now + LIFE_S}
        text = jwt.encode({"alg": ALGORITHM, "typ": "JWT", "kid": key.kid}, claims, key, algorithms=[ALGORITHM])
        if len(self._told) >= MAX_KEPT:
            self._told.clear()
        self._told[asked] = clock, text
        return text

    async def key_set(self) -> dict[str, Any]:
        """The public keys of every process, as a JWK set (RFC 7517).

        Raises:
            PublicError: The database is away.
        """
        return {"keys": await self._database.run(store.identity_key_list)}

    async def _ready(self) -> ECKey:
        if self._key is not None and self._times.clock() - self._made_at < ROTATION_S:
            return self._key
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, private=True, auto_kid=True)
        public, kept_s = key.as_dict(private=False), ROTATION_S + LIFE_S + USED_S
        await self._database.run(
            lambda connection: store.identity_key_insert(connection, key.kid or "", public, kept_s)
        )
        self._key, self._made_at = key, self._times.clock()
        self._told.clear()
        return key

"""The keys that sign tokens: a new one every ninety days, each in the key set for a day before it signs.

A key stays in the set for a week after its successor has begun, so that whatever it signed verifies until it ends.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import structlog
from attrs import frozen
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from joserfc import jwt
from joserfc.jwk import KeyParameters, KeySet, KeySetSerialization, RSAKey

from services.auth.keyring import Keyring
from services.auth.provider.certificates import certificate_of
from services.auth.records.provider import (
    SIGNING_ALGORITHM,
    SIGNING_KEY_BITS,
    SIGNING_KEY_LEAD_S,
    SIGNING_KEY_LIFE_S,
    SigningKey,
)
from services.auth.store.sealing import start_lock_in_txn
from services.auth.store.signing_keys import signing_key_delete, signing_key_insert, signing_key_list
from shared import audit
from shared.database import Database
from shared.errors import UnavailableError

REMEMBERED_S: Final = 60.0
KEPT_AFTER: Final = timedelta(days=7)
LEAD: Final = timedelta(seconds=SIGNING_KEY_LEAD_S)
LIFE: Final = timedelta(seconds=SIGNING_KEY_LIFE_S)

log = structlog.get_logger()


@frozen
class Signer:
    """The key that signs now, and all that verify."""

    key: RSAKey
    keys: KeySet
    shown: KeySetSerialization

    def sign(self, claims: dict[str, Any], kind: str, certificate: Certificate | None = None) -> str:
        """`claims` as a JWT of the type `kind` (RFC 8725 section 3.11), with the key's `certificate` if given."""
        header: dict[str, Any] = {"alg": SIGNING_ALGORITHM, "kid": self.key.kid, "typ": kind}
        if certificate is not None:
            header["x5c"] = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        return jwt.encode(header, claims, self.key, algorithms=[SIGNING_ALGORITHM])


class SigningKeys:
    """Holds them for a minute at a time: other replicas make and end keys too."""

    def __init__(self, database: Database, keyring: Keyring, now: Callable[[], float]) -> None:
        """Nothing is read yet; `now` gives Unix seconds."""
        self._database = database
        self._keyring = keyring
        self._now = now
        self._signer: Signer | None = None
        self._read_at = 0.0
        self._private: dict[str, RSAKey] = {}
        self._certificates: dict[str, Certificate] = {}

    async def signer(self) -> Signer:
        """What signs and verifies now.

        Raises:
            UnavailableError: Nothing was read within the last minute, and the database is away or has no key yet.
        """
        if self._signer is None or not 0 <= self._now() - self._read_at < REMEMBERED_S:
            self._signer, self._read_at = await self._read(), self._now()
        return self._signer

    async def certificates(self) -> dict[str, Certificate]:
        """The certificates of all keys that sign, have signed or will sign, by their ids.

        Raises:
            UnavailableError: The database is away.
        """
        await self._keyring.load()
        keys = await self._database.run(signing_key_list)
        self._certificates = {key.key_id: await self._certificate(key) for key in keys}
        return self._certificates

    async def _certificate(self, key: SigningKey) -> Certificate:
        known = self._certificates.get(key.key_id)
        if known is not None:
            return known
        clear = await self._keyring.open(key.sealed, _context(key.key_id))
        private = RSAKey.import_key(json.loads(clear)).private_key
        if private is None:
            raise LookupError("a key that signs has no private part")
        return await asyncio.to_thread(certificate_of, private, key.key_id, key.created_at)

    async def rotate(self) -> None:
        """Make the next key where it is time, and forget those that nobody needs; of no effect otherwise."""
        await self._keyring.load()
        async with self._database.transaction() as connection:
            await start_lock_in_txn(connection)
            keys, now = await signing_key_list(connection), self._at()
            if not keys or keys[0].is_to_be_followed or keys[0].created_at <= now - LIFE:
                made = await self._made(now)
                await signing_key_insert(connection, made)
                await audit.record(connection, _created(made))
                log.info("signing_key_created", signing_key=made.key_id)
            for newer, older in pairwise(keys):
                if newer.created_at + LEAD + KEPT_AFTER <= now:
                    await signing_key_delete(connection, older.key_id)
                    log.info("signing_key_forgotten", signing_key=older.key_id)

    async def _read(self) -> Signer:
        await self._keyring.load()
        keys = await self._database.run(signing_key_list)
        if not keys:
            raise UnavailableError("the keys that sign tokens are being made; try again in a moment")
        signing = signing_key(keys, self._at())
        if signing.key_id not in self._private:
            clear = await self._keyring.open(signing.sealed, _context(signing.key_id))
            self._private = {signing.key_id: RSAKey.import_key(json.loads(clear))}
        shown: KeySetSerialization = {"keys": [{**key.public_jwk} for key in keys]}
        return Signer(self._private[signing.key_id], KeySet.import_key_set(shown), shown)

    async def _made(self, now: datetime) -> SigningKey:
        key_id = f"sign-{int(now.timestamp())}"
        parameters: KeyParameters = {"kid": key_id, "alg": SIGNING_ALGORITHM, "use": "sig"}
        key = await asyncio.to_thread(RSAKey.generate_key, SIGNING_KEY_BITS, parameters, private=True)
        sealed = await self._keyring.seal(json.dumps(key.as_dict(private=True)), _context(key_id))
        return SigningKey(key_id, dict(key.as_dict(private=False)), sealed, now, is_to_be_followed=False)

    def _at(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


def signing_key(keys: list[SigningKey], now: datetime) -> SigningKey:
    """The key that signs at `now`, of `keys` with the newest first: the newest that all clients can know."""
    return next((key for key in keys if key.created_at + LEAD <= now), keys[-1])


def _context(key_id: str) -> str:
    return f"auth.signing_key/{key_id}"


def _created(key: SigningKey) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.SIGNING_KEY_CREATED,
        aspect=audit.Aspect.CREDENTIAL,
        actor=audit.Actor(audit.ActorKind.SERVICE, "auth"),
        asset=audit.Asset("signing_key", key.key_id),
        after={"algorithm": SIGNING_ALGORITHM, "bits": SIGNING_KEY_BITS},
    )

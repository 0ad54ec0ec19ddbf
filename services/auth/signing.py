"""The key with which auth signs assertions: made on the first start, sealed in the database, public half for all."""

import json
from collections.abc import Callable

from joserfc.jwk import KeyParameters, KeySetSerialization, OKPKey

from services.auth.keyring import Keyring
from services.auth.records.sealing import AssertionKey
from services.auth.store.sealing import assertion_key_insert, assertion_key_list, start_lock_in_txn
from shared.assertions import ALGORITHM
from shared.database import Connection, Database


class Signing:
    """Holds the signing key once it has been needed."""

    def __init__(self, database: Database, keyring: Keyring, now: Callable[[], float]) -> None:
        """Nothing is read yet; `now` gives Unix seconds."""
        self._now = now
        self._database = database
        self._keyring = keyring
        self._key: OKPKey | None = None

    async def key(self) -> OKPKey:
        """The newest private key."""
        if self._key is None:
            await self._keyring.load()
            async with self._database.transaction() as connection:
                newest = (await self._ensured_in_txn(connection))[0]
            private = await self._keyring.open(newest.sealed, _context(newest.key_id))
            self._key = OKPKey.import_key(json.loads(private))
        return self._key

    async def public_keys(self) -> KeySetSerialization:
        """The public keys as a JWK set (RFC 7517)."""
        await self._keyring.load()
        async with self._database.transaction() as connection:
            keys = await self._ensured_in_txn(connection)
        return {"keys": [{**key.public_jwk} for key in keys]}

    async def _ensured_in_txn(self, connection: Connection) -> list[AssertionKey]:
        await start_lock_in_txn(connection)
        keys = await assertion_key_list(connection)
        if not keys:
            keys = [await self._made()]
            await assertion_key_insert(connection, keys[0])
        return keys

    async def _made(self) -> AssertionKey:
        key_id = f"assertion-{int(self._now())}"
        parameters: KeyParameters = {"kid": key_id, "alg": ALGORITHM, "use": "sig"}
        key = OKPKey.generate_key("Ed25519", parameters, private=True)
        sealed = await self._keyring.seal(json.dumps(key.as_dict(private=True)), _context(key_id))
        public = {name: str(value) for name, value in key.as_dict(private=False).items() if isinstance(value, str)}
        return AssertionKey(key_id=key_id, public_jwk=public, sealed=sealed)


def _context(key_id: str) -> str:
    return f"auth.assertion_key/{key_id}"

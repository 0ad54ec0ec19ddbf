"""Auth's data keys; what they sealed is sealed anew by `resealing`. Apart from them: what seals the keys of people."""

import secrets

from shared.database import Database
from shared.keyring import DataKeys
from shared.secrets import NONCE_OCTETS, MasterKeys, Sealer, UnknownDataKeyError


class Keyring(DataKeys):
    """Seals and opens auth's secrets."""

    def __init__(self, masters: MasterKeys, database: Database, persons: MasterKeys) -> None:
        """Hold `masters`, and `persons`, which seal people's keys themselves; nothing is read yet.

        No backup has `persons`: what it has of people's keys opens no more once somebody is erased (decision 33).
        """
        super().__init__(masters, database, "auth")
        self._persons = Sealer(persons.keys, persons.active)

    @property
    def person_header(self) -> bytes:
        """How every person's key begins that is sealed as it is to be; what begins otherwise is to be sealed anew."""
        return self._persons.header

    def seal_person_key(self, key: bytes, place: str) -> bytes:
        """A person's key, sealed for its place."""
        return self._persons.seal(key, context=place, nonce=secrets.token_bytes(NONCE_OCTETS))

    async def open_person_key(self, sealed: bytes, place: str) -> bytes:
        """The inverse of `seal_person_key`; also of what was sealed by a data key, as it was until release 0.12.

        Raises:
            SecretsError: It belongs elsewhere, or its key is not here.
        """
        try:
            return self._persons.open(sealed, context=place)
        except UnknownDataKeyError:
            return await self.open_octets(sealed, place)

"""What is personal in the audit log: sealed under one key a person, which lies sealed itself and can be destroyed.

An entry holds `{"personal": {"account_key", "sealed"}}`. Once the person's key is gone nobody opens the value again,
while the entry, and the tree that commits to it, stay as they are.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import Final

from services.auth.keyring import Keyring
from services.auth.records.sealing import PersonalItem
from services.auth.store.sealing import person_key_list
from shared.audit import Personal
from shared.database import Connection, Database
from shared.secrets import KEY_OCTETS, NONCE_OCTETS, Sealer, SecretsError

_DATA_KEY: Final = "person"


def new_person_key() -> bytes:
    """A key for a person who has none yet."""
    return secrets.token_bytes(KEY_OCTETS)


def place_of_key(account_key: int) -> str:
    """Where a person's key lies sealed."""
    return f"auth.person_key/{account_key}"


def place_in_log(account_key: int) -> str:
    """The context of the person's values inside audit entries."""
    return f"audit/{account_key}"


def seal(person_key: bytes, account_key: int, text: str) -> bytes:
    """`text`, sealed for the person's entries."""
    nonce = secrets.token_bytes(NONCE_OCTETS)
    return _sealer(person_key).seal(text.encode(), context=place_in_log(account_key), nonce=nonce)


async def open_all(database: Database, keyring: Keyring, items: list[PersonalItem]) -> list[str | None]:
    """The text of each item in their order; None where the person's key is gone or the value is none of theirs."""
    accounts = sorted({item.account_key for item in items})
    sealed = await database.run(lambda connection: person_key_list(connection, accounts))
    sealers = {
        account_key: _sealer(await keyring.open_person_key(key, place_of_key(account_key)))
        for account_key, key in sealed.items()
    }
    return [_opened(sealers, item) for item in items]


def _opened(sealers: Mapping[int, Sealer], item: PersonalItem) -> str | None:
    sealer = sealers.get(item.account_key)
    if sealer is None or item.context != place_in_log(item.account_key):
        return None
    try:
        return sealer.open(base64.b64decode(item.sealed, validate=True), context=item.context).decode()
    except (SecretsError, binascii.Error, UnicodeDecodeError):
        return None


def _sealer(person_key: bytes) -> Sealer:
    return Sealer({_DATA_KEY: person_key}, _DATA_KEY)


async def key_in_txn(connection: Connection, keyring: Keyring, account_key: int) -> bytes | None:
    """The person's key in clear; None where it was destroyed."""
    found = (await person_key_list(connection, [account_key])).get(account_key)
    return None if found is None else await keyring.open_person_key(found, place_of_key(account_key))


async def said_in_txn(connection: Connection, keyring: Keyring, account_key: int, text: str) -> Personal | None:
    """`text` as a value of an audit entry, sealed for the person it tells of; None where their key is gone."""
    key = await key_in_txn(connection, keyring, account_key)
    return None if key is None else Personal(account_key, seal(key, account_key, text))


async def address_in_txn(connection: Connection, keyring: Keyring, account_key: int, address: str) -> Personal | None:
    """From where a request came, for an entry; None where nobody knows."""
    return await said_in_txn(connection, keyring, account_key, address) if address else None

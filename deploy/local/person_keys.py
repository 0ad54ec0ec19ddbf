"""The keys of people, each sealed by the file `secrets/person-keys.json` that no backup has; see `deploy/backup`."""

import secrets
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from deploy.local.errors import PlatformError
from deploy.local.state import StateFolder
from shared.secrets import NONCE_OCTETS, Sealer, SecretsError, UnknownDataKeyError, parse_master_keys

_ALL: Final = "SELECT account_key, sealed FROM auth.person_key ORDER BY account_key"
_UPDATE: Final = "UPDATE auth.person_key SET sealed = %s WHERE account_key = %s"


class PersonKeysError(PlatformError):
    """What seals the keys of people is not at hand, or is not what sealed them."""


def sealer_of(state: StateFolder) -> Sealer:
    """What seals them.

    Raises:
        PersonKeysError: The file cannot be read.
    """
    try:
        masters = parse_master_keys(state.person_keys.read_text(encoding="utf-8"))
    except (OSError, SecretsError) as error:
        raise PersonKeysError(f"{state.person_keys} cannot be read: {error}") from error
    return Sealer(masters.keys, masters.active)


def open_all(connection: psycopg.Connection[Any], sealer: Sealer) -> Iterator[tuple[int, bytes]]:
    """Everybody's key in clear, by account.

    Raises:
        PersonKeysError: One does not open.
    """
    for account_key, sealed in connection.execute(_ALL.encode()).fetchall():
        try:
            yield account_key, sealer.open(bytes(sealed), context=place_of(account_key))
        except UnknownDataKeyError as error:
            told = "auth has not sealed all keys of people by their own file yet: try again in a minute"
            raise PersonKeysError(told) from error
        except SecretsError as error:
            raise PersonKeysError(f"the key of account {account_key} does not open: {error}") from error


def put(connection: psycopg.Connection[Any], sealer: Sealer, account_key: int, key: bytes) -> None:
    """Have that key lie sealed for that account, in place of the one that does."""
    sealed = sealer.seal(key, context=place_of(account_key), nonce=secrets.token_bytes(NONCE_OCTETS))
    connection.execute(_UPDATE.encode(), [sealed, account_key])


def reseal(connection: psycopg.Connection[Any], sealer: Sealer) -> int:
    """Seal every one by the active key of the file; returns how many there are.

    Raises:
        PersonKeysError: One does not open; nothing was changed.
    """
    count = 0
    with connection.transaction():
        connection.execute("LOCK TABLE auth.person_key IN SHARE ROW EXCLUSIVE MODE")
        for account_key, key in open_all(connection, sealer):
            put(connection, sealer, account_key, key)
            count += 1
    return count


def place_of(account_key: int) -> str:
    """Where a person's key lies sealed. Source: services/auth/personal.py."""
    return f"auth.person_key/{account_key}"

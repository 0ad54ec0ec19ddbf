"""Further accounts, put straight into the database: accounts are made by nobody yet."""

import secrets

from attrs import frozen

from shared.api_keys import ENTROPY_OCTETS, key_hash, key_id, mint
from tests.harness.clients import Account, new_name
from tests.harness.running import RunningPlatform


@frozen
class Stranger:
    """Another account of the installation, with an API key of its own."""

    account_key: int
    account: Account


def add_stranger(platform: RunningPlatform) -> Stranger:
    """A new active account and a key that opens it."""
    login, key = new_name("stranger@example.com"), mint(secrets.token_bytes(ENTROPY_OCTETS))
    with platform.database() as connection:
        row = connection.execute(
            "INSERT INTO auth.account (login_name, login_canonical, state) VALUES (%s, %s, 'active')"
            " RETURNING account_key",
            [login, login],
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO auth.api_key (key_id, account_key, name, key_hash, scopes, ends_at)"
            " VALUES (%s, %s, 'test', %s, '{all}', now() + interval '1 hour')",
            [key_id(key), row[0], key_hash(key)],
        )
    return Stranger(row[0], Account(platform, key))

"""Further accounts, put straight into the database, and into projects: a thousand of them within a second."""

import secrets
from collections.abc import Iterable, Sequence

from attrs import frozen

from shared.api_keys import ENTROPY_OCTETS, key_hash, key_id, mint
from tests.harness.clients import Account, new_name
from tests.harness.running import RunningPlatform


@frozen
class Stranger:
    """Another account of the installation, with an API key of its own."""

    account_key: int
    account: Account
    login_name: str


def add_strangers(platform: RunningPlatform, number: int) -> list[Stranger]:
    """New active accounts, each with a key that opens it."""
    keys = {new_name("stranger@example.com"): mint(secrets.token_bytes(ENTROPY_OCTETS)) for _ in range(number)}
    with platform.database() as connection, connection.transaction():
        rows = connection.execute(
            "INSERT INTO auth.account (login_name, login_canonical, state)"
            " SELECT name, name, 'active' FROM unnest(%s::text[]) name RETURNING account_key, login_name",
            [list(keys)],
        ).fetchall()
        connection.cursor().executemany(
            "INSERT INTO auth.api_key (key_id, account_key, name, key_hash, scopes, ends_at)"
            " VALUES (%s, %s, 'test', %s, '{all}', now() + interval '1 day')",
            [(key_id(keys[login]), account_key, key_hash(keys[login])) for account_key, login in rows],
        )
    return [Stranger(account_key, Account(platform, keys[login]), login) for account_key, login in rows]


def add_stranger(platform: RunningPlatform) -> Stranger:
    """A new active account and a key that opens it."""
    (stranger,) = add_strangers(platform, 1)
    return stranger


def make_members(
    platform: RunningPlatform, project: int, people: Sequence[Stranger], flags: Iterable[tuple[str, int, str]]
) -> None:
    """Put people of whom nobody has heard yet into a project, each with `flags`: kind, key and flag of a grant.

    Straight into the tables, without history: by invitations a thousand of them would take minutes.
    """
    keys = [each.account_key for each in people]
    with platform.database() as connection, connection.transaction():
        connection.execute(
            "INSERT INTO privileges.member (project_key, account_key, since) SELECT %s, person, now()"
            " FROM unnest(%s::bigint[]) person",
            [project, keys],
        )
        for kind, key, flag in flags:
            connection.execute(
                "INSERT INTO privileges.held_flag (account_key, kind, asset_key, flag, domain_kind, domain_key,"
                " is_visit, given_at) SELECT person, %s, %s, %s, 'project', %s, false, now()"
                " FROM unnest(%s::bigint[]) person",
                [kind, key, flag, project, keys],
            )

"""The first owner's account and API key, made on the first start from a key that waits in a file.

The file holds the key in clear and stays the operator's; only its hash is kept. A new file (delete it, start again)
makes a new key and ends the old one. An installation that has accounts gets no further first owner, also where the
first one was erased.
"""

from datetime import datetime
from typing import Final

import structlog
from attrs import evolve

from services.auth import personal
from services.auth.keyring import Keyring
from services.auth.rules.api_keys import opens
from services.auth.store.accounts import account_count, account_find_by_login, account_insert_first
from services.auth.store.api_keys import api_key_end_first, api_key_find, api_key_insert_first
from services.auth.store.sealing import person_key_insert, start_lock_in_txn
from shared import api_keys, audit
from shared.database import Connection, Database
from shared.names import canonical_name
from shared.settings import SettingsError

log = structlog.get_logger()

KEY_ENDED: Final = "the first owner's key file holds a key that has ended; delete the file and start again"
HAS_ACCOUNTS: Final = "this installation has accounts, and none of the first owner's name"
AUTH = audit.Actor(audit.ActorKind.SERVICE, "auth")


async def ensure(database: Database, keyring: Keyring, login_name: str, key: str, *, now: datetime) -> str:
    """Make sure that the first owner can sign in with `key`; does nothing when they already can.

    Returns:
        What the operator should know: empty, or that the file holds a key which does not open any more.

    Raises:
        SettingsError: `key` is not of the form of an API key.
        UnavailableError: The database is away.
    """
    if not api_keys.is_well_formed(key):
        raise SettingsError("IRONFLOCK_AUTH_FIRST_OWNER_KEY_FILE does not hold an API key")
    person_key = personal.new_person_key()
    await keyring.load()
    async with database.transaction() as connection:
        await start_lock_in_txn(connection)
        account = await account_find_by_login(connection, canonical_name(login_name))
        if account is None and await account_count(connection):
            log.warning("first_owner_not_made", reason=HAS_ACCOUNTS)
            return HAS_ACCOUNTS
        account_key = (
            account.account_key if account else await _create_in_txn(connection, keyring, login_name, person_key)
        )
        return await _ensure_key_in_txn(connection, account_key, key, now)


async def _create_in_txn(connection: Connection, keyring: Keyring, login_name: str, person_key: bytes) -> int:
    account_key = await account_insert_first(connection, login_name, canonical_name(login_name))
    sealed = keyring.seal_person_key(person_key, personal.place_of_key(account_key))
    await person_key_insert(connection, account_key, sealed)
    said = audit.Personal(account_key, personal.seal(person_key, account_key, login_name))
    await audit.record(
        connection,
        audit.Draft(
            action=audit.Action.ACCOUNT_CREATED,
            aspect=audit.Aspect.EXISTENCE,
            actor=AUTH,
            asset=audit.Asset("account", account_key),
            after={"login_name": said.value()},
            reason="first owner of the installation",
        ),
    )
    log.info("first_owner_created", account_key=account_key)
    return account_key


async def _ensure_key_in_txn(connection: Connection, account_key: int, key: str, now: datetime) -> str:
    key_id = api_keys.key_id(key)
    known = await api_key_find(connection, key_id)
    if known is not None:
        if not opens(known, presented=api_keys.key_hash(key), now=now):
            # Not a reason to keep devices out: auth serves, and health says what to do.
            log.error("first_owner_key_ended", api_key=key_id)
            return KEY_ENDED
        return ""
    for ended in await api_key_end_first(connection, account_key):
        await audit.record(connection, _about_key(audit.Action.API_KEY_ENDED, account_key, ended))
    await api_key_insert_first(connection, key_id, account_key, api_keys.key_hash(key))
    await audit.record(connection, _about_key(audit.Action.API_KEY_CREATED, account_key, key_id))
    log.info("first_owner_key_created", account_key=account_key, api_key=key_id)
    return ""


def _about_key(action: audit.Action, account_key: int, key_id: str) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.CREDENTIAL,
        actor=evolve(AUTH, on_behalf_of=account_key),
        asset=audit.Asset("api_key", key_id),
        after={"account_key": account_key} if action is audit.Action.API_KEY_CREATED else None,
        reason="first owner's key from the operator's file",
    )

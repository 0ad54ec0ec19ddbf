"""API keys of people and of their service accounts: made, rotated, ended.

The text of a key is shown once, when it is made; its SHA-256 is kept. A key made by another credential reaches no
further than that one. Rotating makes a key like the old one, which then opens for the overlap and no longer.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import evolve

from services.auth.mailing import Mailing
from services.auth.persons import person_in_txn
from services.auth.records.api_keys import (
    MAX_KEYS,
    ApiKeyView,
    CreateApiKey,
    EndApiKey,
    NewApiKey,
    RotateApiKey,
)
from services.auth.rules.api_keys import end_of, life_of_next
from services.auth.store.api_keys import (
    api_key_count_alive,
    api_key_end,
    api_key_has_next,
    api_key_insert,
    api_key_list,
    api_key_lock_in_txn,
    api_key_shorten,
    service_account_lock_in_txn,
)
from shared import api_keys, audit
from shared.database import Connection, Database
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.identities import Person
from shared.names import clean_name, clean_text
from shared.scopes import parse_scopes

NO_KEY: Final = "there is no such API key, or it has ended"
NO_SERVICE_ACCOUNT: Final = "there is no such service account"
TOO_MANY: Final = f"an account has {MAX_KEYS} API keys at most; end those that nobody uses"
TOO_FAR: Final = "a key cannot reach further than what you are signed in with"


class ApiKeys:
    """The keys that people make."""

    def __init__(self, database: Database, mailing: Mailing, now: Callable[[], float]) -> None:
        """Keep them in `database`; their people are told with `mailing`; `now` gives Unix seconds."""
        self._now = now
        self._database = database
        self._mailing = mailing

    async def create(self, person: Person, request: CreateApiKey) -> NewApiKey:
        """A key for the person, or for one of their service accounts.

        Raises:
            InvalidArgumentError: Name, scopes or end date are none.
            NotAuthorizedError: It would reach further than what the person is there by.
            NotFoundError, OverLimitError: They own no such service account; it has all the keys it may have.
        """
        name = clean_name(request.name, what="name")
        scopes = parse_scopes(request.scopes)
        ends_at = end_of(request.ends_at, self._at())
        if not person.scopes.covers(scopes):
            raise NotAuthorizedError(TOO_FAR)
        async with self._database.transaction() as connection:
            holder = await _holder_in_txn(connection, person, request.account_key or person.account_key)
            return await self._insert_in_txn(connection, person, _minted(holder, name, scopes.texts, ends_at))

    async def of(self, person: Person, account_key: int | None) -> list[ApiKeyView]:
        """The person's keys, or those of one of their service accounts.

        Raises:
            NotFoundError: They own no such service account.
        """
        async with self._database.transaction() as connection:
            return await api_key_list(
                connection, await _holder_in_txn(connection, person, account_key or person.account_key)
            )

    async def rotate(self, person: Person, request: RotateApiKey) -> NewApiKey:
        """A key like the old one, which lives as long as that was meant to; the old one ends with the overlap.

        Raises:
            NotFoundError: The person has no such key, or it has ended.
            ConflictError: It was rotated, and the key that follows it opens.
            NotAuthorizedError: It reaches further than what the person is there by.
        """
        async with self._database.transaction() as connection:
            old = await _own_in_txn(connection, person, request.key_id)
            if not person.scopes.covers(parse_scopes(old.scopes)):
                raise NotAuthorizedError(TOO_FAR)
            if await api_key_has_next(connection, old.key_id):
                raise ConflictError("this key was rotated already; rotate the one that follows it")
            now = self._at()
            overlap_ends_at = min(old.ends_at, now + timedelta(seconds=request.overlap_s))
            ends_at = now + life_of_next(old.created_at, old.ends_at)
            new = _minted(old.account_key, old.name, old.scopes, ends_at)
            await api_key_shorten(connection, old.key_id, overlap_ends_at)
            rotated = {"into": new.key_id, "ends_at": overlap_ends_at.isoformat()}
            await audit.record(connection, evolve(_about(audit.Action.API_KEY_ROTATED, person, old), after=rotated))
            return await self._insert_in_txn(connection, person, new, rotated_from=old.key_id)

    async def end(self, person: Person, request: EndApiKey) -> None:
        """The key opens nothing any more, and what it opened on the bus ends.

        Raises:
            NotFoundError: The person has no such key, or it has ended.
        """
        reason = clean_text(request.reason, what="reason")
        async with self._database.transaction() as connection:
            key = await _own_in_txn(connection, person, request.key_id)
            await api_key_end(connection, key.key_id, reason or "ended by its person")
            await audit.record(
                connection, evolve(_about(audit.Action.API_KEY_ENDED, person, key), reason=reason or None)
            )

    def _at(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    async def _insert_in_txn(
        self, connection: Connection, person: Person, new: NewApiKey, *, rotated_from: str | None = None
    ) -> NewApiKey:
        # Whoever has all the keys they may have rotates them still: the old ones end with their overlap.
        most = MAX_KEYS if rotated_from is None else 2 * MAX_KEYS
        if await api_key_count_alive(connection, new.account_key) >= most:
            raise OverLimitError(TOO_MANY)
        await api_key_insert(
            connection,
            new.key_id,
            api_keys.key_hash(new.key),
            account_key=new.account_key,
            name=new.name,
            scopes=new.scopes,
            ends_at=new.ends_at,
            created_by=person.account_key,
            rotated_from=rotated_from,
        )
        after = {"account_key": new.account_key, "scopes": new.scopes, "ends_at": new.ends_at.isoformat()}
        await audit.record(connection, evolve(_about(audit.Action.API_KEY_CREATED, person, new), after=after))
        await self._mailing.tell_in_txn(connection, await person_in_txn(connection, person.account_key), "api_key")
        return new


async def _holder_in_txn(connection: Connection, person: Person, account_key: int) -> int:
    """The account whose keys are meant, its row locked: the person's own, or a service account of theirs."""
    if account_key == person.account_key:
        return (await person_in_txn(connection, account_key)).account_key
    found = await service_account_lock_in_txn(connection, person.account_key, account_key)
    if found is None:
        raise NotFoundError(NO_SERVICE_ACCOUNT)
    return found.account_key


async def _own_in_txn(connection: Connection, person: Person, key_id: str) -> ApiKeyView:
    key = await api_key_lock_in_txn(connection, key_id)
    if key is None:
        raise NotFoundError(NO_KEY)
    if key.account_key != person.account_key:
        found = await service_account_lock_in_txn(connection, person.account_key, key.account_key)
        if found is None:
            raise NotFoundError(NO_KEY)
    return key


def _minted(account_key: int, name: str, scopes: list[str], ends_at: datetime) -> NewApiKey:
    text = api_keys.mint(secrets.token_bytes(api_keys.ENTROPY_OCTETS))
    return NewApiKey(api_keys.key_id(text), text, account_key, name, scopes, ends_at)


def _about(action: audit.Action, person: Person, key: NewApiKey | ApiKeyView) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.CREDENTIAL,
        actor=audit.actor_of(person),
        asset=audit.Asset("api_key", key.key_id),
        session=person.session or None,
    )

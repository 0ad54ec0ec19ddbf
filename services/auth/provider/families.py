"""Families of tokens: all that came from one grant. A family ends as a whole, and with the session it lives from."""

from typing import Final

from services.auth.records.provider import Subject
from services.auth.store.grants import (
    begun_end,
    family_end,
    family_end_with_sessions,
    family_list_of_client,
    grants_sweep,
)
from shared import audit
from shared.database import Connection, Database

REPLAYED: Final = "a code or refresh token of it was used twice"


class Families:
    """Ends families whose sessions have ended; found in the rows, whoever ended those."""

    def __init__(self, database: Database) -> None:
        """Look into `database`."""
        self._database = database

    async def keep_up(self) -> None:
        """End those whose sessions have ended since, and note the clients that must be told."""
        async with self._database.transaction() as connection:
            for family_id, account_key in await family_end_with_sessions(connection):
                await audit.record(connection, _ended(family_id, account_key, "its session ended"))

    async def sweep(self) -> None:
        """Forget what ended long ago."""
        async with self._database.transaction() as connection:
            await grants_sweep(connection)


async def end_in_txn(connection: Connection, family_id: str, because: str) -> None:
    """End the family; of no effect where it has ended."""
    account_key = await family_end(connection, family_id, because)
    if account_key is not None:
        await audit.record(connection, _ended(family_id, account_key, because))


async def end_of_client_in_txn(connection: Connection, client_id: str, account_key: int | None, because: str) -> None:
    """End every family of the client, of one person or of all, and what would have become one."""
    await begun_end(connection, client_id, account_key)
    for family_id in await family_list_of_client(connection, client_id, account_key):
        await end_in_txn(connection, family_id, because)


async def replayed_in_txn(connection: Connection, family_id: str) -> None:
    """Somebody has two copies of what is used once: the family ends, whoever of them is the thief (RFC 9700)."""
    account_key = await family_end(connection, family_id, REPLAYED)
    if account_key is not None:
        draft = _draft(audit.Action.REFRESH_TOKEN_REPLAYED, family_id, account_key)
        await audit.record(connection, draft)
        await audit.record(connection, _ended(family_id, account_key, REPLAYED))


async def started_in_txn(connection: Connection, subject: Subject, client_id: str, new_session: str | None) -> None:
    """A client got its first tokens; recorded where they live from a session of their own."""
    if new_session is None:
        return
    await audit.record(
        connection,
        audit.Draft(
            action=audit.Action.SESSION_STARTED,
            aspect=audit.Aspect.ACCESS,
            actor=audit.Actor(audit.ActorKind.PERSON, subject.account_key, credential=new_session),
            asset=audit.Asset("session", new_session),
            after={"client": client_id, "by": subject.amr},
        ),
    )


def _ended(family_id: str, account_key: int, because: str) -> audit.Draft:
    return _draft(audit.Action.TOKEN_FAMILY_ENDED, family_id, account_key, because)


def _draft(action: audit.Action, family_id: str, account_key: int, reason: str | None = None) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.CREDENTIAL,
        actor=audit.Actor(audit.ActorKind.SERVICE, "auth", on_behalf_of=account_key),
        asset=audit.Asset("token_family", family_id),
        reason=reason,
    )

"""The person of an account, or the refusal that there is none."""

from typing import Final

from services.auth.records.people import PersonAccount
from services.auth.store.people import person_lock_in_txn
from shared.database import Connection
from shared.errors import NotFoundError

NO_ACCOUNT: Final = "there is no such account"


async def person_in_txn(connection: Connection, account_key: int) -> PersonAccount:
    """The account, its row locked.

    Raises:
        NotFoundError: There is none.
    """
    person = await person_lock_in_txn(connection, account_key)
    if person is None:
        raise NotFoundError(NO_ACCOUNT)
    return person

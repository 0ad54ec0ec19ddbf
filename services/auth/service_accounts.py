"""Service accounts: a person's accounts for programs. Nobody signs in by them; they have API keys alone."""

from typing import Final

from psycopg.errors import UniqueViolation

from services.auth.links import done_by
from services.auth.records.api_keys import MAX_SERVICE_ACCOUNTS, ServiceAccount
from services.auth.store.accounts import account_erase
from services.auth.store.api_keys import (
    api_key_end_all,
    service_account_insert,
    service_account_list,
    service_account_lock_in_txn,
)
from shared import audit
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, NotFoundError, OverLimitError
from shared.identities import Person
from shared.names import canonical_name, clean_name

NO_SERVICE_ACCOUNT: Final = "there is no such service account"
TOO_MANY: Final = f"a person has {MAX_SERVICE_ACCOUNTS} service accounts at most"
ENDED: Final = "its service account was ended"


class ServiceAccounts:
    """The service accounts of people."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database

    async def create(self, person: Person, name: str) -> ServiceAccount:
        """A service account that the person owns.

        Raises:
            InvalidArgumentError, AlreadyExistsError, OverLimitError: The name is none; they have one of that name; they
                have all that they may have.
        """
        said = clean_name(name, what="name")
        login = f"service/{person.account_key}/{canonical_name(said)}"
        try:
            async with self._database.transaction() as connection:
                if len(await service_account_list(connection, person.account_key)) >= MAX_SERVICE_ACCOUNTS:
                    raise OverLimitError(TOO_MANY)
                account_key = await service_account_insert(connection, person.account_key, said, login)
                await audit.record(connection, done_by(person, audit.Action.SERVICE_ACCOUNT_CREATED, account_key))
                created = await service_account_lock_in_txn(connection, person.account_key, account_key)
        except UniqueViolation as error:
            raise AlreadyExistsError(f"you have a service account {said!r} already", name=said) from error
        if created is None:
            raise LookupError("a row that was inserted is not there")
        return created

    async def of(self, person: Person) -> list[ServiceAccount]:
        """Those that the person owns."""
        return await self._database.run(lambda connection: service_account_list(connection, person.account_key))

    async def owned(self, person: Person, account_key: int) -> None:
        """Let pass whoever owns the service account.

        Raises:
            NotFoundError: They own none of that key.
        """
        if account_key not in {account.account_key for account in await self.of(person)}:
            raise NotFoundError(NO_SERVICE_ACCOUNT)

    async def end(self, person: Person, account_key: int) -> None:
        """The account and its keys open nothing any more, for good.

        Raises:
            NotFoundError: The person owns none of that key.
        """
        async with self._database.transaction() as connection:
            if await service_account_lock_in_txn(connection, person.account_key, account_key) is None:
                raise NotFoundError(NO_SERVICE_ACCOUNT)
            await end_in_txn(connection, person, account_key)


async def end_all_in_txn(connection: Connection, person: Person) -> None:
    """End every service account that the person owns."""
    for account in await service_account_list(connection, person.account_key):
        await end_in_txn(connection, person, account.account_key)


async def end_in_txn(connection: Connection, person: Person, account_key: int) -> None:
    """End the service account and every key of it."""
    await account_erase(connection, account_key)
    for key_id in await api_key_end_all(connection, account_key):
        await audit.record(
            connection,
            audit.Draft(
                action=audit.Action.API_KEY_ENDED,
                aspect=audit.Aspect.CREDENTIAL,
                actor=audit.actor_of(person),
                asset=audit.Asset("api_key", key_id),
                reason=ENDED,
                session=person.session or None,
            ),
        )
    await audit.record(connection, done_by(person, audit.Action.SERVICE_ACCOUNT_ENDED, account_key))

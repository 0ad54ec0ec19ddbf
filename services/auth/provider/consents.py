"""What people let clients do: asked once, kept, taken back; clients of the installation itself are not asked for."""

from services.auth.provider.families import end_of_client_in_txn
from services.auth.records.provider import Client, ConsentView
from services.auth.store.clients import consent_delete, consent_find, consent_list, consent_upsert
from shared import audit
from shared.database import Database
from shared.errors import NotFoundError
from shared.identities import Person


class Consents:
    """The consents of this installation."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database

    async def covers(self, account_key: int, client: Client, scopes: list[str]) -> bool:
        """Whether the client may have these scopes without asking."""
        if client.is_first_party:
            return True
        granted = await self._database.run(lambda connection: consent_find(connection, account_key, client.client_id))
        return set(scopes) <= set(granted)

    async def grant(self, person: Person, client: Client, scopes: list[str]) -> None:
        """The person lets the client have these scopes."""
        async with self._database.transaction() as connection:
            await consent_upsert(connection, person.account_key, client.client_id, sorted(scopes))
            await audit.record(
                connection, _about(audit.Action.CONSENT_GRANTED, person, client.client_id, {"scopes": scopes})
            )

    async def of(self, person: Person) -> list[ConsentView]:
        """What the person has granted."""
        return await self._database.run(lambda connection: consent_list(connection, person.account_key))

    async def revoke(self, person: Person, client_id: str) -> None:
        """The person grants the client nothing any more; every token that it has of them ends.

        Raises:
            NotFoundError: They granted it nothing.
        """
        async with self._database.transaction() as connection:
            if "\0" in client_id or not await consent_delete(connection, person.account_key, client_id):
                raise NotFoundError("you have granted this client nothing")
            await end_of_client_in_txn(connection, client_id, person.account_key, "its person took the consent back")
            await audit.record(connection, _about(audit.Action.CONSENT_REVOKED, person, client_id, None))


def _about(action: audit.Action, person: Person, client_id: str, after: dict[str, list[str]] | None) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.CONSENT,
        actor=audit.actor_of(person),
        asset=audit.Asset("client", client_id),
        after=after,
        session=person.session or None,
    )

"""Where projects are: clusters, and the choice of one for a project that is new."""

from typing import Final

from attrs import evolve
from psycopg.errors import UniqueViolation

from services.realms.drafts import draft
from services.realms.records.clusters import AddCluster, Cluster, UpdateCluster
from services.realms.rules.placement import chosen
from services.realms.store import clusters as store
from shared import audit
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from shared.rights.decision_point import Rights
from shared.rights.records import INSTALLATION, Asset

HERE: Final = Asset(AssetKind.INSTALLATION, INSTALLATION.key)
FLAG: Final = "PLACE"
NO_CLUSTER: Final = "there is no database server of that name"


class Placing:
    """Knows clusters and changes them, for whoever has `PLACE` on the installation."""

    def __init__(self, database: Database, rights: Rights) -> None:
        """Keep them in `database`; `rights` knows who may."""
        self._database = database
        self._rights = rights

    async def require(self, person: Person) -> None:
        """Let pass whoever may say where projects live.

        Raises:
            NotAuthorizedError: They may not.
        """
        await self._rights.require(person, FLAG, HERE, INSTALLATION, absent="")  # it is there, and everybody knows

    async def cluster_add(self, person: Person, asked: AddCluster) -> Cluster:
        """A new cluster, to which projects come once the provisioner has reached it.

        Raises:
            AlreadyExistsError: There is one of that name.
        """
        try:
            async with self._database.transaction() as connection:
                await store.cluster_insert(connection, asked.name, asked.region, asked.capacity)
                found = await _found(connection, asked.name)
                await audit.record(connection, _entry(person, audit.Action.CLUSTER_ADDED, found))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"there is a database server {asked.name!r} already", name=asked.name) from error
        return found

    async def cluster_list(self) -> list[Cluster]:
        """All of them."""
        return await self._database.run(store.cluster_list)

    async def cluster_update(self, person: Person, asked: UpdateCluster) -> Cluster:
        """The cluster, after its state or capacity was changed.

        Raises:
            NotFoundError: There is none of that name.
        """
        async with self._database.transaction() as connection:
            await store.cluster_lock_in_txn(connection)
            before = await _found(connection, asked.cluster)
            after = evolve(
                before,
                state=before.state if asked.state is None else asked.state,
                capacity=before.capacity if asked.capacity is None else asked.capacity,
            )
            if after != before:
                await store.cluster_update(connection, after, person.account_key)
                entry = _entry(person, audit.Action.CLUSTER_CHANGED, after, before)
                await audit.record(connection, entry)
        return after


async def place_in_txn(connection: Connection, region: str | None) -> Cluster:
    """The cluster of a project that is made in this transaction.

    Raises:
        InvalidArgumentError, OverLimitError: There is no such region; no cluster there takes projects.
    """
    await store.cluster_lock_in_txn(connection)
    return chosen(await store.cluster_list(connection), region)


async def _found(connection: Connection, name: str) -> Cluster:
    found = await store.cluster_find(connection, name)
    if found is None:
        raise NotFoundError(NO_CLUSTER)
    return found


def _entry(person: Person, action: audit.Action, after: Cluster, before: Cluster | None = None) -> audit.Draft:
    return draft(
        person,
        action,
        audit.Asset("cluster", after.cluster_key),
        aspect=audit.Aspect.STATE if before else audit.Aspect.EXISTENCE,
        before=None if before is None else {"state": before.state.value, "capacity": before.capacity},
        after={
            "name": after.name,
            "region": after.region,
            "state": after.state.value,
            "capacity": after.capacity,
        },
    )

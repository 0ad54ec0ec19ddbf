"""Where projects are: clusters and cells, and the choice of one of each for a project that is new."""

from collections.abc import Iterable
from typing import Final

from attrs import evolve, frozen
from psycopg.errors import UniqueViolation

from services.realms.drafts import draft
from services.realms.records.cells import AddCell, Cell, UpdateCell
from services.realms.records.clusters import AddCluster, Cluster, UpdateCluster
from services.realms.rules.placement import chosen, chosen_cell
from services.realms.store import cells
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
NO_CELL: Final = "there is no cell of that name"


@frozen
class Placed:
    """Where a new project comes."""

    cluster: Cluster
    cell: Cell


class Placing:
    """Knows clusters and cells and changes them, for whoever has `PLACE` on the installation."""

    def __init__(self, database: Database, rights: Rights, known: Iterable[str]) -> None:
        """Keep them in `database`; `rights` knows who may, and `known` are the cells that the settings name."""
        self._database = database
        self._rights = rights
        self._known = frozenset(known)

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
            raise AlreadyExistsError(
                f"there is a database server {asked.name!r} already, or was one that is forgotten", name=asked.name
            ) from error
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

    async def cell_add(self, person: Person, asked: AddCell) -> Cell:
        """A new cell, to which projects come where the settings name it.

        Raises:
            AlreadyExistsError: There is one of that name, or with that endpoint.
        """
        try:
            async with self._database.transaction() as connection:
                await cells.cell_insert(
                    connection,
                    name=asked.name,
                    region=asked.region,
                    endpoint=asked.endpoint,
                    capacity=asked.capacity,
                )
                found = await _found_cell(connection, asked.name)
                await audit.record(connection, _cell_entry(person, audit.Action.CELL_ADDED, found))
        except UniqueViolation as error:
            raise AlreadyExistsError("there is a cell of that name, or with that endpoint, already") from error
        return self._judged(found)

    async def cell_list(self) -> list[Cell]:
        """All of them."""
        return [self._judged(each) for each in await self._database.run(cells.cell_list)]

    async def cell_update(self, person: Person, asked: UpdateCell) -> Cell:
        """The cell, after its state or capacity was changed; the projects that it has stay.

        Raises:
            NotFoundError: There is none of that name.
        """
        async with self._database.transaction() as connection:
            await cells.cell_lock_in_txn(connection)
            before = await _found_cell(connection, asked.cell)
            after = evolve(
                before,
                state=before.state if asked.state is None else asked.state,
                capacity=before.capacity if asked.capacity is None else asked.capacity,
            )
            if after != before:
                await cells.cell_update(connection, after)
                await audit.record(connection, _cell_entry(person, audit.Action.CELL_CHANGED, after, before))
        return self._judged(after)

    async def place_in_txn(self, connection: Connection, region: str | None) -> Placed:
        """The cluster and the cell of a project that is made in this transaction.

        Raises:
            InvalidArgumentError, OverLimitError: There is no such region; nothing there takes projects.
        """
        await store.cluster_lock_in_txn(connection)
        cluster = chosen(await store.cluster_list(connection), region)
        await cells.cell_lock_in_txn(connection)
        return Placed(cluster, chosen_cell(await cells.cell_list(connection), cluster.region, self._known))

    def _judged(self, cell: Cell) -> Cell:
        return evolve(cell, is_known=cell.name in self._known)


async def _found_cell(connection: Connection, name: str) -> Cell:
    found = await cells.cell_find(connection, name)
    if found is None:
        raise NotFoundError(NO_CELL)
    return found


def _cell_entry(person: Person, action: audit.Action, after: Cell, before: Cell | None = None) -> audit.Draft:
    return draft(
        person,
        action,
        audit.Asset("cell", after.cell_key),
        aspect=audit.Aspect.STATE if before else audit.Aspect.EXISTENCE,
        before=None if before is None else {"state": before.state.value, "capacity": before.capacity},
        after={
            "name": after.name,
            "region": after.region,
            "endpoint": after.endpoint,
            "state": after.state.value,
            "capacity": after.capacity,
        },
    )


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

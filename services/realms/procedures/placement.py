"""Where projects live, for whoever has `PLACE` on the installation."""

from services.realms.assembly import Parts
from services.realms.records.cells import AddCell, Cell, CellList, UpdateCell
from services.realms.records.clusters import (
    AddCluster,
    Cluster,
    ClusterList,
    ForgetCluster,
    ForgottenCluster,
    UpdateCluster,
)
from shared.identities import Person
from shared.procedures import NoArguments, for_people


class PlacementProcedures:
    """Realms' procedures about clusters and cells."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._placing = parts.placing
        self._forgetting = parts.forgetting

    @for_people("ironflock.realms.cluster.add", AddCluster)
    async def cluster_add(self, person: Person, request: AddCluster) -> Cluster:
        """Make a database server known that the processes' settings name; projects come once it was reached."""
        await self._placing.require(person)
        return await self._placing.cluster_add(person, request)

    @for_people("ironflock.realms.cluster.list", is_reading=True)
    async def cluster_list(self, person: Person, _: NoArguments) -> ClusterList:
        """The database servers that have projects, and how full they are."""
        await self._placing.require(person)
        return ClusterList(await self._placing.cluster_list())

    @for_people("ironflock.realms.cluster.update", UpdateCluster)
    async def cluster_update(self, person: Person, request: UpdateCluster) -> Cluster:
        """Whether a database server takes new projects, and how many it may have."""
        await self._placing.require(person)
        return await self._placing.cluster_update(person, request)

    @for_people("ironflock.realms.cluster.forget", ForgetCluster)
    async def cluster_forget(self, person: Person, request: ForgetCluster) -> ForgottenCluster:
        """Give up a database server for good, with whatever is on it."""
        await self._placing.require(person)
        return await self._forgetting.cluster_forget(person, request)

    @for_people("ironflock.realms.cell.add", AddCell)
    async def cell_add(self, person: Person, request: AddCell) -> Cell:
        """Make a cell known: a router that the processes' settings name, and what devices of its projects dial."""
        await self._placing.require(person)
        return await self._placing.cell_add(person, request)

    @for_people("ironflock.realms.cell.list", is_reading=True)
    async def cell_list(self, person: Person, _: NoArguments) -> CellList:
        """The cells that have projects, and how full they are."""
        await self._placing.require(person)
        return CellList(await self._placing.cell_list())

    @for_people("ironflock.realms.cell.update", UpdateCell)
    async def cell_update(self, person: Person, request: UpdateCell) -> Cell:
        """Whether a cell takes new projects, and how many it may have; a project stays in its cell."""
        await self._placing.require(person)
        return await self._placing.cell_update(person, request)

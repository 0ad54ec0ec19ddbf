"""Where projects live, for whoever has `PLACE` on the installation."""

from services.realms.assembly import Parts
from services.realms.records.clusters import AddCluster, Cluster, ClusterList, UpdateCluster
from shared.identities import Person
from shared.procedures import NoArguments, for_people


class PlacementProcedures:
    """Realms' procedures about clusters."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._placing = parts.placing

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

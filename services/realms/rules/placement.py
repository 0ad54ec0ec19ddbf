"""On which cluster, and in which cell, a new project comes."""

from collections.abc import Collection, Sequence

from services.realms.records.cells import Cell
from services.realms.records.clusters import Cluster, ClusterState
from shared.errors import InvalidArgumentError, OverLimitError


def chosen(clusters: Sequence[Cluster], region: str | None) -> Cluster:
    """The emptiest one of `region` that is open, has room, and was reached; of two, the one that was added earlier.

    Without a region it is that of the first cluster.

    Raises:
        InvalidArgumentError: There is no such region.
        OverLimitError: None there takes projects now.
    """
    wanted = region or min(clusters, key=lambda each: each.cluster_key).region
    there = [each for each in clusters if each.region == wanted]
    if not there:
        regions = ", ".join(sorted({each.region for each in clusters}))
        raise InvalidArgumentError(f"there is no region {wanted!r}; there are: {regions}", argument="region")
    free = [each for each in there if takes_projects(each)]
    if not free:
        raise OverLimitError(f"no database server of the region {wanted!r} takes projects now")
    return min(free, key=lambda each: (each.projects / each.capacity, each.cluster_key))


def heir(clusters: Sequence[Cluster], forgotten: Cluster) -> Cluster:
    """To which cluster the projects of one that is forgotten come: as new ones of its region would, else to the first.

    Args:
        clusters: All there are, `forgotten` among them or not.
    """
    others = [each for each in clusters if each.cluster_key != forgotten.cluster_key]
    there = [each for each in others if each.region == forgotten.region and takes_projects(each)]
    if there:
        return chosen(there, forgotten.region)
    return min(others, key=lambda each: each.cluster_key)


def takes_projects(cluster: Cluster) -> bool:
    """Whether one more may come."""
    is_open = cluster.state is ClusterState.OPEN and cluster.reached_at is not None
    return is_open and cluster.projects < cluster.capacity


def chosen_cell(cells: Sequence[Cell], region: str, known: Collection[str]) -> Cell:
    """The emptiest one of `region` that is open, has room, and is `known`; of two, the one that was added earlier.

    A region without cells is served by those of the first cell's.

    Raises:
        OverLimitError: None there takes projects now.
    """
    has_own = any(each.region == region for each in cells)
    wanted = region if has_own else min(cells, key=lambda each: each.cell_key).region
    free = [each for each in cells if each.region == wanted and cell_takes_projects(each, known)]
    if not free:
        raise OverLimitError(f"no cell of the region {wanted!r} takes projects now")
    return min(free, key=lambda each: (each.projects / each.capacity, each.cell_key))


def cell_takes_projects(cell: Cell, known: Collection[str]) -> bool:
    """Whether one more may come."""
    return cell.state is ClusterState.OPEN and cell.projects < cell.capacity and cell.name in known

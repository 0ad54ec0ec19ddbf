"""On which cluster a new project comes."""

from collections.abc import Sequence

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


def takes_projects(cluster: Cluster) -> bool:
    """Whether one more may come."""
    is_open = cluster.state is ClusterState.OPEN and cluster.reached_at is not None
    return is_open and cluster.projects < cluster.capacity

"""Where a new project comes."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.clusters import Cluster, ClusterState
from services.realms.rules.placement import chosen, takes_projects
from shared.errors import InvalidArgumentError, OverLimitError
from tests.unit.realms.moments import LATER

FIRST = Cluster(1, "first", "north", ClusterState.OPEN, 10, 4, "localhost", 5432, LATER)
REGIONS = ("north", "south")


@st.composite
def some_clusters(draw: st.DrawFn) -> list[Cluster]:
    """At least one; keys count, whatever order they come in."""
    number = draw(st.integers(1, 6))
    found = [
        evolve(
            FIRST,
            cluster_key=key,
            name=f"c{key}",
            region=draw(st.sampled_from(REGIONS)),
            state=draw(st.sampled_from(ClusterState)),
            capacity=draw(st.integers(0, 5)),
            projects=draw(st.integers(0, 6)),
            reached_at=draw(st.sampled_from((None, LATER))),
        )
        for key in range(1, number + 1)
    ]
    return draw(st.permutations(found))


@given(some_clusters(), st.sampled_from((None, *REGIONS, "west")))
def test_it_is_the_emptiest_of_the_region_that_takes_any(clusters: list[Cluster], region: str | None) -> None:
    wanted = region or next(each.region for each in clusters if each.cluster_key == 1)
    there = [each for each in clusters if each.region == wanted]
    free = [each for each in there if takes_projects(each)]
    if not there:
        with pytest.raises(InvalidArgumentError):
            chosen(clusters, region)
        return
    if not free:
        with pytest.raises(OverLimitError):
            chosen(clusters, region)
        return

    found = chosen(clusters, region)

    assert found in free
    assert all(found.projects * each.capacity <= each.projects * found.capacity for each in free)


@given(some_clusters())
def test_the_order_in_which_they_are_told_changes_nothing(clusters: list[Cluster]) -> None:
    outcomes = []
    for told in (clusters, clusters[::-1]):
        try:
            outcomes.append(chosen(told, None).name)
        except OverLimitError:
            outcomes.append("")

    assert outcomes[0] == outcomes[1]


@given(some_clusters())
def test_what_is_closed_full_or_never_reached_takes_none(clusters: list[Cluster]) -> None:
    for each in clusters:
        if takes_projects(each):
            assert each.state is ClusterState.OPEN
            assert each.reached_at is not None
            assert each.projects < each.capacity

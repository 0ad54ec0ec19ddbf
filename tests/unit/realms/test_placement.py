"""Where a new project comes."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.cells import Cell
from services.realms.records.clusters import Cluster, ClusterState
from services.realms.rules.placement import cell_takes_projects, chosen, chosen_cell, heir, takes_projects
from shared.errors import InvalidArgumentError, OverLimitError
from tests.unit.realms.moments import LATER

FIRST = Cluster(1, "first", "north", ClusterState.OPEN, 10, 4, "localhost", 5432, LATER)
FIRST_CELL = Cell(1, "first", "north", None, ClusterState.OPEN, 10, 4)
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


@given(some_clusters())
def test_projects_of_one_that_is_forgotten_come_to_its_region_or_to_the_first(clusters: list[Cluster]) -> None:
    forgotten = evolve(FIRST, cluster_key=9, region="south")

    found = heir([*clusters, forgotten], forgotten)

    there = [each for each in clusters if each.region == "south" and takes_projects(each)]
    assert found in (there or [each for each in clusters if each.cluster_key == 1])


@st.composite
def some_cells(draw: st.DrawFn) -> list[Cell]:
    """At least one; keys count, whatever order they come in."""
    found = [
        evolve(
            FIRST_CELL,
            cell_key=key,
            name=f"c{key}",
            region=draw(st.sampled_from(REGIONS)),
            state=draw(st.sampled_from(ClusterState)),
            capacity=draw(st.integers(0, 5)),
            projects=draw(st.integers(0, 6)),
        )
        for key in range(1, draw(st.integers(1, 6)) + 1)
    ]
    return draw(st.permutations(found))


known_names = st.frozensets(st.sampled_from([f"c{key}" for key in range(1, 7)]))


@given(some_cells(), st.sampled_from((*REGIONS, "west")), known_names)
def test_the_cell_is_the_emptiest_of_the_region_that_takes_any(
    cells: list[Cell], region: str, known: frozenset[str]
) -> None:
    wanted = region
    if all(each.region != region for each in cells):
        wanted = next(each.region for each in cells if each.cell_key == 1)
    free = [each for each in cells if each.region == wanted and cell_takes_projects(each, known)]
    if not free:
        with pytest.raises(OverLimitError):
            chosen_cell(cells, region, known)
        return

    found = chosen_cell(cells, region, known)

    assert found in free
    assert all(found.projects * each.capacity <= each.projects * found.capacity for each in free)
    assert chosen_cell(cells[::-1], region, known) == found


@given(some_cells(), known_names)
def test_a_cell_that_is_closed_full_or_not_in_the_settings_takes_none(cells: list[Cell], known: frozenset[str]) -> None:
    for each in cells:
        if cell_takes_projects(each, known):
            assert each.state is ClusterState.OPEN
            assert each.name in known
            assert each.projects < each.capacity

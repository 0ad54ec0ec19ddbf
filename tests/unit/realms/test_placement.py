"""Where a new project comes."""

import msgspec
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.cells import Cell
from services.realms.records.clusters import AddCluster, Cluster, ClusterState
from services.realms.rules.placement import cell_takes_projects, chosen, chosen_cell, heir, takes_projects
from shared.errors import InvalidArgumentError, OverLimitError
from tests.unit.realms.moments import LATER

FIRST = Cluster(1, "first", "north", ClusterState.OPEN, 10, 4, "localhost", 5432, LATER)
FIRST_CELL = Cell(1, "first", "north", None, ClusterState.OPEN, 10, 4)
REGIONS = ("north", "south")


def is_free(cluster: Cluster) -> bool:
    """README, Placement: it "is open, has room and was reached"."""
    return cluster.state == "open" and cluster.capacity - cluster.projects > 0 and cluster.reached_at == LATER


def is_free_cell(cell: Cell, known: frozenset[str]) -> bool:
    """README, Placement: it is open and has room, and the settings name it."""
    return cell.name in known and cell.state == "open" and cell.capacity - cell.projects > 0


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
    free = [each for each in there if is_free(each)]
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
def test_what_is_closed_full_or_never_reached_takes_none_and_everything_else_does(clusters: list[Cluster]) -> None:
    assert [each for each in clusters if takes_projects(each)] == [each for each in clusters if is_free(each)]


@given(some_clusters())
def test_projects_of_one_that_is_forgotten_come_to_its_region_or_to_the_first(clusters: list[Cluster]) -> None:
    forgotten = evolve(FIRST, cluster_key=9, region="south")

    found = heir([*clusters, forgotten], forgotten)

    there = [each for each in clusters if each.region == "south" and is_free(each)]
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
    free = [each for each in cells if each.region == wanted and is_free_cell(each, known)]
    if not free:
        with pytest.raises(OverLimitError):
            chosen_cell(cells, region, known)
        return

    found = chosen_cell(cells, region, known)

    assert found in free
    assert all(found.projects * each.capacity <= each.projects * found.capacity for each in free)
    assert chosen_cell(cells[::-1], region, known) == found


@given(some_cells(), known_names)
def test_a_cell_that_is_closed_full_or_not_in_the_settings_takes_none_and_every_other_does(
    cells: list[Cell], known: frozenset[str]
) -> None:
    free = [each for each in cells if is_free_cell(each, known)]

    assert [each for each in cells if cell_takes_projects(each, known)] == free


@pytest.mark.parametrize("name", ["south\n", "South", "2", "a" * 41])
def test_a_name_that_prints_like_another_is_none(name: str) -> None:
    for said in ({"name": name, "region": "south"}, {"name": "south", "region": name}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**said, "capacity": 1}, AddCluster)

"""Clusters, and where new projects come, on a real database."""

import asyncio
from typing import Any

import pytest

from services.realms.records.clusters import AddCluster, ClusterState, UpdateCluster
from services.realms.records.projects import CreateProject, NameProject
from shared.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
)
from shared.procedures import NoArguments
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, BERT, Realms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
REACHED = "UPDATE realms.cluster SET reached_at = now() WHERE name = %s"


async def add(world: Realms, name: str = "south", region: str = "south", capacity: int = 2, by: Any = ANNA) -> Any:
    return await world.placement.cluster_add(by, AddCluster(name, region, capacity))


async def test_who_may_place_adds_a_cluster_and_projects_come_once_it_was_reached(
    world: Realms, postgres: Postgres
) -> None:
    world.let_place()
    added = await add(world)
    assert (added.state, added.projects, added.reached_at) == (ClusterState.OPEN, 0, None)
    with pytest.raises(OverLimitError):
        await world.project("early", region="south")

    postgres.run(REACHED, "south")
    made = await world.projects.project_create(ANNA, CreateProject("plant", region="south"))

    assert (made.cluster, made.region) == ("south", "south")
    shown = await world.projects.project_show(ANNA, NameProject("plant"))
    assert (shown.cluster, shown.region) == ("south", "south")
    assert (await world.projects.project_create(ANNA, CreateProject("mill"))).cluster == "first"
    listed = (await world.placement.cluster_list(ANNA, NoArguments())).clusters
    assert [(each.name, each.projects) for each in listed] == [("first", 1), ("south", 1)]
    assert ("cluster.added", "done") in postgres.audited()


async def test_nobody_else_knows_of_clusters_or_changes_them(world: Realms, postgres: Postgres) -> None:
    for call in (
        add(world, by=BERT),
        world.placement.cluster_list(BERT, NoArguments()),
        world.placement.cluster_update(BERT, UpdateCluster("first", ClusterState.CLOSED)),
    ):
        with pytest.raises(NotAuthorizedError):
            await call

    assert postgres.rows("SELECT name, state FROM realms.cluster") == [("first", "open")]


async def test_a_closed_cluster_takes_no_more(world: Realms, postgres: Postgres) -> None:
    world.let_place()
    closed = await world.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.CLOSED))
    assert closed.state is ClusterState.CLOSED

    with pytest.raises(OverLimitError):
        await world.project()

    assert postgres.rows("SELECT FROM realms.project") == []
    again = await world.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.CLOSED))
    assert again == closed
    assert postgres.audited().count(("cluster.changed", "done")) == 1


async def test_however_many_come_at_once_there_are_never_more_than_it_may_have(
    world: Realms, postgres: Postgres
) -> None:
    world.let_place()
    await add(world, capacity=3)
    postgres.run(REACHED, "south")

    outcomes = await asyncio.gather(
        *(world.project(f"p{number}x", region="south") for number in range(8)), return_exceptions=True
    )

    refused = [each for each in outcomes if isinstance(each, OverLimitError)]
    assert (len(refused), len(outcomes) - len(refused)) == (5, 3)


async def test_what_is_not_there_or_there_already_is_refused(world: Realms) -> None:
    world.let_place()
    await add(world)

    with pytest.raises(AlreadyExistsError):
        await add(world)
    with pytest.raises(NotFoundError):
        await world.placement.cluster_update(ANNA, UpdateCluster("west", ClusterState.OPEN))
    with pytest.raises(InvalidArgumentError, match="there are: default, south"):
        await world.project(region="west")


async def test_it_is_emptied_by_the_will_of_whoever_began_it_whoever_else_changes_it(
    world: Realms, postgres: Postgres
) -> None:
    world.let_place()
    world.let_place(BERT)
    by = "SELECT drained_by FROM realms.cluster WHERE name = 'first'"

    await world.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.DRAINING))
    await world.placement.cluster_update(BERT, UpdateCluster("first", capacity=7))
    assert postgres.rows(by) == [(ANNA.account_key,)]
    await world.placement.cluster_update(BERT, UpdateCluster("first", ClusterState.OPEN))
    await world.placement.cluster_update(BERT, UpdateCluster("first", ClusterState.DRAINING))
    assert postgres.rows(by) == [(BERT.account_key,)]

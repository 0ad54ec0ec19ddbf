"""Cells, and in which of them new projects come, on a real database."""

import asyncio
from typing import Any

import pytest

from services.realms.records.cells import AddCell, AskCell, CellOfProject, UpdateCell
from services.realms.records.clusters import AddCluster, ClusterState
from services.realms.records.projects import CreateProject
from shared.errors import AlreadyExistsError, InvalidArgumentError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.identities import ServiceIdentity
from shared.procedures import NoArguments, decode
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, BERT, DEVICES, ROUTER, Realms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
SOUTH = "wss://south.test:8443"


async def add(world: Realms, name: str = "south", capacity: int = 2, by: Any = ANNA, endpoint: str = SOUTH) -> Any:
    return await world.placement.cell_add(by, AddCell(name, "south", endpoint, capacity))


async def two_regions(world: Realms, postgres: Postgres) -> None:
    world.let_place()
    await world.placement.cluster_add(ANNA, AddCluster("db-south", "south", 100))
    postgres.run("UPDATE realms.cluster SET reached_at = now()")


async def test_a_project_comes_to_the_cell_of_its_region_and_services_are_told_where_that_is(
    world: Realms, postgres: Postgres
) -> None:
    await two_regions(world, postgres)
    before = await world.project("early", region="south")
    assert await world.services.project_cell(DEVICES, AskCell(before)) == CellOfProject("first", None, before)
    added = await add(world)
    assert (added.state, added.projects, added.is_known) == (ClusterState.OPEN, 0, True)

    made = await world.projects.project_create(ANNA, CreateProject("plant", region="south"))

    assert made.cell == "south"
    assert (await world.projects.project_create(ANNA, CreateProject("mill"))).cell == "first"
    listed = (await world.placement.cell_list(ANNA, NoArguments())).cells
    assert [(each.name, each.projects, each.endpoint) for each in listed] == [("first", 2, None), ("south", 1, SOUTH)]
    where = world.services.project_cell
    assert await where(DEVICES, AskCell(made.project_key)) == CellOfProject("south", SOUTH)
    assert await where(ServiceIdentity("auth", 1), AskCell(before)) == CellOfProject("first", None)
    assert ("cell.added", "done") in postgres.audited()


async def test_no_project_comes_to_a_cell_that_the_settings_do_not_name(world: Realms, postgres: Postgres) -> None:
    await two_regions(world, postgres)
    added = await add(world, "west")
    assert not added.is_known

    with pytest.raises(OverLimitError):
        await world.project(region="south")

    assert postgres.rows("SELECT FROM realms.project") == []


async def test_a_closed_cell_takes_no_more_and_keeps_what_it_has(world: Realms, postgres: Postgres) -> None:
    world.let_place()
    key = await world.project()
    for state in (ClusterState.CLOSED, ClusterState.DRAINING, ClusterState.DRAINING):
        changed = await world.placement.cell_update(ANNA, UpdateCell("first", state))
        assert (changed.state, changed.projects) == (state, 1)
        with pytest.raises(OverLimitError):
            await world.project("mill")

    assert (await world.services.project_cell(DEVICES, AskCell(key))).name == "first"
    assert postgres.audited().count(("cell.changed", "done")) == 2


async def test_however_many_come_at_once_there_are_never_more_than_it_may_have(
    world: Realms, postgres: Postgres
) -> None:
    await two_regions(world, postgres)
    await add(world, capacity=3)

    outcomes = await asyncio.gather(
        *(world.project(f"p{number}x", region="south") for number in range(8)), return_exceptions=True
    )

    refused = [each for each in outcomes if isinstance(each, OverLimitError)]
    assert (len(refused), len(outcomes) - len(refused)) == (5, 3)


async def test_nobody_else_knows_of_cells_or_changes_them(world: Realms, postgres: Postgres) -> None:
    for call in (
        add(world, by=BERT),
        world.placement.cell_list(BERT, NoArguments()),
        world.placement.cell_update(BERT, UpdateCell("first", ClusterState.CLOSED)),
        world.services.project_cell(ROUTER, AskCell(1)),
    ):
        with pytest.raises(NotAuthorizedError):
            await call

    assert postgres.rows("SELECT name, state FROM realms.cell") == [("first", "open")]


async def test_what_is_not_there_or_there_already_is_refused(world: Realms) -> None:
    world.let_place()
    await add(world)

    with pytest.raises(AlreadyExistsError):
        await add(world, endpoint="wss://other.test")
    with pytest.raises(AlreadyExistsError):
        await add(world, "west")
    with pytest.raises(NotFoundError):
        await world.placement.cell_update(ANNA, UpdateCell("west", ClusterState.OPEN))
    with pytest.raises(NotFoundError):
        await world.services.project_cell(DEVICES, AskCell(9_999_999))


@pytest.mark.parametrize(
    "endpoint",
    [
        "ws://a.test",
        "wss://",
        "wss://a.test/",
        "wss://a.test/ws-re-dev",
        "wss://a@b.test",
        "wss://a.test:0",
        "wss://A.test",
    ],
)
async def test_an_endpoint_is_a_scheme_a_host_and_a_port(endpoint: str) -> None:
    said = {"name": "south", "region": "south", "endpoint": endpoint, "capacity": 1}

    with pytest.raises(InvalidArgumentError):
        decode(AddCell, said)

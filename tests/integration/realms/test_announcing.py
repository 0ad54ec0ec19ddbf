"""What is published once a change is committed: every time, in order, to every router."""

import asyncio

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost

from services.realms.records.values import Stage
from shared.errors import CellAwayError, UnavailableError
from tests.integration.database import Postgres
from tests.integration.realms.world import Others, Realms, Session

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


def stages(session: Session) -> list[tuple[str, bool]]:
    return [(said["stage"], said["is_installed"]) for _, said in session.published]


def due(postgres: Postgres) -> int:
    return int(postgres.rows("SELECT count(*) FROM realms.news")[0][0])


@pytest.mark.parametrize("fault", [ApplicationError("wamp.error.not_authorized"), TransportLost()], ids=repr)
async def test_what_is_not_taken_is_published_later_and_in_order(
    world: Realms, others: Others, postgres: Postgres, fault: Exception
) -> None:
    await world.project()
    await world.app()
    for router in others.routers:
        router.fails = fault

    await world.install()
    await world.uninstall()
    await world.install(stage=Stage.DEV)

    assert due(postgres) == 3
    with pytest.raises(UnavailableError):
        await world.announcing.keep_up()
    for router in others.routers:
        router.fails = None
    await world.announcing.keep_up()
    assert stages(others.routers[0]) == [("PROD", True), ("PROD", False), ("DEV", True)]
    assert due(postgres) == 0


async def test_every_router_is_told_and_that_of_the_project_s_cell_has_to_take_it(
    world: Realms, others: Others, postgres: Postgres
) -> None:
    first, second = others.routers
    await world.project()
    await world.app()
    await world.install()
    assert stages(first) == stages(second) == [("PROD", True)]

    second.fails = TransportLost()
    await world.install(stage=Stage.DEV)
    assert due(postgres) == 0
    second.fails, first.fails = None, TransportLost()
    await world.uninstall()
    assert due(postgres) == 1
    with pytest.raises(CellAwayError):
        await world.announcing.keep_up()

    first.fails = None
    await world.announcing.keep_up()
    assert due(postgres) == 0
    assert stages(first) == [("PROD", True), ("DEV", True), ("PROD", False)]


@pytest.mark.parametrize("is_noticed", [True, False], ids=["gone", "silent"])
async def test_what_is_of_a_cell_that_is_there_does_not_wait_for_one_that_is_away(
    world: Realms, others: Others, postgres: Postgres, is_noticed: bool
) -> None:
    first, second = others.routers
    for name in ("plant", "mill"):
        await world.project(name)
    postgres.run("INSERT INTO realms.cell (name, region, endpoint, capacity) VALUES ('south', 's', 'wss://s.test', 9)")
    postgres.run("UPDATE realms.project SET cell_key = (SELECT max(cell_key) FROM realms.cell) WHERE name = 'mill'")
    await world.app()
    second.is_away, second.fails = is_noticed, TransportLost()

    await world.install("mill")
    await world.install("plant", stage=Stage.DEV)

    assert ("DEV", True) in stages(first)
    assert due(postgres) == 1
    with pytest.raises(CellAwayError):
        await world.announcing.keep_up()
    second.is_away, second.fails = False, None
    await world.announcing.keep_up()
    assert stages(second) == [("PROD", True)]
    assert due(postgres) == 0


async def test_many_changes_at_once_are_each_published_once(world: Realms, others: Others) -> None:
    await world.project()
    for number in range(10):
        await world.app(f"a{number}")

    await asyncio.gather(*(world.install(app=f"a{number}") for number in range(10)))

    assert len({said["app_key"] for _, said in others.routers[0].published}) == 10
    assert len(others.routers[0].published) == 10

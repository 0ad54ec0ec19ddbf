"""What is published once a change is committed: every time, in order, to every router."""

import asyncio

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost

from services.realms.records.values import Stage
from shared.errors import UnavailableError
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
    others.routers[0].fails = fault

    await world.install()
    await world.uninstall()
    await world.install(stage=Stage.DEV)

    assert due(postgres) == 3
    with pytest.raises(UnavailableError):
        await world.announcing.keep_up()
    others.routers[0].fails = None
    await world.announcing.keep_up()
    assert stages(others.routers[0]) == [("PROD", True), ("PROD", False), ("DEV", True)]
    assert due(postgres) == 0


async def test_every_router_is_told(world: Realms, others: Others, postgres: Postgres) -> None:
    others.routers.append(Session())
    others.routers[1].fails = TransportLost()
    await world.project()
    await world.app()
    await world.install()
    assert due(postgres) == 1
    others.routers[1].fails = None

    await world.announcing.keep_up()

    assert stages(others.routers[1]) == [("PROD", True)]
    assert stages(others.routers[0]) == [("PROD", True)] * 2
    assert due(postgres) == 0


async def test_many_changes_at_once_are_each_published_once(world: Realms, others: Others) -> None:
    await world.project()
    for number in range(10):
        await world.app(f"a{number}")

    await asyncio.gather(*(world.install(app=f"a{number}") for number in range(10)))

    assert len({said["app_key"] for _, said in others.routers[0].published}) == 10
    assert len(others.routers[0].published) == 10

"""A database server is forgotten: what was on it is lost and said to be, and nothing waits for it any more."""

import pytest

from services.realms.records.backends import BackendState
from services.realms.records.clusters import AddCluster, ForgetCluster
from services.realms.records.moves import CreateMove, ListMoves, Move, MoveState, Phase, SwitchBackend
from services.realms.records.projects import NameProject
from shared.errors import AlreadyExistsError, ConflictError, NotAuthorizedError, NotFoundError
from shared.procedures import NoArguments
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Provisioning
from tests.integration.realms.ready_backends import FLEETDB, PROD, fixture_plant, fixture_provisioning, rotate
from tests.integration.realms.test_moving import add, asked
from tests.integration.realms.world import ANNA, BERT, Realms

__all__ = ["fixture_plant", "fixture_provisioning"]
pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEAD = "UPDATE realms.cluster SET reached_at = now() - interval '3 minutes' WHERE name = 'south'"
SOUTH = ForgetCluster("south", "south")


async def lived_there(world: Realms, postgres: Postgres) -> None:
    """The plant has moved to another server, which is dead now."""
    move, backend = await asked(world, postgres)
    await world.moves.move_switch(FLEETDB, SwitchBackend(move, backend, 7, 12))
    die(postgres)


def die(postgres: Postgres) -> None:
    """The other server is away, and the provisioner has noticed."""
    postgres.run(DEAD)
    postgres.run("UPDATE realms.provisioner SET alive_at = now()")


async def moves_of(world: Realms) -> list[Move]:
    await world.moving.end_moved()
    project = (await world.projects.project_show(ANNA, NameProject("plant"))).project_key
    return list((await world.moves.move_list(ANNA, ListMoves(project))).moves)


async def test_who_may_not_and_what_cannot_be_forgotten(plant: Realms, postgres: Postgres) -> None:
    with pytest.raises(NotAuthorizedError):
        await plant.placement.cluster_forget(BERT, SOUTH)
    await add(plant, postgres)
    with pytest.raises(NotFoundError):
        await plant.placement.cluster_forget(ANNA, ForgetCluster("west", "west"))
    for wanted in (ForgetCluster("first", "first"), ForgetCluster("south", "first")):
        with pytest.raises(ConflictError):
            await plant.placement.cluster_forget(ANNA, wanted)
    move = await plant.moves.move_create(ANNA, CreateMove("plant", "south"))
    with pytest.raises(ConflictError, match="cluster drain"):
        await plant.placement.cluster_forget(ANNA, SOUTH)

    assert (await plant.moves.move_list(ANNA, ListMoves())).moves == [move]


async def test_nothing_is_lost_because_the_provisioner_was_stopped(plant: Realms, postgres: Postgres) -> None:
    await lived_there(plant, postgres)
    postgres.run("UPDATE realms.provisioner SET alive_at = now() - interval '3 minutes'")

    with pytest.raises(ConflictError, match="provisioner is not at work"):
        await plant.placement.cluster_forget(ANNA, SOUTH)

    assert [each.name for each in (await plant.placement.cluster_list(ANNA, NoArguments())).clusters] == [
        "first",
        "south",
    ]


async def test_what_was_there_is_lost_and_the_app_goes_on_with_an_empty_backend(
    plant: Realms, postgres: Postgres, provisioning: Provisioning
) -> None:
    await lived_there(plant, postgres)

    found = await plant.placement.cluster_forget(ANNA, SOUTH)

    assert [(each.stage, found.projects_go_to) for each in found.lost] == [(PROD, "first")]
    assert {("cluster.forgotten", "done"), ("backend.lost", "done")} <= set(postgres.audited())
    assert [each.name for each in (await plant.placement.cluster_list(ANNA, NoArguments())).clusters] == ["first"]
    with pytest.raises(AlreadyExistsError):
        await plant.placement.cluster_add(ANNA, AddCluster("south", "south", 9))
    await plant.provided.keep_up()
    await provisioning.run()
    states = postgres.rows("SELECT state, cluster_key = 1 FROM realms.backend ORDER BY backend_key")
    assert states == [(BackendState.DROPPED.value, False), (BackendState.READY.value, True)]
    assert provisioning.undone() == []
    assert (await plant.projects.project_show(ANNA, NameProject("plant"))).cluster == "first"


async def test_a_move_to_it_is_given_up_and_its_backend_is_free_again(
    plant: Realms, postgres: Postgres, provisioning: Provisioning
) -> None:
    await asked(plant, postgres)
    die(postgres)

    found = await plant.placement.cluster_forget(ANNA, SOUTH)

    assert found.lost == []
    (move,) = await moves_of(plant)
    assert (move.state, [each.phase for each in move.backends]) == (MoveState.GIVEN_UP, [Phase.BACK])
    await rotate(plant)
    await provisioning.run()
    assert provisioning.undone() == []


async def test_what_was_half_carried_away_from_it_goes(
    plant: Realms, postgres: Postgres, provisioning: Provisioning
) -> None:
    await lived_there(plant, postgres)
    postgres.run("DELETE FROM realms.provision_job")
    postgres.run("UPDATE realms.backend_move SET phase = 'done'")
    await plant.moving.end_moved()
    postgres.run("UPDATE realms.cluster SET reached_at = now() WHERE name = 'first'")
    await plant.moves.move_create(ANNA, CreateMove("plant", "first"))
    await provisioning.run()

    found = await plant.placement.cluster_forget(ANNA, SOUTH)

    assert len(found.lost) == 1
    await provisioning.run()
    moves = await moves_of(plant)
    assert [each.state for each in moves] == [MoveState.GIVEN_UP, MoveState.DONE]
    assert postgres.rows("SELECT FROM pg_namespace WHERE nspname LIKE 's\\_%%'") == []
    assert provisioning.undone() == []
    assert (await plant.projects.project_show(ANNA, NameProject("plant"))).cluster == "first"

"""Moves of projects as realms keeps them; that rows move is shown in tests/integration/fleetdb/test_moving.py."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from deploy.flockctl.doctor.asking import KEPT_ROWS, OUTBOXES
from services.realms import moving
from services.realms.provisioner.places import Place
from services.realms.records.backends import CertifyBackend
from services.realms.records.clusters import AddCluster, ClusterState, UpdateCluster
from services.realms.records.moves import (
    CreateMove,
    GiveUpBackend,
    ListMoves,
    MoveState,
    NameMove,
    Phase,
    SwitchBackend,
)
from services.realms.store import provisioning as provisioning_store
from shared.clusters import Clusters
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, NotSupportedError, UnavailableError
from shared.identities import ServiceIdentity
from shared.procedures import NoArguments
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import KilledError, Provisioning
from tests.integration.realms.ready_backends import FLEETDB, fixture_plant, fixture_provisioning, new_key, rotate
from tests.integration.realms.world import ANNA, BERT, Realms

__all__ = ["fixture_plant", "fixture_provisioning"]

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PLACED = "UPDATE realms.backend_move SET phase = 'placed'"
END = Path(moving.__file__).parent / "restoring" / "end.sql"


async def add(world: Realms, postgres: Postgres, name: str = "south") -> None:
    """A cluster that the provisioner has reached."""
    world.let_place()
    await world.placement.cluster_add(ANNA, AddCluster(name, name, 10))
    postgres.run("UPDATE realms.cluster SET reached_at = now() WHERE name = %s", name)


async def asked(world: Realms, postgres: Postgres) -> tuple[int, int]:
    """A move of the plant whose backend was made on the other cluster: their keys."""
    await add(world, postgres)
    move = await world.moves.move_create(ANNA, CreateMove("plant", "south"))
    postgres.run(PLACED)
    postgres.run("UPDATE realms.provision_job SET is_begun = true, done_at = now() WHERE kind = 'place'")
    return move.move_key, move.backends[0].backend_key


async def phases(world: Realms) -> list[Phase]:
    (move,) = (await world.moves.move_list(ANNA, ListMoves())).moves
    return [each.phase for each in move.backends]


async def test_who_may_not_place_moves_nothing(plant: Realms, postgres: Postgres) -> None:
    for call in (
        plant.moves.move_create(BERT, CreateMove("plant", "first")),
        plant.moves.move_list(BERT, ListMoves()),
        plant.moves.move_abandon(BERT, NameMove(1)),
    ):
        with pytest.raises(NotAuthorizedError):
            await call
    await add(plant, postgres)
    for wanted in (CreateMove("plant", "third"), CreateMove("mill", "south"), CreateMove(4711, "south")):
        with pytest.raises(NotFoundError):
            await plant.moves.move_create(ANNA, wanted)
    with pytest.raises(NotFoundError):
        await plant.moves.move_abandon(ANNA, NameMove(4711))


async def test_fleetdb_alone_carries_over(plant: Realms) -> None:
    other = ServiceIdentity("devices", 1)
    calls: list[Any] = [
        plant.moves.move_due(other, NoArguments()),
        plant.moves.move_switch(other, SwitchBackend(1, 1, 0, 0)),
        plant.moves.move_give_up(other, GiveUpBackend(1, 1, "")),
    ]
    for call in calls:
        with pytest.raises(NotAuthorizedError):
            await call


async def test_what_is_there_already_is_moved_at_once(plant: Realms, postgres: Postgres) -> None:
    plant.let_place()

    move = await plant.moves.move_create(ANNA, CreateMove("plant", "first"))

    assert (move.state, move.backends) == (MoveState.DONE, [])
    assert postgres.rows("SELECT FROM realms.provision_job WHERE kind IN ('place', 'leave')") == []


async def test_a_switch_may_be_said_twice_and_a_given_up_one_is_refused(plant: Realms, postgres: Postgres) -> None:
    move, backend = await asked(plant, postgres)
    (due,) = (await plant.moves.move_due(FLEETDB, NoArguments())).moves
    assert (due.move_key, due.backend.backend_key, due.backend.cluster, due.to) == (move, backend, "first", "south")

    for _ in range(2):
        await plant.moves.move_switch(FLEETDB, SwitchBackend(move, backend, 7, 12))
    await plant.moves.move_give_up(FLEETDB, GiveUpBackend(move, backend, "too late"))

    assert await phases(plant) == [Phase.MOVED]
    assert postgres.rows("SELECT cluster_key > 1, placed FROM realms.backend") == [(True, 2)]
    assert postgres.rows("SELECT kind, cluster_key FROM realms.provision_job WHERE kind = 'leave'") == [("leave", 1)]
    assert (await plant.moves.move_due(FLEETDB, NoArguments())).moves == []


async def test_once_given_up_it_stays(plant: Realms, postgres: Postgres) -> None:
    move, backend = await asked(plant, postgres)

    await plant.moves.move_give_up(FLEETDB, GiveUpBackend(move, backend, "no way"))
    with pytest.raises(ConflictError):
        await plant.moves.move_switch(FLEETDB, SwitchBackend(move, backend, 7, 12))

    assert await phases(plant) == [Phase.GIVEN_UP]
    assert postgres.rows("SELECT cluster_key, placed FROM realms.backend") == [(1, 1)]


async def test_no_project_goes_where_none_may_come(plant: Realms, postgres: Postgres) -> None:
    await add(plant, postgres)
    for change in (
        "UPDATE realms.cluster SET reached_at = NULL WHERE name = 'south'",
        "UPDATE realms.cluster SET reached_at = now(), state = 'closed' WHERE name = 'south'",
    ):
        postgres.run(change)
        with pytest.raises(ConflictError):
            await plant.moves.move_create(ANNA, CreateMove("plant", "south"))

    assert postgres.rows("SELECT FROM realms.move") == []


async def test_a_cluster_that_is_away_delays_nothing_elsewhere_and_is_given_up_at_once(
    plant: Realms, postgres: Postgres, provisioning: Provisioning
) -> None:
    await add(plant, postgres)
    move = await plant.moves.move_create(ANNA, CreateMove("plant", "south"))
    (each,) = move.backends

    asked = CertifyBackend(each.backend_key, 1, new_key())
    async with provisioning.working():
        assert (await plant.backends.backend_certify(FLEETDB, asked)).certificate
    await plant.moves.move_abandon(ANNA, NameMove(move.move_key))
    await plant.moving.end_moved()

    ((state,),) = postgres.rows("SELECT state FROM realms.move")
    assert state == "given_up"
    assert postgres.rows("SELECT FROM realms.provision_job WHERE done_at IS NULL") == []
    assert await rotate(plant) == 2


async def test_what_was_begun_there_is_cleared_away_there(plant: Realms, postgres: Postgres) -> None:
    await add(plant, postgres)
    move = await plant.moves.move_create(ANNA, CreateMove("plant", "south"))
    postgres.run("UPDATE realms.provision_job SET is_begun = true WHERE kind = 'place'")

    await plant.moves.move_abandon(ANNA, NameMove(move.move_key))

    assert await phases(plant) == [Phase.GIVEN_UP]
    assert len(postgres.rows("SELECT FROM audit.queue WHERE action = 'project.move_abandoned'")) == 1
    assert postgres.rows(
        "SELECT kind, name FROM realms.provision_job JOIN realms.cluster USING (cluster_key) WHERE done_at IS NULL"
        " ORDER BY job_key"
    ) == [("place", "south"), ("leave", "south")]


async def test_a_job_that_was_taken_back_is_not_begun(postgres: Postgres) -> None:
    async with postgres.database("provisioner") as database, database.transaction() as connection:
        assert not await provisioning_store.job_set_begun(connection, 4711)


async def test_no_project_goes_to_a_server_that_is_away(plant: Realms, postgres: Postgres) -> None:
    await add(plant, postgres)
    await plant.placement.cluster_add(ANNA, AddCluster("third", "default", 10))
    postgres.run("UPDATE realms.cluster SET reached_at = now() - interval '3 minutes' WHERE name <> 'first'")

    with pytest.raises(ConflictError):
        await plant.moves.move_create(ANNA, CreateMove("plant", "south"))
    await plant.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.DRAINING))
    await plant.moving.drain()
    assert postgres.rows("SELECT FROM realms.move") == []

    postgres.run("UPDATE realms.cluster SET reached_at = now() WHERE name = 'third'")
    await plant.moving.drain()
    assert len((await plant.moves.move_list(ANNA, ListMoves())).moves) == 1


async def test_a_project_that_is_being_brought_in_is_not_moved(plant: Realms, postgres: Postgres) -> None:
    await add(plant, postgres)
    postgres.run("UPDATE realms.cluster SET region = 'default'")
    postgres.run("DELETE FROM realms.install")  # as it is until its last step

    with pytest.raises(ConflictError, match="brought in"):
        await plant.moves.move_create(ANNA, CreateMove("plant", "south"))
    await plant.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.DRAINING))
    await plant.moving.drain()

    assert postgres.rows("SELECT FROM realms.move") == []


async def test_a_project_that_cannot_be_moved_now_lets_others_go_first(
    plant: Realms, postgres: Postgres, provisioning: Provisioning
) -> None:
    other = await plant.project("mill")
    await plant.install("mill")
    await provisioning.run()
    await add(plant, postgres)
    postgres.run("UPDATE realms.cluster SET region = 'default'")
    await rotate(plant)
    await plant.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.DRAINING))

    for _ in range(2):
        await plant.moving.drain()

    (move,) = (await plant.moves.move_list(ANNA, ListMoves())).moves
    assert move.project_key == other


async def test_an_abandonment_is_one_with_its_entry_and_none_where_nothing_is_left(
    plant: Realms, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, backend = await asked(plant, postgres)
    recorded = "SELECT FROM audit.queue WHERE action = 'project.move_abandoned'"

    async def killed(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("services.realms.moving.audit.record", killed)
        with pytest.raises(KilledError):
            await plant.moves.move_abandon(ANNA, NameMove(move))
    assert await phases(plant) == [Phase.PLACED]

    await plant.moves.move_switch(FLEETDB, SwitchBackend(move, backend, 7, 12))
    await plant.moves.move_abandon(ANNA, NameMove(move))
    assert await phases(plant) == [Phase.MOVED]
    assert postgres.rows(recorded) == []


async def test_a_cluster_is_worked_on_as_its_file_says_now(provisioning: Provisioning, tmp_path: Path) -> None:
    place = Place("south", evolve(provisioning.place().found, clusters=Clusters(tmp_path)))
    with pytest.raises(UnavailableError):
        place.settings()

    said = {"host": "db.south", "port": 5433, "ca_file": "ca.pem", "password_file": "password"}
    (tmp_path / "south.json").write_text(json.dumps(said))
    with pytest.raises(UnavailableError, match="password"):
        place.settings()
    (tmp_path / "password").write_text("s3cret\n")

    found = place.settings()
    assert (found.host, found.port, found.ca, found.login) == ("db.south", 5433, tmp_path / "ca.pem", "provisioner")
    assert found.password.value == "s3cret"
    assert place.found.database.host == "localhost"


async def test_what_timescaledb_keeps_is_refused_before_anything_is_begun(
    plant: Realms, postgres: Postgres, provisioning: Provisioning
) -> None:
    await add(plant, postgres)
    assert postgres.rows("SELECT keeps_hypertables FROM realms.cluster WHERE cluster_key = 1") == [(False,)]
    ((database,),) = postgres.rows("SELECT database_name FROM realms.project_database")
    with postgres.connect(dbname=database) as superuser:
        superuser.execute("CREATE SCHEMA timescaledb_information CREATE VIEW hypertables AS SELECT 1 AS one")
    postgres.run("UPDATE realms.cluster SET keeps_hypertables = NULL")
    await provisioning.run()

    with pytest.raises(NotSupportedError, match="TimescaleDB"):
        await plant.moves.move_create(ANNA, CreateMove("plant", "south"))

    assert postgres.rows("SELECT FROM realms.move") == []
    assert postgres.rows("SELECT FROM realms.provision_job WHERE kind = 'place'") == []
    await plant.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.DRAINING))
    await plant.moving.drain()
    assert postgres.rows("SELECT FROM realms.move") == []


async def test_moves_that_cannot_end_yet_hold_up_no_older_one(
    plant: Realms, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.realms.moving.MOST", 1)
    await asked(plant, postgres)
    postgres.run("UPDATE realms.backend_move SET phase = 'done'")
    mill = await plant.project("mill")
    postgres.run("INSERT INTO realms.move (project_key, to_key, account_key) VALUES (%s, 1, 5)", mill)
    postgres.run(
        "INSERT INTO realms.backend_move (move_key, backend_key, from_key, to_key, phase)"
        " SELECT m.move_key, b.backend_key, 1, 1, 'moved' FROM realms.move m, realms.backend b"
        " WHERE m.project_key = %s",
        mill,
    )

    await plant.moving.end_moved()

    assert postgres.rows("SELECT state FROM realms.move ORDER BY move_key") == [("done",), ("moving",)]


async def test_who_asks_for_a_move_is_in_the_log_with_their_session_and_who_drains_without_one(
    plant: Realms, postgres: Postgres
) -> None:
    await asked(plant, postgres)
    postgres.run("UPDATE realms.backend_move SET phase = 'done'")
    await plant.project("mill")
    postgres.run("UPDATE realms.cluster SET region = 'default'")
    await plant.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.DRAINING))

    await plant.moving.drain()

    assert postgres.rows(
        "SELECT actor ->> 'kind', source ->> 'session' FROM audit.queue WHERE action = 'project.move_asked' ORDER BY id"
    ) == [("person", str(ANNA.session)), ("service", None)]


async def test_after_a_restore_what_a_move_has_left_is_kept_for_a_day_and_the_doctor_tells(
    plant: Realms, postgres: Postgres, provisioning: Provisioning
) -> None:
    move, backend = await asked(plant, postgres)
    await plant.moves.move_switch(FLEETDB, SwitchBackend(move, backend, 7, 12))
    assert postgres.rows(KEPT_ROWS) == []

    postgres.run(END.read_text(encoding="utf-8"))
    await provisioning.run()

    assert await phases(plant) == [Phase.MOVED]
    ((server, backends, left_s),) = postgres.rows(KEPT_ROWS)
    assert (server, backends, 86_000 < left_s <= 86_400) == ("first", 1, True)
    assert postgres.rows(OUTBOXES["realms.provision_job"])[0][0] == 0
    postgres.run("UPDATE realms.provision_job SET due_at = now() WHERE done_at IS NULL")
    await provisioning.run()
    assert await phases(plant) == [Phase.DONE]

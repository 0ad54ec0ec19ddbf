"""What the SQL of realms lets in and takes along, and from where a project is taken out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyrage
import pytest
from attrs import evolve
from psycopg.types.json import Jsonb

from deploy.backup.errors import BackupError
from deploy.backup.sealing import Part
from deploy.carrying.exporting import Exporting, export
from deploy.carrying.forgetting import forget_import
from deploy.carrying.importing import Wanted as Bringing
from deploy.carrying.importing import _begin, made_backends, unfinished
from deploy.carrying.manifest import FORMAT, KIND, Carried
from deploy.carrying.rows import Importing, Row, fill, refusals, rows_of, run
from deploy.local.state import StateFolder
from shared.clusters import FIRST
from shared.tlog.note import Signer
from tests.integration.database import Postgres

CONTENTS = {"environment": {"PIN": {"is_secret": True}}}
PLANT = (
    "INSERT INTO realms.project (name, name_canonical, description, owner_account_key) VALUES ('plant', 'plant', '', 5)"
    " RETURNING project_key"
)
APP = (
    "INSERT INTO realms.app (name, name_canonical, description, owner_account_key) VALUES ('Press', 'press', '', 5)"
    " RETURNING app_key"
)
RELEASE = (
    "INSERT INTO realms.release (app_key, version, version_canonical, image, contents)"
    " VALUES (%s, '1.0', '1.0', 'press', %s) RETURNING release_key"
)
OTHER = Importing(5, "anna", "mill", "mill", False)


class Here:
    """The databases of the server of the tests."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def connect(self, _: str, server: str = FIRST) -> psycopg.Connection[Any]:
        """The control database, whichever is asked for."""
        if server != FIRST:
            raise BackupError(f"nobody knows where the database server {server} is")
        return self._postgres.connect()


@pytest.fixture(name="plant")
def fixture_plant(postgres: Postgres) -> int:
    """A project with an app that is installed, and its data."""
    ((project,),) = postgres.rows(PLANT)
    ((app,),) = postgres.rows(APP)
    ((release,),) = postgres.rows(RELEASE, app, Jsonb(CONTENTS))
    postgres.run("INSERT INTO realms.install VALUES (%s, %s, 'PROD', %s)", project, app, release)
    postgres.run("INSERT INTO realms.project_database VALUES (%s, 'd_x', 'ready')", project)
    postgres.run(
        "INSERT INTO realms.backend (project_key, app_key, stage, state, schema_name, owner_name, login_name,"
        " creator_account_key) VALUES (%s, %s, 'PROD', 'ready', 's_x', 'o_x', 'l_x', 5)",
        project,
        app,
    )
    return int(project)


@pytest.fixture(name="connection")
def fixture_connection(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect() as connection, connection.transaction(force_rollback=True):
        yield connection


def carried(connection: psycopg.Connection[Any], plant: int) -> list[Row]:
    return list(rows_of(connection, plant))


def test_what_a_release_asks_for_comes_along(plant: int, connection: psycopg.Connection[Any]) -> None:
    rows = carried(connection, plant)
    connection.execute("UPDATE realms.app SET is_deleted = true")  # an installation that does not know it

    fill(connection, OTHER, rows, {})
    assert refusals(connection) == []
    run(connection, "begin")

    brought = connection.execute("SELECT contents FROM realms.release ORDER BY release_key").fetchall()
    assert brought == [(CONTENTS,), (CONTENTS,)]


@pytest.mark.parametrize("written", [int, str])
def test_a_release_that_asks_for_something_else_is_another(
    plant: int, connection: psycopg.Connection[Any], written: type
) -> None:
    rows = [
        (part, content | {"app_key": written(content["app_key"])}) if part == "realms.release" else (part, content)
        for part, content in carried(connection, plant)
    ]
    connection.execute("UPDATE realms.release SET contents = NULL")

    fill(connection, OTHER, rows, {})

    assert refusals(connection) == ["release 1.0 of the app Press is another one here"]


@pytest.mark.parametrize("written", [int, str])
def test_nobody_adds_a_release_to_somebody_else_s_app_however_its_key_is_written(
    plant: int, connection: psycopg.Connection[Any], written: type
) -> None:
    connection.execute("UPDATE realms.app SET is_public = true")
    rows = [
        (part, content | {"app_key": written(content["app_key"]), "version": "2.0", "version_canonical": "2.0"})
        if part == "realms.release"
        else (part, content)
        for part, content in carried(connection, plant)
    ]

    fill(connection, evolve(OTHER, owner_account_key=6), rows, {})

    assert refusals(connection) == ["the app Press has no release 2.0 here, and is somebody else's"]


def test_nothing_comes_to_a_server_that_is_to_be_emptied(plant: int, connection: psycopg.Connection[Any]) -> None:
    rows = carried(connection, plant)
    connection.execute("UPDATE realms.cluster SET state = 'draining'")

    fill(connection, OTHER, rows, {})

    (reason,) = refusals(connection)
    assert "takes no projects" in reason


def test_nothing_comes_to_a_server_that_was_forgotten(plant: int, connection: psycopg.Connection[Any]) -> None:
    rows = carried(connection, plant)
    connection.execute(
        "INSERT INTO realms.cluster (name, region, capacity, reached_at, forgotten_at)"
        " VALUES ('south', 'south', 9, now(), now())"
    )

    fill(connection, evolve(OTHER, cluster="south"), rows, {})

    assert refusals(connection) == ["there is no database server south"]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):  # one that is forgotten just now has nothing come, either
        run(connection, "begin")


def test_nobody_waits_for_what_was_dropped_with_its_server(plant: int, connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE realms.backend SET state = 'dropped'")

    with pytest.raises(BackupError, match="was forgotten meanwhile"):
        made_backends(connection, plant)


def test_what_was_forgotten_half_way_is_brought_in_no_more_until_it_is_forgotten_whole(
    plant: int, postgres: Postgres, tmp_path: Path
) -> None:
    ((south,),) = postgres.rows(
        "INSERT INTO realms.cluster (name, region, capacity) VALUES ('south', 'south', 9) RETURNING cluster_key"
    )
    postgres.run("UPDATE realms.backend SET cluster_key = %s", south)
    postgres.run(
        "INSERT INTO realms.project_import (import_id, project_key, owner_account_key, name)"
        " VALUES ('i', %s, 5, 'mill')",
        plant,
    )
    kinds = ["project", "backend", "loaded"]
    postgres.run("INSERT INTO realms.import_key SELECT 'i', kind, 1, %s FROM unnest(%s::text[]) kind", plant, kinds)
    carried = Carried(KIND, FORMAT, "i", "plant", 1, 0.0, 0, Part("control.gz.age", 0, ""), ())
    wanted = Bringing(tmp_path, carried, (), Here(postgres), StateFolder(tmp_path), None, None, is_beside=False)

    with pytest.raises(BackupError, match="the database server south is"):
        forget_import(Here(postgres), "i")
    with postgres.connect() as connection, pytest.raises(BackupError, match="once more"):
        _begin(connection, wanted, OTHER, [])

    assert [each.import_id for each in unfinished(Here(postgres))] == ["i"]
    postgres.run("UPDATE realms.cluster SET forgotten_at = now() WHERE name = 'south'")
    assert forget_import(Here(postgres), "i") == plant
    assert unfinished(Here(postgres)) == []


@pytest.mark.parametrize(
    ("is_moving", "reason"), [(False, "where the database server south is"), (True, "on their way to another")]
)
def test_a_copy_that_is_not_the_one_in_use_is_not_taken_out(
    plant: int, postgres: Postgres, tmp_path: Path, is_moving: bool, reason: str
) -> None:
    ((south,),) = postgres.rows(
        "INSERT INTO realms.cluster (name, region, capacity) VALUES ('south', 'south', 9) RETURNING cluster_key"
    )
    if is_moving:
        postgres.run("INSERT INTO realms.move (project_key, to_key, account_key) VALUES (%s, %s, 5)", plant, south)
        postgres.run(
            "INSERT INTO realms.backend_move (move_key, backend_key, from_key, to_key)"
            " SELECT move_key, backend_key, 1, to_key FROM realms.move, realms.backend"
        )
    else:
        postgres.run("UPDATE realms.backend SET cluster_key = %s", south)
    recipient = pyrage.x25519.Identity.generate().to_public()
    signer = Signer.from_seed("here", bytes(32))
    files = StateFolder(postgres.folder / "state")
    wanted = Exporting(Here(postgres), files, tmp_path / "plant", [recipient], signer, 0.0)

    with pytest.raises(BackupError, match=reason):
        export(wanted, plant)

    assert not (tmp_path / "plant" / "manifest").exists()

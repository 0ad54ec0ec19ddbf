"""What an app has left is deleted for good, and nothing else is, on a real database with a provisioner."""

from pathlib import Path

import pytest
import pytest_asyncio

from services.realms.records.apps import NameApp
from services.realms.records.backends import Backend, DropBackend, ListBackends, ListRealms
from services.realms.records.values import Stage
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.identities import ServiceIdentity
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Countdown, KilledError, Login, Provisioning
from tests.integration.realms.world import ANNA, BERT, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
FLEETDB = ServiceIdentity("fleetdb", 1)
PROD = Stage.PROD
PRESS = DropBackend("plant", "press", PROD, "Press")
OWN_TABLES = "SELECT FROM information_schema.tables WHERE table_schema = current_schema"
SOME_TABLES = (
    "CREATE TABLE t (a int) PARTITION BY RANGE (a)",
    "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
    'CREATE TABLE "a""; DROP" (a int)',
    "CREATE VIEW v AS SELECT * FROM t",
    "CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
    "CREATE TYPE kind AS ENUM ('a')",
    "INSERT INTO t VALUES (1)",
)


@pytest.fixture(name="provisioning")
def fixture_provisioning(postgres: Postgres) -> Provisioning:
    return Provisioning(postgres)


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(world: Realms, provisioning: Provisioning, tmp_path: Path) -> Realms:
    """A plant whose app Press was uninstalled for production, with rows; for development it is there."""
    await world.project()
    await world.app("Press")
    await world.release()
    for stage in (Stage.DEV, PROD):
        await world.install(stage=stage)
    await provisioning.run()
    for backend in await ready(world):
        with Login.of(provisioning, tmp_path, backend.backend_key).connect() as session:
            for statement in SOME_TABLES:
                session.execute(statement.encode())
    await world.uninstall()
    await provisioning.run()
    return world


async def ready(world: Realms) -> list[Backend]:
    found: list[Backend] = (await world.backends.backend_list(FLEETDB, ListBackends())).backends
    return found


def left(postgres: Postgres, stage: str = "PROD") -> tuple[int, int]:
    """How many of a backend's roles and schemas are there."""
    ((database, schema, *roles),) = postgres.rows(
        "SELECT database_name, schema_name, owner_name, login_name FROM realms.backend"
        " JOIN realms.project_database USING (project_key) WHERE stage = %s ORDER BY backend_key LIMIT 1",
        stage,
    )
    found = len(postgres.rows("SELECT FROM pg_roles WHERE rolname = ANY (%s)", list(roles)))
    with postgres.connect(dbname=database) as session:
        schemas = session.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema]).fetchall()
    return found, len(schemas)


async def test_it_is_gone_with_its_roles_and_the_other_stage_is_not(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    assert left(postgres) == (2, 1)

    await plant.backends.backend_drop(ANNA, PRESS)
    await provisioning.run()

    assert (left(postgres), left(postgres, "DEV"), provisioning.undone()) == ((0, 0), (2, 1), [])
    (dev,) = await ready(plant)
    with Login.of(provisioning, tmp_path, dev.backend_key).connect() as session:
        assert session.execute("SELECT a FROM v").fetchall() == [(1,)]
    assert [entry for entry in postgres.audited() if "drop" in entry[0]] == [
        ("backend.drop_asked", "done"),
        ("backend.dropped", "intended"),
        ("backend.dropped", "done"),
    ]


async def test_privileges_is_told_that_it_is_gone(plant: Realms) -> None:
    await plant.telling.keep_up()
    await plant.backends.backend_drop(ANNA, PRESS)

    for _ in range(2):
        await plant.telling.keep_up()

    assert [said["kind"] for said in plant.others.forgotten] == ["data_backend"]


async def test_who_installs_the_app_again_begins_with_nothing(
    plant: Realms, provisioning: Provisioning, tmp_path: Path
) -> None:
    await plant.backends.backend_drop(ANNA, PRESS)
    await plant.install()
    await provisioning.run()

    backend = next(each for each in await ready(plant) if each.stage is PROD)
    with Login.of(provisioning, tmp_path, backend.backend_key).connect() as session:
        assert session.execute(OWN_TABLES).fetchall() == []


async def test_while_the_app_is_installed_or_the_name_is_not_said_nothing_happens(
    plant: Realms, postgres: Postgres
) -> None:
    for confirmed in ("", "saw", "\x00", "\ud800", "Press2"):
        with pytest.raises(ConflictError, match="name of the app"):
            await plant.backends.backend_drop(ANNA, DropBackend("plant", "press", PROD, confirmed))
    with pytest.raises(ConflictError, match="uninstall it first"):
        await plant.backends.backend_drop(ANNA, DropBackend("plant", "press", Stage.DEV, "press"))

    assert not [entry for entry in postgres.audited() if "drop" in entry[0]]
    with pytest.raises(NotFoundError):
        await plant.backends.backend_drop(ANNA, DropBackend("plant", "saw", PROD, "saw"))


async def test_who_may_delete_it(plant: Realms, postgres: Postgres) -> None:
    ((key, backend),) = postgres.rows("SELECT project_key, backend_key FROM realms.backend WHERE stage = 'PROD'")
    asked = DropBackend(key, "press", PROD, "press")
    assert (await refused(plant.backends.backend_drop(BERT, asked)))["uri"] == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.PROJECT, key, "READ", "INSTALL_APPS", "DELETE")
    assert (await refused(plant.backends.backend_drop(BERT, asked)))["uri"] == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.DATA_BACKEND, backend, "READ", "WRITE", "UPDATE", "CONNECT", "GRANT")
    assert (await refused(plant.backends.backend_drop(BERT, asked)))["uri"] == NotAuthorizedError.uri
    plant.rights.give(6, key, AssetKind.DATA_BACKEND, backend, "DELETE")

    await plant.backends.backend_drop(BERT, asked)

    with pytest.raises(NotFoundError):
        await plant.backends.backend_drop(BERT, asked)


async def test_what_is_left_is_listed_where_it_is_asked_for_also_of_a_deleted_app(plant: Realms) -> None:
    await plant.uninstall(stage=Stage.DEV)
    await plant.apps.app_delete(ANNA, NameApp("press"))

    assert (await plant.backends.realm_list(ANNA, ListRealms("plant"))).realms == []
    found = (await plant.backends.realm_list(ANNA, ListRealms("plant", closed=True))).realms
    assert [(each.app_name, each.stage.value, each.state) for each in found] == [
        ("Press", "DEV", "closed"),
        ("Press", "PROD", "closed"),
    ]
    await plant.backends.backend_drop(ANNA, PRESS)
    assert len((await plant.backends.realm_list(ANNA, ListRealms("plant", closed=True))).realms) == 1


async def test_of_two_apps_of_one_name_the_key_says_which(plant: Realms, provisioning: Provisioning) -> None:
    await plant.uninstall(stage=Stage.DEV)
    await plant.apps.app_delete(ANNA, NameApp("press"))
    new = await plant.app("press")
    await plant.install()
    await plant.uninstall()
    await provisioning.run()

    with pytest.raises(ConflictError, match="key of one"):
        await plant.backends.backend_drop(ANNA, PRESS)
    await plant.backends.backend_drop(ANNA, DropBackend("plant", new.app_key, PROD, "press"))
    await plant.backends.backend_drop(ANNA, PRESS)


async def test_killed_after_any_statement_it_is_dropped_by_the_next(
    plant: Realms, provisioning: Provisioning, postgres: Postgres
) -> None:
    number, is_over = 0, False
    while not is_over:
        number += 2
        await plant.install()
        await provisioning.run()
        await plant.uninstall()
        await plant.backends.backend_drop(ANNA, PRESS)
        try:
            await provisioning.run(Countdown(number))
            is_over = True
        except KilledError:
            await provisioning.run()
        assert provisioning.undone() == []
        names = "SELECT schema_name, owner_name, login_name FROM realms.backend WHERE state = 'dropped'"
        gone = [name for row in postgres.rows(names) for name in row]
        assert postgres.rows("SELECT FROM pg_roles WHERE rolname = ANY (%s)", gone) == []

    assert number > 20

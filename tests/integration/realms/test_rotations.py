"""Rotating the login of a data backend, on a real database with a provisioner."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.realms.records.backends import (
    NameBackend,
    SettleBackend,
)
from services.realms.records.values import Stage
from shared.errors import (
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    PublicError,
)
from shared.flags import AssetKind
from shared.rights.records import LockKind
from tests.harness.rights import MEMBER
from tests.harness.rights import project as in_project
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Countdown, KilledError, Login, Provisioning
from tests.integration.realms.ready_backends import (
    FLEETDB,
    PROD,
    fixture_plant,
    fixture_provisioning,
    listed,
    logins_that_open,
    rotate,
    told,
)
from tests.integration.realms.world import ANNA, BERT, Realms

__all__ = ["fixture_plant", "fixture_provisioning"]


pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_rotation_makes_another_login_and_both_open_until_it_is_settled(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (before,) = await listed(plant)
    old = Login.of(provisioning, tmp_path, before.backend_key)
    with old.connect() as session:
        session.execute("CREATE TABLE t (a bigint)")
        session.execute("INSERT INTO t VALUES (1)")

    assert await rotate(plant) == 2
    await provisioning.run()

    (after,) = await listed(plant)
    new = Login.of(provisioning, tmp_path, before.backend_key)
    assert (after.epoch, after.schema, after.database) == (2, before.schema, before.database)
    assert after.login not in (before.login, "")
    with new.connect() as session, old.connect() as beside:
        session.execute("INSERT INTO t VALUES (2)")
        beside.execute("INSERT INTO t VALUES (3)")
        session.execute("ALTER TABLE t ADD COLUMN b text")
    await plant.backends.backend_settled(FLEETDB, SettleBackend(before.backend_key, 2))
    await provisioning.run()
    assert (new.opens(), old.opens()) == (True, False)
    assert postgres.rows("SELECT FROM pg_roles WHERE rolname = %s", before.login) == []
    with new.connect() as session:
        assert session.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,), (3,)]
    await plant.announcing.keep_up()
    assert told(plant) == [("ready", 1), ("ready", 2)]
    tags = [entry for entry in postgres.audited() if entry[0].startswith("backend.rot")]
    assert tags == [
        ("backend.rotation_asked", "done"),
        ("backend.rotated", "intended"),
        ("backend.rotated", "done"),
    ]


async def test_sessions_of_the_old_login_end_with_it(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    session = Login.of(provisioning, tmp_path, backend.backend_key).connect()
    await rotate(plant)
    await provisioning.run()
    session.execute("SELECT 1")
    postgres.run("UPDATE realms.backend SET rotated_at = now() - interval '61 seconds'")

    await provisioning.run()  # nobody has said that it is settled

    with pytest.raises(Exception, match=r"terminat|closed"):
        session.execute("SELECT 1")
    assert postgres.rows("SELECT old_login_name FROM realms.backend") == [(None,)]


async def test_what_is_said_to_be_settled_too_early_or_twice_ends_nothing(
    plant: Realms, provisioning: Provisioning, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    for epoch in (1, 2, 3):
        await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, epoch))
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key + 1, 1))
    await rotate(plant)
    await provisioning.run()
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 1))
    await provisioning.run()

    assert Login(provisioning, tmp_path, backend.database, backend.login).opens()
    for _ in range(2):
        await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 2))
        await provisioning.run()
    assert Login.of(provisioning, tmp_path, backend.backend_key).opens()


async def test_what_its_holder_left_behind_does_not_keep_an_old_login_open(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    old = Login.of(provisioning, tmp_path, backend.backend_key)
    with old.connect() as session:
        session.execute("SET ROLE NONE")
        session.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    await rotate(plant)
    await provisioning.run()
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 2))

    await provisioning.run()

    assert not old.opens()
    assert provisioning.undone() == []
    assert await rotate(plant) == 3


async def test_one_rotation_after_the_other(plant: Realms, provisioning: Provisioning) -> None:
    (backend,) = await listed(plant)
    results = await asyncio.gather(*(rotate(plant) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results if result != 2] == [ConflictError] * 4
    await provisioning.run()
    with pytest.raises(ConflictError, match="rotated already"):
        await rotate(plant)
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 2))
    await provisioning.run()

    assert await rotate(plant) == 3


async def test_killed_after_any_statement_a_rotation_is_ended_by_the_next(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    number, is_over = 0, False
    while not is_over:
        number += 1
        await rotate(plant)
        try:
            await provisioning.run(Countdown(number))
            is_over = True
        except KilledError:
            await provisioning.run()
        (now,) = await listed(plant)
        assert (now.epoch, provisioning.undone()) == (number + 1, [])
        await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, number + 1))
        try:
            await provisioning.run(Countdown(number))
        except KilledError:
            await provisioning.run()
        assert Login.of(provisioning, tmp_path, backend.backend_key).opens()
        assert provisioning.undone() == []
        assert logins_that_open(postgres) == 1

    assert number > 15


async def test_a_backend_that_is_closed_while_it_is_rotated_opens_by_its_own_login_again(
    plant: Realms, provisioning: Provisioning, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    await rotate(plant)
    await plant.uninstall()
    await provisioning.run()
    assert provisioning.undone() == []

    await plant.install()
    await provisioning.run()

    assert Login.of(provisioning, tmp_path, backend.backend_key).opens()
    assert await rotate(plant) == (await listed(plant))[0].epoch + 1


async def test_who_may_rotate_it(plant: Realms, postgres: Postgres) -> None:
    (backend,) = await listed(plant)
    key = backend.project_key

    async def answer(by: Any = BERT, **named: Any) -> str:
        try:
            await rotate(plant, by, **named)
        except PublicError as error:
            return error.uri
        return "done"

    assert await answer(project=key) == NotFoundError.uri
    plant.rights.hold(6, in_project(key), MEMBER)
    assert await answer(project=key) == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.PROJECT, key, "READ", "INSTALL_APPS", "UPDATE", "GRANT")
    assert await answer(project=key) == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.DATA_BACKEND, backend.backend_key, "READ", "WRITE", "CONNECT")
    assert await answer(project=key) == NotAuthorizedError.uri
    plant.rights.lock(LockKind.PROJECT, key)
    assert await answer(ANNA, project=key) == NotAuthorizedError.uri
    assert postgres.rows("SELECT next_login_name FROM realms.backend") == [(None,)]


async def test_who_may_change_the_backend_rotates_it(plant: Realms) -> None:
    (backend,) = await listed(plant)
    plant.rights.hold(6, in_project(backend.project_key), MEMBER)
    plant.rights.give(6, backend.project_key, AssetKind.DATA_BACKEND, backend.backend_key, "READ", "UPDATE")

    assert await rotate(plant, BERT, backend.project_key) == 2


async def test_what_is_not_there_is_not_rotated(plant: Realms) -> None:
    for app, stage in (("saw", PROD), ("press", Stage.DEV), (10**9, PROD), ("\x00", PROD)):
        with pytest.raises(NotFoundError):
            await plant.backends.backend_rotate(ANNA, NameBackend("plant", app, stage))
    await plant.uninstall()
    with pytest.raises(NotFoundError):
        await rotate(plant)

"""Privileges is told of every project, until it knows it; those that were there before it too."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from services.realms import telling
from services.realms.telling import Telling
from shared.bus import Bus
from shared.database import Database
from shared.errors import UnavailableError
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
MIGRATION = Path(telling.__file__).parent / "migrations" / "0003_add_is_told.sql"


async def _nothing() -> None:
    """What happens while a word is on its way."""


class Privileges:
    """Hears, until it has heard `fails_after` times."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, str, int]] = []
        self.fails_after = 10**9
        self.apps: list[dict[str, Any]] = []
        self.backends: list[str] = []
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing

    async def call(self, procedure: str, *, kind: str, **said: Any) -> None:
        if kind == "data_backend":
            self.backends.append(procedure.rpartition(".")[2])
        else:
            assert procedure == "ironflock.privileges.domain.put"
            self._hear(kind, **said)
        await self.meanwhile()

    def _hear(self, kind: str, *, key: int, name: str, owner_account_key: int, **more: Any) -> None:
        if len(self.heard) >= self.fails_after:
            raise UnavailableError("away")
        self.heard.append((key, name, owner_account_key))
        if kind == "app":
            self.apps.append(more)


@pytest.fixture(name="privileges")
def fixture_privileges() -> Privileges:
    return Privileges()


@pytest.fixture(name="telling")
def fixture_telling(privileges: Privileges, realms_database: Database) -> Telling:
    return Telling(cast("Bus", privileges), realms_database)


def insert(postgres: Postgres, count: int) -> None:
    postgres.run(
        "INSERT INTO realms.project (name, name_canonical, owner_account_key)"
        " SELECT 'p' || n, 'p' || n, 4 + n FROM generate_series(1, %s) n",
        count,
    )


def insert_app(postgres: Postgres) -> None:
    postgres.run("INSERT INTO realms.app (name, name_canonical, owner_account_key) VALUES ('press', 'press', 5)")


def untold(postgres: Postgres) -> list[Any]:
    return [name for (name,) in postgres.rows("SELECT name FROM realms.project WHERE NOT is_told ORDER BY 1")]


async def test_what_was_not_told_is_told_once(telling: Telling, privileges: Privileges, postgres: Postgres) -> None:
    insert(postgres, 3)

    for _ in range(2):
        await telling.keep_up()

    assert [each[1:] for each in privileges.heard] == [("p1", 5), ("p2", 6), ("p3", 7)]
    assert untold(postgres) == []


async def test_given_privileges_away_when_it_is_told_then_it_is_told_later(
    telling: Telling, privileges: Privileges, postgres: Postgres
) -> None:
    insert(postgres, 3)
    privileges.fails_after = 1
    with pytest.raises(UnavailableError):
        await telling.keep_up()
    assert untold(postgres) == ["p2", "p3"]
    privileges.fails_after = 10**9

    await telling.keep_up()

    assert [name for _, name, _ in privileges.heard] == ["p1", "p2", "p3"]
    assert untold(postgres) == []


async def test_many_are_told_in_turns(
    telling: Telling, privileges: Privileges, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.realms.telling.AT_ONCE", 2)
    insert(postgres, 3)

    await telling.keep_up()
    assert untold(postgres) == ["p3"]
    await telling.keep_up()

    assert untold(postgres) == []


async def test_projects_that_were_there_before_the_migration_are_told(
    telling: Telling, privileges: Privileges, postgres: Postgres
) -> None:
    """As the database was: no column says what was told."""
    postgres.run("ALTER TABLE realms.project DROP COLUMN is_told")
    insert(postgres, 2)
    postgres.run(MIGRATION.read_text())

    await telling.keep_up()

    assert [name for _, name, _ in privileges.heard] == ["p1", "p2"]


async def test_an_app_is_told_until_it_is_known_as_it_is(
    telling: Telling, privileges: Privileges, postgres: Postgres
) -> None:
    insert_app(postgres)
    privileges.fails_after = 0
    with pytest.raises(UnavailableError):
        await telling.keep_up()
    privileges.fails_after = 10**9

    for _ in range(2):
        await telling.keep_up()
    postgres.run("UPDATE realms.app SET is_public = true, revision = 2, is_told = false")
    await telling.keep_up()

    assert [name for _, name, _ in privileges.heard] == ["press", "press"]
    assert privileges.apps == [{"is_public": False, "revision": 1}, {"is_public": True, "revision": 2}]


async def test_what_changes_while_it_is_told_is_told_again(
    telling: Telling, privileges: Privileges, postgres: Postgres
) -> None:
    insert_app(postgres)

    async def publish() -> None:
        postgres.run("UPDATE realms.app SET is_public = true, revision = 2 WHERE revision = 1")

    privileges.meanwhile = publish

    for _ in range(2):
        await telling.keep_up()

    assert [each["revision"] for each in privileges.apps] == [1, 2]
    assert postgres.rows("SELECT is_told FROM realms.app") == [(True,)]


async def test_a_backend_that_is_dropped_while_it_is_told_is_forgotten_there_too(
    telling: Telling, privileges: Privileges, postgres: Postgres
) -> None:
    insert(postgres, 1)
    insert_app(postgres)
    postgres.run(
        "INSERT INTO realms.project_database (project_key, database_name) SELECT project_key, 'd' FROM realms.project"
    )
    postgres.run(
        "INSERT INTO realms.backend (project_key, app_key, stage, state, schema_name, owner_name, login_name,"
        " creator_account_key, cluster_key) SELECT project_key, app_key, 'PROD', 'ready', 's', 'o', 'l', 5, cluster_key"
        " FROM realms.project, realms.app"
    )

    async def drop() -> None:
        if privileges.backends == ["put"]:
            postgres.run("UPDATE realms.backend SET state = 'dropped', is_told = false")

    privileges.meanwhile = drop

    for _ in range(3):
        await telling.keep_up()

    assert privileges.backends == ["put", "forget"]

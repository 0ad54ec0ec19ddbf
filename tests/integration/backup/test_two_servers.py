"""Two database servers in one backup: both come back as of the same moment, and one that is away is told of."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pyrage
import pytest
from attrs import evolve
from psycopg import sql

from deploy.backup.drilling import Drill, drill
from deploy.backup.errors import BackupError, LogLostError
from deploy.backup.manifest import Kind, Manifest, write_manifest
from deploy.backup.materialising import WAL_FOLDER, Source
from deploy.backup.restoring import Wanted, restore
from deploy.backup.scratch import Scratch, Server, recovered
from deploy.backup.sealing import Identity
from deploy.backup.servers import reached
from deploy.backup.signing import signer_of
from deploy.backup.taking import Taking, take, take_log
from deploy.backup.tools import find_program, tools_of
from deploy.backup.wal import SLOT
from deploy.carrying.databases import living
from deploy.carrying.reviving_one import Reviving, revive_one
from deploy.local.accounts import postgres_account
from deploy.local.settings import LocalSettings, local_settings
from deploy.local.state import StateFolder
from tests.harness.scratch import new_folder
from tests.integration.database import Postgres

pytestmark = pytest.mark.real
IS_ROOT: Final = os.geteuid() == 0
IDENTITY: Identity = pyrage.x25519.Identity.generate()
DATABASE: Final = "d_plant"
PLANT: Final = """
INSERT INTO realms.cluster (name, region, capacity, reached_at) VALUES ('second', 'south', 9, now());
INSERT INTO realms.project (project_key, name, name_canonical, owner_account_key, cluster_key) OVERRIDING SYSTEM VALUE
    SELECT 7, 'plant', 'plant', 1, cluster_key FROM realms.cluster WHERE name = 'second';
INSERT INTO realms.app (app_key, name, name_canonical, owner_account_key) OVERRIDING SYSTEM VALUE
    VALUES (4, 'press', 'press', 1);
INSERT INTO realms.project_database VALUES (7, 'd_plant', 'ready');
INSERT INTO realms.backend (project_key, app_key, stage, state, schema_name, owner_name, login_name,
    creator_account_key, cluster_key) SELECT 7, 4, 'DEV', 'ready', 's_plant', 'o', 'postgres', 1, cluster_key
    FROM realms.cluster WHERE name = 'second'
"""


@pytest.fixture(scope="module", name="pair")
def fixture_pair() -> Iterator[Postgres]:
    """Two servers: the control database is on the first, the one project's database on the second."""
    started = Postgres(clusters=2)
    try:
        started.start()
        migrated = started.migrate()
        assert migrated.returncode == 0, migrated.stderr
        with started.connect() as connection:
            connection.execute(PLANT.encode())
        with there(started, "postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with there(started) as connection:
            connection.execute("CREATE SCHEMA s_plant CREATE TABLE written (number bigint PRIMARY KEY)")
        yield started
    finally:
        started.remove()


def there(pair: Postgres, database: str = DATABASE) -> psycopg.Connection[Any]:
    """The superuser on the second server."""
    return living(StateFolder(pair.folder / "state")).connect(database, "second")


@pytest.fixture(name="state")
def fixture_state(pair: Postgres) -> StateFolder:
    return StateFolder(pair.folder / "state")


@pytest.fixture(name="empty")
def fixture_empty() -> Iterator[LocalSettings]:
    """An installation that is not there yet, which has two servers."""
    folder = new_folder()
    yield local_settings({"IRONFLOCK_LOCAL_STATE": str(folder / "state"), "IRONFLOCK_LOCAL_CLUSTERS": "2"})
    shutil.rmtree(folder)


def taking(state: StateFolder, place: Path, *, is_partial: bool = False) -> Taking:
    """A backup that begins now."""
    now = time.time()  # noqa: TID251 - the machine's clock, as flockctl has it
    return Taking(state, place, [IDENTITY.to_public()], now, is_partial)


def wanted(place: Path, state: StateFolder, point: float | None = None, *without: str) -> Wanted:
    """What is in `place`, as of `point`."""
    keys = (signer_of(state).verifier_key,)
    return Wanted(Source(place, [IDENTITY]), keys, point, None, without=frozenset(without))


def write(pair: Postgres, number: int) -> float:
    """A row on each server; the moment when both were acknowledged."""
    pair.run("INSERT INTO realms.news (topic, content) VALUES ('test', to_jsonb(%s::int))", number)
    with there(pair) as connection:
        connection.execute("INSERT INTO s_plant.written VALUES (%s)", [number])
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float").fetchone()
    assert row is not None
    return float(row[0])


@contextmanager
def server_of(settings: LocalSettings, name: str) -> Iterator[Server]:
    """A server over that cluster of a restored installation."""
    made = StateFolder(settings.state)
    folder = made.postgres_of(name)
    (folder / WAL_FOLDER).mkdir()
    with recovered(Scratch(folder, find_program(made), postgres_account("", is_root=IS_ROOT), None)) as server:
        yield server


def numbers(settings: LocalSettings) -> tuple[list[int], list[int]]:
    """What was written, as each server of a restored installation has it."""
    with server_of(settings, "first") as first, first.connect("ironflock") as connection:
        control = connection.execute("SELECT content::int FROM realms.news WHERE topic = 'test' ORDER BY 1").fetchall()
    with server_of(settings, "second") as second, second.connect(DATABASE) as connection:
        rows = connection.execute("SELECT number FROM s_plant.written ORDER BY 1").fetchall()
    return [row[0] for row in control], [row[0] for row in rows]


def dies(*_: object) -> None:
    """In the place of what a run does after it has looked at every slot."""
    raise BackupError("the run died")


def kinds(made: Manifest) -> tuple[Kind, ...]:
    """Of which kind the backup is of each server."""
    return (made.kind, *(member.kind for member in made.members))


def test_both_come_back_as_of_one_moment(
    pair: Postgres, state: StateFolder, tmp_path: Path, empty: LocalSettings
) -> None:
    place = tmp_path / "backups"
    write(pair, 1)
    first = take(taking(state, place), is_full=False)
    moment = write(pair, 2)
    write(pair, 3)
    second = take(taking(state, place), is_full=False)
    third = take_log(taking(state, place))
    write(pair, 4)

    done = restore(empty, wanted(place, state, moment), is_root=IS_ROOT)

    assert [kinds(each) for each in (first, second, third)] == [
        (kind, kind) for kind in (Kind.FULL, Kind.INCREMENTAL, Kind.WAL)
    ]
    assert not any(list((state.postgres_of(name) / "wal-spool").iterdir()) for name in ("first", "second"))
    assert numbers(empty) == ([1, 2], [1, 2])
    assert done.missing == ()


def test_no_log_goes_on_over_a_hole_on_the_other_server(
    state: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "backups"
    take(taking(state, place), is_full=True)
    with living(state).connect("postgres", "second") as connection:
        connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
    with monkeypatch.context() as dying:
        dying.setattr("deploy.backup.taking.seal_base", dies)
        with pytest.raises(BackupError, match="died"):
            take(taking(state, place), is_full=False)

    with pytest.raises(LogLostError, match="of the database server second"):
        take_log(taking(state, place))
    made = take(taking(state, place), is_full=False)
    assert kinds(made) == (Kind.INCREMENTAL, Kind.FULL)
    # As if the server had gone over to another instance since.
    members = tuple(evolve(each, timeline=each.timeline + 1) for each in made.members)
    write_manifest(place, evolve(made, members=members), signer_of(state))
    with pytest.raises(LogLostError, match="the server second went over"):
        take_log(taking(state, place))


def test_one_that_was_forgotten_is_not_looked_at_when_it_comes_back(pair: Postgres, state: StateFolder) -> None:
    pair.run("UPDATE realms.cluster SET forgotten_at = now() WHERE name = 'second'")
    try:
        with reached(state) as (servers, absent):
            assert ([each.name for each in servers], absent) == (["first"], ())
    finally:
        pair.run("UPDATE realms.cluster SET forgotten_at = NULL")


@pytest.mark.soak  # another restore
def test_one_project_is_looked_for_on_none_but_the_servers_that_are_wanted(state: StateFolder, tmp_path: Path) -> None:
    place, account = tmp_path / "backups", postgres_account("", is_root=IS_ROOT)
    take(taking(state, place), is_full=True)
    asked = wanted(place, state)
    reviving = Reviving(7, asked.source, asked.keys, None, None, account, 0.0, without=frozenset({"second"}))

    with pytest.raises(BackupError, match="nothing of the database server second"):
        revive_one(state, reviving)


@pytest.mark.soak  # more of the same, and a second restore
def test_a_server_is_left_out_where_that_is_said_and_a_drill_looks_at_both(
    state: StateFolder, tmp_path: Path, empty: LocalSettings
) -> None:
    place, keys = tmp_path / "backups", (signer_of(state).verifier_key,)
    take(taking(state, place), is_full=True)
    one = local_settings({"IRONFLOCK_LOCAL_STATE": str(tmp_path / "state")})
    with pytest.raises(BackupError, match="IRONFLOCK_LOCAL_CLUSTERS=2"):
        restore(one, wanted(place, state), is_root=IS_ROOT)

    done = restore(empty, wanted(place, state, None, "second"), is_root=IS_ROOT)
    room, account = new_folder(), postgres_account("", is_root=IS_ROOT)
    drilled = drill(Drill(Source(place, [IDENTITY]), keys, find_program(state), account, room))
    room.rmdir()

    assert done.missing == ("1 data backends are on the database server second, which is not there",)
    assert drilled.backends == 1
    assert drilled.failures == ("audit-keys is not in the backup",)  # no audit has ever run here


@pytest.mark.soak  # four more backups
def test_a_server_that_is_away_is_told_of_and_comes_whole_again(state: StateFolder, tmp_path: Path) -> None:
    place, file = tmp_path / "backups", state.clusters / "second.json"
    take(taking(state, place), is_full=True)
    told = file.read_text()
    try:
        file.write_text(told.replace(str(tools_of(state, "second").port), "1"))
        with pytest.raises(BackupError, match=r"second: .*--partial"):
            take(taking(state, place), is_full=False)
        partial = take(taking(state, place, is_partial=True), is_full=False)
        file.unlink()
        with pytest.raises(BackupError, match="does not know where it is"):
            take(taking(state, place), is_full=False)
    finally:
        file.write_text(told)

    assert (partial.absent, partial.members) == (("second",), ())
    with pytest.raises(LogLostError, match="of the database server second"):
        take_log(taking(state, place))
    assert kinds(take(taking(state, place), is_full=False)) == (Kind.INCREMENTAL, Kind.FULL)

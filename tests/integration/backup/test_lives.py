"""A restored installation lives on under a timeline of its own: by it backups of one life are told from another's."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyrage
import pytest

from deploy.backup.errors import BackupError
from deploy.backup.leftovers import REVIVING
from deploy.backup.manifest import Manifest
from deploy.backup.materialising import WAL_FOLDER, Source
from deploy.backup.restoring import Wanted, restore
from deploy.backup.scratch import Scratch, recovered
from deploy.backup.sealing import Identity
from deploy.backup.signing import signer_of
from deploy.backup.taking import Taking, take, take_log
from deploy.backup.tools import find_program
from deploy.local.accounts import postgres_account
from deploy.local.settings import LocalSettings, local_settings
from deploy.local.state import StateFolder
from tests.harness.scratch import new_folder
from tests.integration.database import Postgres

IS_ROOT: Final = os.geteuid() == 0
IDENTITY: Identity = pyrage.x25519.Identity.generate()


def taken(living: Postgres, place: Path) -> Manifest:
    """A backup of now, of what runs there."""
    return take(Taking(state_of(living), place, [IDENTITY.to_public()], now()), is_full=False)


def log_taken(living: Postgres, place: Path) -> Manifest:
    """The log up to now, of what runs there."""
    return take_log(Taking(state_of(living), place, [IDENTITY.to_public()], now()))


def now() -> float:
    return time.time()  # noqa: TID251 - the machine's clock, as flockctl has it


def state_of(living: Postgres) -> StateFolder:
    return StateFolder(living.folder / "state")


def write(living: Postgres, number: int) -> float:
    """Write a row; the moment of the server when it was acknowledged."""
    living.run("INSERT INTO public.written VALUES (%s)", number)
    return float(living.rows("SELECT extract(epoch FROM clock_timestamp())::float")[0][0])


def settings_of(folder: Path) -> LocalSettings:
    return local_settings({"IRONFLOCK_LOCAL_STATE": str(folder / "state")})


def bring(settings: LocalSettings, place: Path, state: StateFolder, point: float) -> None:
    """Have there what is in `place`, as of `point`."""
    wanted = Wanted(Source(place, [IDENTITY]), (signer_of(state).verifier_key,), point, None)
    restore(settings, wanted, is_root=IS_ROOT)


@contextmanager
def life(place: Path, state: StateFolder, point: float) -> Iterator[Postgres]:
    """An installation that lives on from `point`."""
    living = Postgres()
    left = state_of(living).postgres / REVIVING / "files"  # of a run that was killed: everything in clear
    try:
        bring(settings_of(living.folder), place, state, point)
        left.mkdir(parents=True)
        living.start()
        assert not left.exists()
        yield living
    finally:
        living.remove()


@pytest.fixture
def empty() -> Iterator[LocalSettings]:
    """An installation that is not there yet."""
    folder = new_folder()
    yield settings_of(folder)
    shutil.rmtree(folder)


def rows(settings: LocalSettings) -> list[int]:
    """What is in the table of a restored installation, which goes."""
    made = StateFolder(settings.state)
    (made.postgres / WAL_FOLDER).mkdir()
    scratch = Scratch(made.postgres, find_program(made), postgres_account("", is_root=IS_ROOT), None)
    with recovered(scratch) as server, server.connect("ironflock") as connection:
        found = connection.execute("SELECT number FROM public.written ORDER BY number").fetchall()
    shutil.rmtree(made.root)
    return [row[0] for row in found]


def newest_timeline(settings: LocalSettings) -> int:
    """The newest timeline that the cluster of a restored installation knows: its own."""
    histories = (StateFolder(settings.state).postgres / "data" / "pg_wal").glob("*.history")
    return max(int(path.stem, 16) for path in histories)


def test_what_was_written_after_a_restore_comes_back_and_no_other_restore_begins_the_same_timeline(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    write(postgres, 1)
    first = taken(postgres, place)
    chosen = write(postgres, 2)
    write(postgres, 3)
    log_taken(postgres, place)
    with life(place, state, chosen) as second:
        began = taken(second, place)
        meant = write(second, 20)
        write(second, 21)
        log_taken(second, place)

    assert (first.timeline, began.timeline) == (1, 2)
    bring(empty, place, state, meant)
    assert newest_timeline(empty) == 3
    assert rows(empty) == [1, 2, 20]
    bring(empty, place, state, chosen)
    assert newest_timeline(empty) == 3
    assert rows(empty) == [1, 2]


@pytest.mark.soak  # three installations that run, and four restores
def test_a_moment_of_each_of_two_lives_from_one_timeline_comes_back_and_none_of_between(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    write(postgres, 1)
    taken(postgres, place)
    chosen = write(postgres, 2)
    log_taken(postgres, place)
    meant, ended = list[float](), list[float]()
    for number in (20, 30):
        with life(place, state, chosen) as living:
            taken(living, place)
            meant.append(write(living, number))
            write(living, number + 1)
            ended.append(log_taken(living, place).restorable_until)

    for moment, found in zip(meant, ([1, 2, 20], [1, 2, 30]), strict=True):
        bring(empty, place, state, moment)
        assert rows(empty) == found
    with pytest.raises(BackupError, match="do not reach to that moment"):
        bring(empty, place, state, ended[0] + 0.001)


@pytest.mark.soak  # the same, as releases before have left it
def test_of_two_lives_that_share_a_timeline_the_log_is_that_of_the_backup_that_it_goes_on_from(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings, tmp_path: Path
) -> None:
    write(postgres, 1)
    taken(postgres, place)
    chosen = write(postgres, 2)
    log_taken(postgres, place)
    hidden, meant = tmp_path / "hidden", list[float]()
    hidden.mkdir()
    for number in (20, 30):
        with life(place, state, chosen) as living:
            made = [taken(living, place)]
            meant.append(write(living, number))
            write(living, number + 1)
            made.append(log_taken(living, place))
        assert {each.timeline for each in made} == {2}
        for each in made:
            (place / each.backup_id).rename(hidden / each.backup_id)
    for folder in hidden.iterdir():
        folder.rename(place / folder.name)

    for moment, found in zip(meant, ([1, 2, 20], [1, 2, 30]), strict=True):
        bring(empty, place, state, moment)
        assert rows(empty) == found

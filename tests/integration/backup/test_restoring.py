"""Backups of a real cluster, brought back to the moment that was asked for; and what is not whole is no backup."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyrage
import pytest
from attrs import evolve

from deploy.backup import locking, restoring, wal
from deploy.backup import taking as taking_module
from deploy.backup.drilling import Drill, drill
from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.keys import unopened
from deploy.backup.leftovers import DRILLING
from deploy.backup.manifest import Kind, new_id, write_manifest
from deploy.backup.materialising import WAL_FOLDER, Source
from deploy.backup.remembering import remember
from deploy.backup.restoring import Wanted, restore
from deploy.backup.scratch import Scratch, Server, recovered
from deploy.backup.sealing import Identity
from deploy.backup.signing import signer_of
from deploy.backup.taking import Taking, take, take_log
from deploy.backup.tools import find_program, tools_of
from deploy.local.accounts import postgres_account
from deploy.local.key_files import with_active_master_alone, with_new_master
from deploy.local.preparation import RestoreUnfinishedError, check_restored
from deploy.local.settings import LocalSettings, local_settings
from deploy.local.state import StateFolder
from shared.secrets import parse_master_keys, wrap
from tests.harness.scratch import new_folder
from tests.integration.database import Postgres

IS_ROOT: Final = os.geteuid() == 0
IDENTITY: Identity = pyrage.x25519.Identity.generate()


def taking(state: StateFolder, place: Path) -> Taking:
    """A backup that begins now."""
    return Taking(state, place, [IDENTITY.to_public()], time.time())  # noqa: TID251 - the machine's clock, as flockctl has it


def write(postgres: Postgres, number: int) -> float:
    """Write a row; the moment of the server when it was acknowledged."""
    postgres.run("INSERT INTO public.written VALUES (%s)", number)
    return float(postgres.rows("SELECT extract(epoch FROM clock_timestamp())::float")[0][0])


@pytest.fixture
def empty() -> Iterator[LocalSettings]:
    """An installation that is not there yet."""
    folder = new_folder()
    yield local_settings({"IRONFLOCK_LOCAL_STATE": str(folder / "state")})
    shutil.rmtree(folder)


def wanted(place: Path, state: StateFolder, point: float | None = None) -> Wanted:
    """What is in `place`, as of `point`."""
    return Wanted(Source(place, [IDENTITY]), (signer_of(state).verifier_key,), point, None)


@contextmanager
def server_of(settings: LocalSettings) -> Iterator[Server]:
    """A server over a restored installation."""
    made = StateFolder(settings.state)
    scratch = Scratch(made.postgres, find_program(made), postgres_account("", is_root=IS_ROOT), None)
    (made.postgres / WAL_FOLDER).mkdir()
    with recovered(scratch) as server:
        yield server


def rows(settings: LocalSettings) -> list[int]:
    """What is in the table of a restored installation."""
    with server_of(settings) as server, server.connect("ironflock") as connection:
        found = connection.execute("SELECT number FROM public.written ORDER BY number").fetchall()
    return [row[0] for row in found]


def cut_off(
    patch: pytest.MonkeyPatch, module: Any, name: str, does: Callable[..., None], act: Callable[[], Any]
) -> None:
    """Do `act`, in which `does` stands for what `module` calls `name`, and does not let it end."""
    with patch.context() as patched:
        patched.setattr(module, name, does)
        with pytest.raises(KeyboardInterrupt):
            act()


def test_each_moment_comes_back_with_what_was_acknowledged_before_it(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    write(postgres, 1)
    first = take(taking(state, place), is_full=False)
    second_at = write(postgres, 2)
    write(postgres, 3)
    second = take(taking(state, place), is_full=False)
    write(postgres, 4)
    third = take_log(taking(state, place))
    write(postgres, 5)

    done = restore(empty, wanted(place, state), is_root=IS_ROOT)

    assert [each.kind for each in (first, second, third)] == [Kind.FULL, Kind.INCREMENTAL, Kind.WAL]
    assert done.backups == (first.backup_id, second.backup_id)
    assert rows(empty) == [1, 2, 3, 4]
    assert done.revived.replayed is None
    made = StateFolder(empty.state)
    assert made.master_keys.read_bytes() == state.master_keys.read_bytes()
    told = json.loads((made.root / "settings-of-backup.json").read_bytes())
    assert all(name.startswith("IRONFLOCK_") for name in told)
    assert made.master_keys.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="is there"):
        restore(empty, wanted(place, state), is_root=IS_ROOT)

    shutil.rmtree(empty.state)
    restore(empty, wanted(place, state, second_at), is_root=IS_ROOT)
    assert rows(empty) == [1, 2]


def test_a_moment_after_which_nothing_was_written_comes_back_too(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    write(postgres, 1)
    made = take(taking(state, place), is_full=True)

    restore(empty, wanted(place, state, made.restorable_until), is_root=IS_ROOT)

    assert rows(empty) == [1]


def test_what_a_run_that_died_had_fetched_is_in_the_next(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    made = take(taking(state, place), is_full=True)
    write(postgres, 1)
    tools = tools_of(state)
    with tools.connect() as connection:
        wal.receive(tools, connection, made.segment_octets, state.postgres)
    (place / new_id(time.time(), Kind.WAL)).mkdir()  # noqa: TID251 - as above
    write(postgres, 2)

    take_log(taking(state, place))

    assert list((state.postgres / wal.SPOOL).iterdir()) == []
    restore(empty, wanted(place, state), is_root=IS_ROOT)
    assert rows(empty) == [1, 2]


def test_a_part_that_was_replaced_is_refused_and_nothing_is_left(
    state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    made = take(taking(state, place), is_full=True)
    path = place / made.backup_id / made.parts[0].name
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(UntrustedError, match="damaged or replaced"):
        restore(empty, wanted(place, state), is_root=IS_ROOT)

    assert not (StateFolder(empty.state).postgres / "data").exists()
    assert list(StateFolder(empty.state).postgres.glob(".restoring*")) == []


def test_a_log_that_breaks_off_before_the_moment_is_not_taken_for_all_of_it(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    take(taking(state, place), is_full=True)
    write(postgres, 1)
    before = take_log(taking(state, place))
    moment = write(postgres, 2)
    made = take_log(taking(state, place))
    # As where another life has a piece of that name: it does not go on from the one before.
    (old, *_), (new, *_) = before.segments.values(), made.segments.values()
    shutil.copy(place / before.backup_id / old.name, place / made.backup_id / new.name)
    parts = tuple(evolve(old, name=new.name) if part == new else part for part in made.parts)
    write_manifest(place, evolve(made, parts=parts), signer_of(state))

    for point in (moment, None):
        with pytest.raises(BackupError, match="breaks off before that moment"):
            restore(empty, wanted(place, state, point), is_root=IS_ROOT)

    assert not (StateFolder(empty.state).postgres / "data").exists()


def test_a_run_that_fails_leaves_nothing(state: StateFolder, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(taking(state, place), is_full=True)
    before = sorted(place.iterdir())

    def fails(*_: object) -> None:
        raise BackupError("the disk is full")

    monkeypatch.setattr(taking_module, "seal_files", fails)
    for run in (lambda: take(taking(state, place), is_full=True), lambda: take_log(taking(state, place))):
        with pytest.raises(BackupError, match="disk is full"):
            run()

    assert sorted(place.iterdir()) == before


def test_a_restore_that_was_cut_off_is_repeated_and_nothing_starts_before(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(postgres, 1)
    take(taking(state, place), is_full=True)
    made = StateFolder(empty.state)

    for name in ("_settle_files", "sync_folder"):
        real = getattr(restoring, name)

        def dies(*values: Any, real: Callable[..., None] = real) -> None:
            real(*values)
            (made.secrets / "of-the-first-try").touch()
            raise KeyboardInterrupt

        cut_off(monkeypatch, restoring, name, dies, lambda: restore(empty, wanted(place, state), is_root=IS_ROOT))
        with pytest.raises(RestoreUnfinishedError):
            check_restored(made)

        restore(empty, wanted(place, state), is_root=IS_ROOT)

        check_restored(made)
        assert not (made.secrets / "of-the-first-try").exists()
        assert rows(empty) == [1]
        shutil.rmtree(empty.state)


def test_a_moment_between_a_rotation_and_the_next_backup_has_keys_and_a_password_that_fit(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    file, password = state.devices_master_keys, state.database_secrets / "postgres"
    before, told = file.read_text(), password.read_text()
    try:
        password.write_text("another")
        take(taking(state, place), is_full=True)
        new = {"active": "new", "keys": {"new": base64.b64encode(bytes(32)).decode()}}
        file.write_text(json.dumps(new))
        key = wrap(parse_master_keys(json.dumps(new)), "d1", bytes(32))
        postgres.run("INSERT INTO devices.data_key VALUES (%s, %s, %s)", key.key_id, key.master_key_id, key.wrapped)
        between = write(postgres, 1)
        write(postgres, 2)
        take_log(taking(state, place))
    finally:
        file.write_text(before)
        password.write_text(told)

    restore(empty, wanted(place, state, between), is_root=IS_ROOT)

    made = StateFolder(empty.state)
    with server_of(empty) as server, server.connect("ironflock") as connection:
        assert unopened(connection, made) == []
        [(verifier,)] = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").fetchall()
    rounds, salt = verifier.split("$")[1].split(":")
    salted = hashlib.pbkdf2_hmac("sha256", b"another", base64.b64decode(salt), int(rounds))
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert verifier.split("$")[2].split(":")[0] == base64.b64encode(stored).decode()  # RFC 5802


def test_keys_that_two_rotations_retired_between_two_backups_are_in_the_second(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    file, first = state.devices_master_keys, state.devices_master_keys.read_text()
    retired = state.retired_master_keys / file.name
    try:
        take(taking(state, place), is_full=True)
        between = with_new_master(first, "between", b"b" * 32)
        key = wrap(parse_master_keys(between), "d3", bytes(32))
        postgres.run("INSERT INTO devices.data_key VALUES (%s, %s, %s)", key.key_id, key.master_key_id, key.wrapped)
        moment = write(postgres, 1)
        write(postgres, 2)
        retired.parent.mkdir()
        retired.write_text(between)
        file.write_text(with_active_master_alone(with_new_master(between, "last", b"l" * 32)))
        take_log(taking(state, place))
        assert not retired.exists()
    finally:
        file.write_text(first)
        shutil.rmtree(retired.parent)

    restore(empty, wanted(place, state, moment), is_root=IS_ROOT)

    with server_of(empty) as server, server.connect("ironflock") as connection:
        assert unopened(connection, StateFolder(empty.state)) == []


def test_a_drill_tells_of_a_data_key_that_no_master_key_opens(
    postgres: Postgres, state: StateFolder, place: Path
) -> None:
    postgres.run("INSERT INTO tunnels.data_key VALUES ('d2', 'gone', %s)", bytes(40))
    take(taking(state, place), is_full=True)
    room = new_folder()
    (room / DRILLING / "files" / "secrets").mkdir(parents=True)  # of a drill that was killed
    source, keys = Source(place, [IDENTITY]), (signer_of(state).verifier_key,)

    done = drill(Drill(source, keys, find_program(state), postgres_account("", is_root=IS_ROOT), room))

    room.rmdir()
    failure = "what tunnels sealed cannot be opened: data key d2 needs master key gone, which is not here"
    assert failure in done.failures


def test_the_log_alone_needs_a_backup_before_it(state: StateFolder, place: Path) -> None:
    with pytest.raises(BackupError, match="take one first"):
        take_log(taking(state, place))


def test_two_backups_are_not_taken_at_once(state: StateFolder, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(taking(state, place), is_full=True)
    monkeypatch.setattr(locking, "WAIT_S", 0.0)

    with locking.held(state.postgres / wal.SPOOL, "a backup"):
        with pytest.raises(BackupError, match="under way"):
            take_log(taking(state, place))
        with pytest.raises(BackupError, match="under way"):
            take(taking(state, place), is_full=False)

    assert take_log(taking(state, place)).kind is Kind.WAL


def test_after_a_run_that_died_at_its_end_the_next_comes_back_all_the_same(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(taking(state, place), is_full=True)

    def dies(*values: Any, **changes: Any) -> None:
        if not changes or "newest" in changes:
            raise KeyboardInterrupt
        remember(*values, **changes)

    for number, name in enumerate(("remember", "write_atomically"), 1):
        write(postgres, number)
        cut_off(monkeypatch, taking_module, name, dies, lambda: take(taking(state, place), is_full=False))
        write(postgres, 10 * number)
        take(taking(state, place), is_full=False)

        restore(empty, wanted(place, state), is_root=IS_ROOT)

        assert rows(empty)[-1] == 10 * number
        shutil.rmtree(empty.state)


def test_after_a_lost_slot_the_log_alone_is_refused_until_there_is_a_full_backup(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    take(taking(state, place), is_full=True)
    (state.postgres / wal.SPOOL / f"{1:024X}").touch()  # of before the hole
    postgres.run("SELECT pg_drop_replication_slot(%s)", wal.SLOT)

    for words in ("has not kept its log", "take one first"):
        with pytest.raises(BackupError, match=words):
            take_log(taking(state, place))
    write(postgres, 1)

    assert take(taking(state, place), is_full=False).kind is Kind.FULL
    restore(empty, wanted(place, state), is_root=IS_ROOT)
    assert rows(empty) == [1]


def test_a_drill_tells_what_is_missing_and_leaves_nothing(
    postgres: Postgres, state: StateFolder, place: Path, tmp_path: Path
) -> None:
    postgres.run(
        "INSERT INTO realms.project (project_key, name, name_canonical, owner_account_key)"
        " OVERRIDING SYSTEM VALUE VALUES (7, 'plant', 'plant', 1)"
    )
    postgres.run(
        "INSERT INTO realms.app (app_key, name, name_canonical, owner_account_key)"
        " OVERRIDING SYSTEM VALUE VALUES (4, 'press', 'press', 1)"
    )
    postgres.run("INSERT INTO realms.project_database VALUES (7, 'db_nowhere', 'ready')")
    postgres.run(
        "INSERT INTO realms.backend (project_key, app_key, stage, state, schema_name, owner_name, login_name,"
        " creator_account_key) VALUES (7, 4, 'DEV', 'ready', 's', 'o', 'postgres', 1)"
    )
    take(taking(state, place), is_full=True)
    room = new_folder()
    source, keys = Source(place, [IDENTITY]), (signer_of(state).verifier_key,)

    done = drill(Drill(source, keys, find_program(state), postgres_account("", is_root=IS_ROOT), room))

    assert "the database db_nowhere of a project is not there" in done.failures
    assert done.backends == 1
    assert done.rows["realms"] >= 4
    assert list(room.iterdir()) == []
    room.rmdir()

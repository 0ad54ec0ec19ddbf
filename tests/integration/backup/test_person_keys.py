"""Whoever was erased is unreadable by any backup of before; everybody else is readable after a disaster."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyrage
import pytest

from deploy.backup.bringing import moment_words
from deploy.backup.chains import chain_for
from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.manifest import manifests
from deploy.backup.materialising import WAL_FOLDER, Source, materialise, put_files
from deploy.backup.person_keys import BEFORE, FILE_NAME, keep, read_kept
from deploy.backup.remembering import FILE_NAME as REMEMBERED
from deploy.backup.remembering import remember
from deploy.backup.restoring import Wanted, restore
from deploy.backup.scratch import Scratch, Server, recovered
from deploy.backup.sealing import Identity
from deploy.backup.signing import signer_of
from deploy.backup.taking import Taking, take, take_log
from deploy.backup.tools import find_program
from deploy.local.accounts import postgres_account
from deploy.local.files import write_atomically
from deploy.local.key_files import with_active_master_alone, with_new_master
from deploy.local.person_keys import PersonKeysError, open_all, reseal, sealer_of
from deploy.local.preparation import new_key
from deploy.local.settings import LocalSettings, local_settings
from deploy.local.state import StateFolder
from services.auth import personal
from services.auth.keyring import Keyring
from shared.secrets import SecretsError, parse_master_keys
from tests.harness.scratch import new_folder
from tests.integration.auth.material import masters
from tests.integration.database import Postgres

IS_ROOT: Final = os.geteuid() == 0
IDENTITY: Identity = pyrage.x25519.Identity.generate()
ANNA, BERT = 41, 42


@pytest.fixture
def empty() -> Iterator[LocalSettings]:
    """An installation that is not there yet."""
    folder = new_folder()
    yield local_settings({"IRONFLOCK_LOCAL_STATE": str(folder / "state")})
    shutil.rmtree(folder)


def taken(state: StateFolder, place: Path) -> None:
    """A backup of now."""
    take(Taking(state, place, [IDENTITY.to_public()], time.time()), is_full=False)  # noqa: TID251 - as flockctl has it


def log_taken(state: StateFolder, place: Path) -> None:
    """The log up to now."""
    take_log(Taking(state, place, [IDENTITY.to_public()], time.time()))  # noqa: TID251 - as above


def wanted(state: StateFolder, place: Path, point: float | None = None) -> Wanted:
    """What is in `place`."""
    return Wanted(Source(place, [IDENTITY]), (signer_of(state).verifier_key,), point, None)


def add_people(postgres: Postgres, state: StateFolder) -> dict[int, bytes]:
    """Anna and Bert, as auth makes them; their keys."""
    persons = parse_master_keys(state.person_keys.read_text())
    keyring = Keyring(masters("m1"), None, persons)  # type: ignore[arg-type]  # nothing is read
    keys = {}
    for account_key in (ANNA, BERT):
        keys[account_key] = secrets.token_bytes(32)
        postgres.run(
            "INSERT INTO auth.account (account_key, login_name, login_canonical, state, is_first_owner)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, 'active', %s)",
            account_key, f"p{account_key}", f"p{account_key}", account_key == ANNA,
        )  # fmt: skip
        sealed = keyring.seal_person_key(keys[account_key], personal.place_of_key(account_key))
        postgres.run("INSERT INTO auth.person_key VALUES (%s, %s)", account_key, sealed)
    return keys


def erase(postgres: Postgres, account_key: int) -> float:
    """Their key is destroyed; returns the moment before."""
    before = float(postgres.rows("SELECT extract(epoch FROM clock_timestamp())::float")[0][0])
    postgres.run("DELETE FROM auth.person_key WHERE account_key = %s", account_key)
    postgres.run(
        "UPDATE auth.account SET login_name = 'erased-42', login_canonical = 'erased-42', state = 'disabled',"
        " erased_at = now(), display_name = '' WHERE account_key = %s",
        account_key,
    )
    return before


def test_an_older_backup_opens_nothing_of_who_was_erased_and_all_of_who_lives(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    keys = add_people(postgres, state)
    said = {account_key: personal.seal(key, account_key, "Hollow Lane 3") for account_key, key in keys.items()}
    taken(state, place)
    erased_at = erase(postgres, BERT)
    taken(state, place)
    assert len(list(place.glob("person-keys-*"))) == 1

    done = restore(empty, wanted(state, place, erased_at), is_root=IS_ROOT)

    assert (done.people.kept, done.people.renewed) == (1, 1)  # no ledger tells of Bert: he waits behind a lock
    made = StateFolder(empty.state)
    assert made.person_keys.read_bytes() != state.person_keys.read_bytes()
    with server_of(made) as server, server.connect("ironflock") as connection:
        opened = dict(open_all(connection, sealer_of(made)))
    assert opened[ANNA] == keys[ANNA]
    assert personal._sealer(opened[ANNA]).open(said[ANNA], context=personal.place_in_log(ANNA)) == b"Hollow Lane 3"
    with pytest.raises(SecretsError):
        personal._sealer(opened[BERT]).open(said[BERT], context=personal.place_in_log(BERT))


def test_what_a_thief_of_an_old_backup_finds_opens_with_nothing_in_it(
    postgres: Postgres, state: StateFolder, place: Path
) -> None:
    add_people(postgres, state)
    taken(state, place)
    erase(postgres, BERT)
    taken(state, place)
    work, account = new_folder(), postgres_account("", is_root=IS_ROOT)
    work.chmod(0o711)
    source, program = Source(place, [IDENTITY]), find_program(state)
    found = list(manifests(place, (signer_of(state).verifier_key,)))
    chain = chain_for(found, found[0].restorable_until)
    materialise(source, chain.first, work, program, account)
    put_files(source, chain, work / "files")

    files = StateFolder(work / "files")
    secret_files = [path.name for path in files.secrets.iterdir()]
    with (
        recovered(Scratch(work, program, account, moment_words(chain.until))) as server,
        server.connect("ironflock") as connection,
    ):
        accounts = connection.execute("SELECT account_key FROM auth.person_key ORDER BY 1").fetchall()
    shutil.rmtree(work)

    assert (BERT,) in accounts
    assert "master-keys.json" in secret_files
    assert "person-keys.json" not in secret_files
    assert set(read_kept(place, (signer_of(state).verifier_key,), [IDENTITY], time.time())) == {ANNA}  # noqa: TID251 - as above


def restored_over(postgres: Postgres, state: StateFolder) -> None:
    """As a restore to before Bert came leaves the installation."""
    postgres.run("DELETE FROM auth.person_key WHERE account_key = %s", BERT)
    postgres.run("DELETE FROM auth.account WHERE account_key = %s", BERT)
    (state.root / REMEMBERED).unlink()


def test_after_a_restore_to_a_wrong_moment_who_came_later_is_readable_by_another_one_to_the_right_one(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    keys = add_people(postgres, state)
    taken(state, place)
    right = float(postgres.rows("SELECT extract(epoch FROM clock_timestamp())::float")[0][0])
    log_taken(state, place)
    restored_over(postgres, state)
    for _ in range(2):
        taken(state, place)

    done = restore(empty, wanted(state, place, right), is_root=IS_ROOT)

    assert (done.people.kept, done.people.renewed) == (2, 0)
    made = StateFolder(empty.state)
    with server_of(made) as server, server.connect("ironflock") as connection:
        assert dict(open_all(connection, sealer_of(made))) == keys


def test_keys_of_before_a_restore_end_after_a_week_and_for_whoever_was_erased_at_once(
    postgres: Postgres, state: StateFolder, place: Path
) -> None:
    keys = add_people(postgres, state)
    taken(state, place)
    signer, now = signer_of(state), time.time()  # noqa: TID251 - as above
    restored_over(postgres, state)
    with postgres.connect() as connection:

        def kept(moment: float, days: float = 0.0) -> dict[int, bytes]:
            keep(connection, state, place, [IDENTITY.to_public()], signer, now=now + 86_400 * days)
            return read_kept(place, (signer.verifier_key,), [IDENTITY], moment)

        assert kept(now) == keys
        remember(state, made_at=now)
        assert kept(now + 1.0) == {ANNA: keys[ANNA]}  # a moment after the restore
        assert kept(now, 6.9) == keys
        postgres.run("DELETE FROM auth.person_key WHERE account_key = %s", ANNA)  # as an erasure does
        assert kept(now) == {BERT: keys[BERT]}
        assert kept(now, 7.0) == {}
    assert len(list(place.glob("person-keys*"))) == 2


def test_whoever_is_erased_after_a_restore_is_in_no_keys_of_before_it(
    postgres: Postgres, state: StateFolder, place: Path
) -> None:
    keys = add_people(postgres, state)
    taken(state, place)
    signer, now = signer_of(state), time.time()  # noqa: TID251 - as above
    (state.root / REMEMBERED).unlink()  # as a restore does

    with postgres.connect() as connection:

        def kept() -> dict[int, bytes]:
            keep(connection, state, place, [IDENTITY.to_public()], signer, now=now)
            return read_kept(place, (signer.verifier_key,), [IDENTITY], now)

        erase(postgres, BERT)  # before the first backup after it
        assert kept() == {ANNA: keys[ANNA]}
        remember(state, made_at=now)
        carla = 77
        postgres.run(
            "INSERT INTO auth.account (account_key, login_name, login_canonical, state, is_first_owner, erased_at)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, 'erased-77', 'erased-77', 'disabled', false, now())",
            carla,
        )
        assert kept() == {ANNA: keys[ANNA]}
        note = (place / BEFORE).read_text()
    assert f'"known":[{ANNA},{BERT},{carla}]' in note


def test_without_the_keys_of_people_a_restore_has_to_be_told_so(
    postgres: Postgres, state: StateFolder, place: Path, empty: LocalSettings
) -> None:
    add_people(postgres, state)
    taken(state, place)
    (note,) = place.glob(FILE_NAME)
    text = note.read_bytes()
    note.write_bytes(text.replace(b'"made_at":1', b'"made_at":2'))
    with pytest.raises(UntrustedError, match="not what this installation wrote"):
        restore(empty, wanted(state, place), is_root=IS_ROOT)
    note.unlink()
    with pytest.raises(BackupError, match="--without-person-keys"):
        restore(empty, wanted(state, place), is_root=IS_ROOT)
    assert not Path(empty.state).exists()

    told = Wanted(Source(place, [IDENTITY]), (signer_of(state).verifier_key,), None, None, has_person_keys=False)
    done = restore(empty, told, is_root=IS_ROOT)

    assert (done.people.kept, done.people.renewed) == (0, 2)


def test_a_new_file_seals_every_key_and_the_old_one_opens_none(postgres: Postgres, state: StateFolder) -> None:
    keys, before = add_people(postgres, state), sealer_of(state)
    write_atomically(state.person_keys, with_new_master(state.person_keys.read_text(), *new_key()).encode())
    with postgres.connect() as connection:
        assert reseal(connection, sealer_of(state)) == 2
        write_atomically(state.person_keys, with_active_master_alone(state.person_keys.read_text()).encode())

        assert dict(open_all(connection, sealer_of(state))) == keys
        with pytest.raises(PersonKeysError, match="try again"):
            dict(open_all(connection, before))


def server_of(made: StateFolder) -> contextlib.AbstractContextManager[Server]:
    """A server over a restored installation."""
    (made.postgres / WAL_FOLDER).mkdir()
    return recovered(Scratch(made.postgres, find_program(made), postgres_account("", is_root=IS_ROOT), None))

"""What a rotation that was cut off has left over is told of, and ended: nothing that was sealed is lost by it."""

import os
import shutil
from collections.abc import Iterator

import pytest

from deploy.local.files import write_atomically
from deploy.local.fitting import key_files, misfits
from deploy.local.key_files import with_new_master
from deploy.local.person_keys import PersonKeysError, open_all, place_of, sealer_of
from deploy.local.preparation import new_key
from deploy.local.retiring import REMEMBERED, RotatingError, finish, left_over, one_at_a_time
from deploy.local.state import StateFolder
from shared.secrets import NONCE_OCTETS, WrappedKey, parse_master_keys, unwrap, wrap
from tests.integration.database import Postgres

pytestmark = pytest.mark.real
ANNA = 101
KEY = b"k" * 32


@pytest.fixture(name="state")
def fixture_state(postgres: Postgres) -> Iterator[StateFolder]:
    """The state folder of the database, whose key files are as they were afterwards."""
    state = StateFolder(postgres.folder / "state")
    before = {file: file.read_bytes() for file in key_files(state)}
    try:
        yield state
    finally:
        for file, content in before.items():
            write_atomically(file, content)


def cut_off(postgres: Postgres, state: StateFolder) -> None:
    """As rotations leave it whose services did not come back: all is still under the keys that were to go."""
    key = wrap(parse_master_keys(state.devices_master_keys.read_text()), "d1", KEY)
    postgres.run("INSERT INTO devices.data_key VALUES (%s, %s, %s)", key.key_id, key.master_key_id, key.wrapped)
    postgres.run(
        "INSERT INTO auth.account (account_key, login_name, login_canonical, state, is_first_owner)"
        " OVERRIDING SYSTEM VALUE VALUES (%s, 'anna', 'anna', 'active', false)",
        ANNA,
    )
    sealed = sealer_of(state).seal(KEY, context=place_of(ANNA), nonce=os.urandom(NONCE_OCTETS))
    postgres.run("INSERT INTO auth.person_key VALUES (%s, %s)", ANNA, sealed)
    for file in (state.devices_master_keys, state.person_keys):
        for _ in range(2):  # it was repeated in vain
            write_atomically(file, with_new_master(file.read_text(), *new_key()).encode())


def ended(postgres: Postgres, state: StateFolder) -> list[str]:
    with postgres.connect() as connection:
        return list(finish(connection, state))


def test_what_was_cut_off_is_told_of_until_it_is_ended_and_everything_opens(
    postgres: Postgres, state: StateFolder
) -> None:
    assert left_over(state) == []
    cut_off(postgres, state)
    assert left_over(state) == [state.devices_master_keys, state.person_keys]

    said = ended(postgres, state)

    assert len(said) == 2
    assert left_over(state) == []
    masters = parse_master_keys(state.devices_master_keys.read_text())
    ((key_id, master, wrapped),) = postgres.rows("SELECT key_id, master_key_id, wrapped FROM devices.data_key")
    assert unwrap(masters, WrappedKey(key_id, master, wrapped)) == KEY
    with postgres.connect() as connection:
        assert dict(open_all(connection, sealer_of(state))) == {ANNA: KEY}
        assert misfits(connection, state) == {}
    assert ended(postgres, state) == []


def test_a_rotation_that_is_under_way_is_let_be(postgres: Postgres, state: StateFolder) -> None:
    cut_off(postgres, state)
    before = state.devices_master_keys.read_text()

    with one_at_a_time(state):
        assert left_over(state) == []
        with pytest.raises(RotatingError):
            ended(postgres, state)

    assert state.devices_master_keys.read_text() == before


def test_what_does_not_open_keeps_its_file(postgres: Postgres, state: StateFolder) -> None:
    cut_off(postgres, state)
    postgres.run("UPDATE auth.person_key SET sealed = sealed || '\\x00'::bytea")

    with pytest.raises(PersonKeysError):
        ended(postgres, state)

    assert left_over(state) == [state.person_keys]


def test_where_backups_are_taken_old_master_keys_wait_for_the_next(postgres: Postgres, state: StateFolder) -> None:
    cut_off(postgres, state)
    before = parse_master_keys(state.devices_master_keys.read_text())
    remembered, kept = state.root / REMEMBERED, state.retired_master_keys / state.devices_master_keys.name
    remembered.write_text("{}")
    try:
        ended(postgres, state)

        assert parse_master_keys(kept.read_text()).keys.keys() == before.keys.keys()
    finally:
        remembered.unlink()
        shutil.rmtree(kept.parent, ignore_errors=True)

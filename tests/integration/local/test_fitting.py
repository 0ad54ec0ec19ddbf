"""Key files that do not open what is stored are told of, each with what to do; and what was lost of people's keys."""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.backup.errors import BackupError
from deploy.backup.person_keys import replace
from deploy.local.files import write_atomically
from deploy.local.fitting import key_files, misfits
from deploy.local.person_keys import open_all, place_of, sealer_of
from deploy.local.preparation import master_keys
from deploy.local.state import StateFolder
from shared.secrets import NONCE_OCTETS, parse_master_keys, wrap
from tests.integration.database import Postgres

pytestmark = pytest.mark.real
ANNA, BERT = 101, 102
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


def add_people(postgres: Postgres, state: StateFolder) -> None:
    """Two people whose keys lie sealed by the file, and a data key of devices."""
    for account, name in ((ANNA, "anna"), (BERT, "bert")):
        postgres.run(
            "INSERT INTO auth.account (account_key, login_name, login_canonical, state, is_first_owner)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, 'active', false)",
            account, name, name,
        )  # fmt: skip
        sealed = sealer_of(state).seal(KEY, context=place_of(account), nonce=os.urandom(NONCE_OCTETS))
        postgres.run("INSERT INTO auth.person_key VALUES (%s, %s)", account, sealed)
    key = wrap(parse_master_keys(state.devices_master_keys.read_text()), "devices-1", KEY)
    postgres.run("INSERT INTO devices.data_key VALUES (%s, %s, %s)", key.key_id, key.master_key_id, key.wrapped)


def found(postgres: Postgres, state: StateFolder) -> dict[Path, str]:
    with postgres.connect() as connection:
        return misfits(connection, state)


def test_a_file_that_is_lost_or_was_made_anew_is_told_of_with_what_to_do(
    postgres: Postgres, state: StateFolder
) -> None:
    assert found(postgres, state) == {}
    state.person_keys.unlink()
    assert found(postgres, state) == {}  # nothing was sealed by it
    write_atomically(state.person_keys, master_keys().encode())
    add_people(postgres, state)
    assert found(postgres, state) == {}

    state.devices_master_keys.unlink()
    write_atomically(state.person_keys, master_keys().encode())
    told = found(postgres, state)

    assert set(told) == {state.devices_master_keys, state.person_keys}
    assert "master-keys.json is missing" in told[state.devices_master_keys]
    assert "is another file" in told[state.person_keys]
    assert "flockctl backup person-keys" in told[state.person_keys]
    write_atomically(state.person_keys, b"{}")
    assert state.person_keys in found(postgres, state)


def test_keys_of_people_come_back_and_what_was_not_kept_is_lost_only_where_that_is_accepted(
    postgres: Postgres, state: StateFolder
) -> None:
    add_people(postgres, state)
    with postgres.connect() as connection:
        with pytest.raises(BackupError, match="nothing to do"):
            replace(connection, state, {}, accepts_loss=True)
        state.person_keys.unlink()
        with pytest.raises(BackupError, match="keys of 1 people"):
            replace(connection, state, {ANNA: KEY}, accepts_loss=False)
        assert not state.person_keys.exists()

        done = replace(connection, state, {ANNA: KEY}, accepts_loss=True)

        assert (done.kept, done.renewed) == (1, 1)
        opened = dict(open_all(connection, sealer_of(state)))
        assert (opened[ANNA], opened[BERT] == KEY) == (KEY, False)
        assert misfits(connection, state) == {}
    assert json.loads(state.person_keys.read_text())["keys"]
    assert base64.b64encode(KEY).decode() not in state.person_keys.read_text()
    assert ("person_keys.replaced", "done") in postgres.audited()

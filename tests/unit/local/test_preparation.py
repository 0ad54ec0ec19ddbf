"""What the data were made with is never made anew beside them."""

import os
from pathlib import Path

import pytest

from deploy.local.authority import AuthorityError
from deploy.local.preparation import (
    RestoreUnfinishedError,
    SecretLostError,
    check_kept_secrets,
    ensure_backend_login_authority,
    ensure_secrets,
    ensure_state,
    prepare,
)
from deploy.local.settings import local_settings
from deploy.local.state import StateFolder
from deploy.local.succession import have_next_trusted
from shared.secrets import parse_master_keys
from tests.unit.local.test_renewal import NOW


@pytest.fixture(name="state")
def fixture_state(tmp_path: Path) -> StateFolder:
    """A state folder with its secrets."""
    state = StateFolder(tmp_path / "state")
    for folder in (state.bus_secrets, state.database_secrets, state.postgres):
        folder.mkdir(parents=True)
    ensure_secrets(state)
    return state


@pytest.mark.parametrize("is_empty", [False, True])
@pytest.mark.parametrize("name", ["master-keys.json", "database/postgres"])
def test_given_data_when_a_secret_of_theirs_is_lost_then_it_is_refused_by_its_name(
    state: StateFolder, name: str, is_empty: bool
) -> None:
    file = state.secrets / name
    (state.postgres / "data").mkdir()
    check_kept_secrets(state)
    file.unlink()
    if is_empty:
        file.touch()

    with pytest.raises(SecretLostError, match="put it back from your backup") as told:
        check_kept_secrets(state)

    assert str(file) in str(told.value)


def test_given_half_of_a_restore_when_prepared_then_nothing_is_made(tmp_path: Path) -> None:
    settings = local_settings({"IRONFLOCK_LOCAL_STATE": str(tmp_path / "state")})
    state = StateFolder(settings.state)
    state.root.mkdir()
    state.restoring.touch()

    with pytest.raises(RestoreUnfinishedError, match="flockctl restore"):
        prepare(settings, None, NOW)

    assert list(state.root.iterdir()) == [state.restoring]


def test_given_no_data_yet_when_secrets_are_missing_then_they_are_made(state: StateFolder) -> None:
    state.master_keys.unlink()

    check_kept_secrets(state)
    ensure_secrets(state)

    assert state.master_keys.exists()


def test_given_data_of_a_release_without_keys_of_people_when_started_then_their_secret_is_made(
    state: StateFolder,
) -> None:
    (state.postgres / "data").mkdir()
    before = state.master_keys.read_bytes()
    state.person_keys.unlink()

    check_kept_secrets(state)
    ensure_secrets(state)

    assert parse_master_keys(state.person_keys.read_text()).keys
    assert state.master_keys.read_bytes() == before


def test_given_a_lost_secret_when_prepared_then_nothing_is_made(tmp_path: Path) -> None:
    settings = local_settings({"IRONFLOCK_LOCAL_STATE": str(tmp_path / "state")})
    state = StateFolder(settings.state)
    account = ensure_state(settings, is_root=False)
    (state.postgres / "data").mkdir()
    before = sorted(os.walk(state.root))

    with pytest.raises(SecretLostError):
        prepare(settings, account, NOW)

    assert sorted(os.walk(state.root)) == before


def test_the_ca_of_data_backends_is_kept_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    settings = local_settings({"IRONFLOCK_LOCAL_STATE": str(tmp_path / "state")})
    state = StateFolder(settings.state)
    account = ensure_state(settings, is_root=False)

    ensure_backend_login_authority(state, account, NOW)
    first = state.backend_login_ca_certificate.read_bytes()
    ensure_backend_login_authority(state, account, NOW)
    assert (state.backend_login_authority / "ca.pem").read_bytes() == first

    have_next_trusted(state.backend_login_authority, NOW, name="next")  # and it was cut off there
    ensure_backend_login_authority(state, account, NOW)
    both = state.backend_login_ca_certificate.read_bytes()
    assert both.startswith(first)
    assert both == (state.backend_login_authority / "ca.pem").read_bytes() != first

    key = state.backend_login_authority / "ca.key"
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    key.unlink()
    with pytest.raises(AuthorityError):  # every login would have to be certified anew
        ensure_backend_login_authority(state, account, NOW)

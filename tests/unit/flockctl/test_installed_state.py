"""Where the installation on this machine is, for those commands that look into it."""

from pathlib import Path

import pytest

from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.errors import CommandError
from deploy.installation.secrets import ensure_secrets


def test_it_is_found_from_below_whether_it_runs_or_not(tmp_path: Path) -> None:
    (tmp_path / ".ironflock" / "secrets").mkdir(parents=True)
    (tmp_path / "below" / "it").mkdir(parents=True)

    assert installed_state(None, {}, tmp_path / "below" / "it") == tmp_path / ".ironflock"


def test_one_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / ".ironflock" / "secrets").mkdir(parents=True)

    with pytest.raises(CommandError) as refused:
        installed_state(tmp_path / "elsewhere", {}, tmp_path)

    assert refused.value.code == "no_platform"


def test_another_users_is_refused_by_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets").mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)

    with pytest.raises(CommandError) as refused:
        installed_state(tmp_path, {}, tmp_path)

    assert refused.value.code == "not_authorized"


def test_a_cluster_s_folder_says_where_it_is_looked_at(tmp_path: Path) -> None:
    ensure_secrets(tmp_path / "safe")

    with pytest.raises(CommandError, match="The doctor of a cluster") as refused:
        installed_state(tmp_path / "safe", {}, tmp_path)

    assert refused.value.code == "not_supported"

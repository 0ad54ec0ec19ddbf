"""What a run that was killed outright leaves: the whole installation in clear, for whoever comes next to remove."""

from pathlib import Path

import pytest

from deploy.backup.leftovers import DRILLING, RESTORING, REVIVING, remove_left
from deploy.backup.locking import held


@pytest.mark.parametrize("name", [DRILLING, RESTORING, REVIVING])
def test_what_a_killed_run_left_is_removed_and_what_a_running_one_has_is_not(tmp_path: Path, name: str) -> None:
    secret = tmp_path / name / "files" / "ca" / "ca.key"
    secret.parent.mkdir(parents=True)
    secret.touch()

    with held(tmp_path, "a drill"):
        remove_left(tmp_path)
        assert secret.exists()
    remove_left(tmp_path)
    assert list(tmp_path.iterdir()) == []
    remove_left(tmp_path)

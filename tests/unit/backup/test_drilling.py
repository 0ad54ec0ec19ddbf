"""What a drill that was killed outright leaves: the whole installation in clear, for whoever comes next to remove."""

from pathlib import Path

from deploy.backup.drilling import WORK, remove_left
from deploy.backup.locking import held


def test_what_a_killed_drill_left_is_removed_and_what_a_running_one_has_is_not(tmp_path: Path) -> None:
    secret = tmp_path / WORK / "files" / "ca" / "ca.key"
    secret.parent.mkdir(parents=True)
    secret.touch()

    with held(tmp_path, "a drill"):
        remove_left(tmp_path)
        assert secret.exists()
    remove_left(tmp_path)
    assert list(tmp_path.iterdir()) == []
    remove_left(tmp_path)

"""One at a time: the second waits, and in the end is told why."""

import threading
from pathlib import Path

import pytest

from deploy.backup import locking
from deploy.backup.errors import BackupError
from deploy.backup.locking import held


def test_while_one_has_it_another_is_refused_and_afterwards_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "WAIT_S", 0.0)

    with (
        held(tmp_path, "a backup"),
        pytest.raises(BackupError, match="a backup is under way"),
        held(tmp_path, "a backup"),
    ):
        pytest.fail("both have it")
    with held(tmp_path, "a backup"):
        pass


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="No such file"), held(tmp_path / "absent", "a backup"):
        pytest.fail("nothing was locked")


def test_who_waits_gets_it_when_the_other_ends(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with held(tmp_path, "a backup"):
            order.append("second")

    with held(tmp_path, "a backup"):
        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    waiting.join(10)

    assert order == ["first", "second"]

"""Where the state lies, and who may run a platform on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.state import (
    SYSTEM_FOLDER,
    LauncherLock,
    LauncherRunningError,
    launcher_pid,
    others_may_cross,
    state_folder,
)

REPOSITORY = Path("/somewhere/ironflock")


@given(is_root=st.booleans(), crossable=st.booleans())
def test_given_a_setting_when_the_folder_is_asked_for_then_the_setting_wins(is_root: bool, crossable: bool) -> None:
    environ = {"IRONFLOCK_LOCAL_STATE": "/chosen"}

    assert state_folder(environ, REPOSITORY, is_root=is_root, others_may_cross=lambda _: crossable) == Path("/chosen")


@pytest.mark.parametrize(
    ("is_root", "crossable", "expected"),
    [
        (False, False, REPOSITORY / ".ironflock"),
        (False, True, REPOSITORY / ".ironflock"),
        (True, True, REPOSITORY / ".ironflock"),
        (True, False, SYSTEM_FOLDER),
    ],
)
def test_without_a_setting_only_root_behind_a_closed_folder_goes_elsewhere(
    is_root: bool,
    crossable: bool,
    expected: Path,
) -> None:
    found = state_folder(
        {"IRONFLOCK_LOCAL_STATE": " "}, REPOSITORY, is_root=is_root, others_may_cross=lambda _: crossable
    )

    assert found == expected


def test_given_one_closed_folder_above_when_asked_then_others_may_not_cross(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    inner.parent.chmod(0o700)

    assert not others_may_cross(inner)
    assert others_may_cross(Path("/"))


def test_given_a_held_lock_when_a_second_launcher_comes_then_it_is_refused_with_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "launcher.pid"

    with LauncherLock(path):
        assert launcher_pid(path) == os.getpid()
        with pytest.raises(LauncherRunningError, match=str(os.getpid())):
            LauncherLock(path)

    assert launcher_pid(path) is None
    LauncherLock(path).close()


def test_given_no_lock_file_when_asked_then_no_launcher_runs(tmp_path: Path) -> None:
    assert launcher_pid(tmp_path / "launcher.pid") is None


def test_given_a_lock_whose_holder_was_killed_when_a_launcher_comes_then_it_gets_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "launcher.pid"
    program = "import os, signal, sys; from pathlib import Path; from deploy.local.state import LauncherLock;"
    program += "LauncherLock(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    repository = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=repository, check=False)

    assert path.read_text()
    assert launcher_pid(path) is None
    LauncherLock(path).close()

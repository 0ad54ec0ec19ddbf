"""Files that hold a secret."""

import json
import stat
from pathlib import Path

import pytest

from deploy.flockctl.errors import CommandError
from deploy.flockctl.secret_files import SecretFile

CONTENT = {"secret": "s3cret", "device_key": 7}


def test_it_is_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    with SecretFile(str(tmp_path / "x.flock"), replace=False) as file:
        file.write(CONTENT)

    [written] = tmp_path.iterdir()
    assert json.loads(written.read_text()) == CONTENT
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_nothing_is_left_when_it_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), SecretFile(str(tmp_path / "x.flock"), replace=False):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_on_demand(tmp_path: Path) -> None:
    file = tmp_path / "x.flock"
    file.write_text("old")
    file.chmod(0o644)

    with pytest.raises(CommandError, match="--force"):
        SecretFile(str(file), replace=False)
    with SecretFile(str(file), replace=True) as secret:
        secret.write(CONTENT)

    assert json.loads(file.read_text()) == CONTENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    file = tmp_path / "x.flock"

    with SecretFile(str(file), replace=False) as secret:
        file.write_text("theirs")
        with pytest.raises(CommandError):
            secret.write(CONTENT)

    assert file.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "x.flock"
    target.write_text("theirs")
    link.symlink_to(target)

    with SecretFile(str(link), replace=True) as secret:
        secret.write(CONTENT)

    assert target.read_text() == "theirs"
    assert not link.is_symlink()


@pytest.mark.parametrize("name", ["", "a\x00b", "x\x1b.flock", "x" * 300, "absent/x.flock", "."])
def test_a_name_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(CommandError):
        SecretFile(name, replace=False)

    assert list(tmp_path.iterdir()) == []

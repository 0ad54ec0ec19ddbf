"""A folder for what is in the making: what a killed run left there is gone before the next begins."""

from pathlib import Path

import pytest

from deploy.backup.materialising import workshop


def test_what_a_killed_run_left_is_gone_and_nothing_is_left_of_this_one(tmp_path: Path) -> None:
    folder = tmp_path / ".drilling"
    (folder / "files" / "secrets").mkdir(parents=True)
    (folder / "files" / "secrets" / "master-keys.json").write_text("secret")

    def run() -> None:
        with workshop(folder, None) as work:
            assert list(work.iterdir()) == []
            assert work.stat().st_mode & 0o777 == 0o700
            (work / "data").touch()
            raise SystemExit

    with pytest.raises(SystemExit):
        run()
    assert not folder.exists()

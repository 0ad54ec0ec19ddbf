"""Files that are whole or absent."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.files import ensure_folder, ensure_secret, write_atomically


@given(contents=st.lists(st.binary(max_size=64), min_size=1, max_size=4))
def test_the_last_content_written_is_read(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("files") / "secret"

    for content in contents:
        write_atomically(path, content)

    assert path.read_bytes() == contents[-1]
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_given_an_open_umask_when_a_secret_is_written_then_only_its_owner_reads_it(tmp_path: Path) -> None:
    ensure_secret(tmp_path / "secret", lambda: "abc")

    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_given_a_secret_when_it_is_asked_for_again_then_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    assert ensure_secret(path, lambda: "first") == "first"
    assert ensure_secret(path, lambda: "second") == "first"


def test_given_a_file_left_by_a_crash_when_written_then_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".secret.new").write_text("half of it")

    write_atomically(tmp_path / "secret", b"whole")

    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_given_a_link_where_the_unfinished_file_goes_when_written_then_the_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / ".secret.new").symlink_to(tmp_path / "victim")

    write_atomically(tmp_path / "secret", b"whole")

    assert (tmp_path / "victim").read_text() == "untouched"


def test_given_an_open_folder_when_it_is_ensured_then_it_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)

    ensure_folder(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

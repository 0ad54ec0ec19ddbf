"""The sign-in of a user: where it lies, who may read it, and that it is there whole or not at all."""

from pathlib import Path

import pytest

from deploy.flockctl.errors import CommandError
from deploy.flockctl.sign_in_file import SignIn, SignInFile, sign_in_file

KEPT = SignIn("access", "refresh", 12.5)


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({"HOME": "/home/anna"}, "/home/anna/.config/ironflock/localhost_8441.json"),
        ({"HOME": "/home/anna", "XDG_CONFIG_HOME": "/c"}, "/c/ironflock/localhost_8441.json"),
        ({"XDG_CONFIG_HOME": "/c", "IRONFLOCK_CONFIG_HOME": "/d"}, "/d/ironflock/localhost_8441.json"),
    ],
)
def test_it_lies_where_settings_lie(environ: dict[str, str], where: str) -> None:
    assert sign_in_file("https://localhost:8441", environ).path == Path(where)


def test_hosts_do_not_leave_the_folder() -> None:
    file = sign_in_file("https://[::1]:1", {"HOME": "/h"})

    assert file.path.parent == Path("/h/.config/ironflock")


def test_what_is_written_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = SignInFile(tmp_path / "deep" / "x.json")
    assert not file.is_there
    with file.locked():
        file.write(KEPT)

    assert file.read() == KEPT
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    assert "access" not in repr(KEPT)
    file.forget()
    file.forget()
    assert file.read() is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"access_token": 1}', "\udcff", "nonsense"])
def test_a_file_that_is_none_is_no_sign_in(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")

    assert SignInFile(path).read() is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = SignInFile(tmp_path / "file" / "x.json")

    with pytest.raises(CommandError), file.locked():
        pytest.fail("there is no lock")
    with pytest.raises(CommandError):
        file.write(KEPT)

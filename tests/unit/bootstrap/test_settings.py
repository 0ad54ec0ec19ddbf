"""What the process is told that sets up a server which is not of this machine."""

from pathlib import Path

import pytest

from deploy.bootstrap.__main__ import OF_CLUSTER, bootstrap_settings
from deploy.local.bootstrap import WITH_PASSWORD
from shared.settings import SettingsError


def told(folder: Path) -> dict[str, str]:
    (folder / "superuser").write_text("s3cret\n")
    (folder / "logins").mkdir()
    for login in WITH_PASSWORD:
        (folder / "logins" / login).write_text(f"of {login}\n")
    values = {
        "CA_FILE": "ca.pem",
        "DATABASE_HOST": "db.example",
        "DATABASE_PORT": "5432",
        "SUPERUSER_PASSWORD_FILE": str(folder / "superuser"),
        "PASSWORDS": str(folder / "logins"),
    }
    return {f"IRONFLOCK_BOOTSTRAP_{name}": value for name, value in values.items()}


def test_it_knows_the_server_and_a_password_for_each_login(tmp_path: Path) -> None:
    found = bootstrap_settings(told(tmp_path))

    assert (found.server.host, found.server.port, found.server.password) == ("db.example", 5432, "s3cret")
    assert found.passwords == {login: f"of {login}" for login in WITH_PASSWORD}
    assert "s3cret" not in repr(found)
    assert "of migrate" not in repr(found)


def test_of_a_password_that_is_followed_it_sets_the_new_one(tmp_path: Path) -> None:
    environ = told(tmp_path)
    (tmp_path / "logins" / "svc_auth").write_text("new\nold\n")

    assert bootstrap_settings(environ).passwords["svc_auth"] == "new"


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_login_without_a_password_stops_it(tmp_path: Path, content: str | None) -> None:
    environ = told(tmp_path)
    (tmp_path / "logins" / "migrate").unlink()
    if content is not None:
        (tmp_path / "logins" / "migrate").write_text(content)

    with pytest.raises(SettingsError, match="migrate"):
        bootstrap_settings(environ)


def test_a_server_for_projects_alone_needs_no_login_but_the_provisioner_s_and_that_of_backups(tmp_path: Path) -> None:
    environ = told(tmp_path)
    for login in WITH_PASSWORD:
        if login not in OF_CLUSTER:
            (tmp_path / "logins" / login).unlink()

    found = bootstrap_settings(environ, OF_CLUSTER).passwords
    assert found == {"provisioner": "of provisioner", "backup": "of backup"}

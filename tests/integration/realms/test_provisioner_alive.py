"""The provisioner listens to nobody: that it goes on is seen by a file, also while its database is away."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until
from tests.integration.router_node.authority import Authority

ROOT = Path(__file__).parents[3]


@pytest.fixture
def provisioner(tmp_path: Path) -> Iterator[Path]:
    """The file that one touches whose database does not answer."""
    authority, (closed,) = Authority(tmp_path), free_ports(1)
    authority.issue(tmp_path / "login-ca.pem", tmp_path / "login-ca.key")
    (tmp_path / "password").write_text("s3cret")
    told = {
        "CA_FILE": str(authority.ca),
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": str(closed),
        "DATABASE_NAME": "ironflock",
        "DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
        "LOGIN_CA_CERTIFICATE": str(tmp_path / "login-ca.pem"),
        "LOGIN_CA_KEY_FILE": str(tmp_path / "login-ca.key"),
        "ALIVE_FILE": str(tmp_path / "alive"),
    }
    environment = {**os.environ, **{f"IRONFLOCK_PROVISIONER_{name}": value for name, value in told.items()}}
    command = [sys.executable, "-m", "services.realms.provisioner"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as running:
        yield tmp_path / "alive"
        running.terminate()
        assert running.wait(30) == 0


def test_it_is_seen_again_and_again(provisioner: Path) -> None:
    wait_until(provisioner.exists, 30, "the file")
    first = provisioner.stat().st_mtime_ns

    wait_until(lambda: provisioner.stat().st_mtime_ns > first, 30, "a newer time of the file")

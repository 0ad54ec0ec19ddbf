"""The provisioner as the launcher starts it: a process of its own, killed while it is at work."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.waiting import wait_until
from tests.integration.database import ROOT, Postgres
from tests.integration.realms.provisioning import Login, Provisioning

pytestmark = pytest.mark.real
Start = Callable[[], "subprocess.Popen[bytes]"]
PROJECTS = 12
MOMENTS_S = (0.0, 0.02, 0.05, 0.08, 0.11, 0.14, 0.18, 0.22, 0.27, 0.33, 0.4, 0.5)
"""When it is killed: a database takes it some tenths of a second."""


@pytest.fixture(name="environment")
def fixture_environment(postgres: Postgres) -> dict[str, str]:
    prefix = "IRONFLOCK_PROVISIONER_"
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        f"{prefix}CA_FILE": str(postgres.ca),
        f"{prefix}DATABASE_HOST": "localhost",
        f"{prefix}DATABASE_PORT": str(postgres.port),
        f"{prefix}DATABASE_NAME": "ironflock",
        f"{prefix}DATABASE_PASSWORD_FILE": str(postgres.secret_file("provisioner")),
        f"{prefix}LOGIN_CA_CERTIFICATE": str(postgres.login_ca / "ca.pem"),
        f"{prefix}LOGIN_CA_KEY_FILE": str(postgres.login_ca / "ca.key"),
    }


@pytest.fixture(name="start")
def fixture_start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts one more; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "out").open("ab") as out:
            command = [sys.executable, "-m", "services.realms.provisioner"]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out))
        return started[-1]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.wait()


def want(postgres: Postgres, name: str) -> None:
    """A project with one app in it, as an install commits it."""
    postgres.run("INSERT INTO realms.project (name, name_canonical, owner_account_key) VALUES (%s, %s, 5)", name, name)
    postgres.run("INSERT INTO realms.app (name, name_canonical, owner_account_key) VALUES (%s, %s, 5)", name, name)
    postgres.run(
        "WITH d AS (INSERT INTO realms.project_database SELECT project_key, 'd_' || %s FROM realms.project"
        " WHERE name = %s RETURNING project_key), b AS (INSERT INTO realms.backend"
        " (project_key, app_key, stage, schema_name, owner_name, login_name, creator_account_key)"
        " SELECT project_key, app_key, 'PROD', 's_' || %s, 'o_' || %s, 'l_' || %s, 5 FROM d, realms.app"
        " WHERE name = %s"
        " RETURNING backend_key)"
        " INSERT INTO realms.provision_job (kind, backend_key) SELECT 'make', backend_key FROM b",
        *[name] * 6,
    )


def has_begun(postgres: Postgres) -> bool:
    """Whether the newest job is being done, or was."""
    rows = postgres.rows("SELECT is_begun FROM realms.provision_job ORDER BY job_key DESC LIMIT 1")
    return bool(rows[0][0])


def ready(postgres: Postgres) -> int:
    return int(postgres.rows("SELECT count(*) FROM realms.backend WHERE state = 'ready'")[0][0])


def test_killed_again_and_again_it_makes_everything_once(postgres: Postgres, start: Start, tmp_path: Path) -> None:
    for number in range(PROJECTS):
        want(postgres, f"killed{'abcdefghijkl'[number]}")
        process = start()
        wait_until(lambda: has_begun(postgres), 20, "it has begun")
        try:
            process.wait(MOMENTS_S[number])
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()

    start()
    wait_until(lambda: ready(postgres) == PROJECTS, 60, "everything is ready")

    provisioning = Provisioning(postgres)
    for (key,) in postgres.rows("SELECT backend_key FROM realms.backend"):
        assert Login.of(provisioning, tmp_path, key).opens()
    assert [outcome for _, outcome in postgres.audited()].count("done") == PROJECTS
    assert postgres.rows("SELECT FROM pg_database WHERE datname LIKE 'd\\_killed%%' AND datconnlimit = -2") == []


def test_told_to_stop_it_ends_in_order(postgres: Postgres, start: Start, tmp_path: Path) -> None:
    process = start()
    wait_until(lambda: bool(postgres.rows("SELECT FROM realms.provisioner")), 20, "it is at work")

    process.terminate()

    assert process.wait(20) == 0
    assert "service_stopped" in (tmp_path / "out").read_text()


def test_it_does_at_once_what_it_is_woken_for(postgres: Postgres, start: Start) -> None:
    start()
    wait_until(lambda: bool(postgres.rows("SELECT FROM realms.provisioner")), 20, "it is at work")
    want(postgres, "woken")
    postgres.run("NOTIFY provision")

    wait_until(lambda: ready(postgres) == 1, 20, "it is ready")


def test_when_its_session_is_ended_it_comes_back(postgres: Postgres, start: Start) -> None:
    process = start()
    wait_until(lambda: bool(postgres.rows("SELECT FROM realms.provisioner")), 20, "it is at work")
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'provisioner'")
    want(postgres, "again")

    wait_until(lambda: ready(postgres) == 1, 30, "it is ready")

    assert process.poll() is None


@pytest.mark.parametrize("name", ["LOGIN_CA_KEY_FILE", "LOGIN_CA_CERTIFICATE", "DATABASE_PASSWORD_FILE"])
def test_without_what_it_needs_it_says_so_and_ends(
    environment: dict[str, str], start: Start, tmp_path: Path, name: str
) -> None:
    missing = tmp_path / "missing"
    environment[f"IRONFLOCK_PROVISIONER_{name}"] = str(missing)

    assert start().wait(20) == 78
    assert "service_settings_refused" in (tmp_path / "out").read_text()


def test_a_key_that_is_not_the_cas_is_refused_and_not_shown(
    environment: dict[str, str], start: Start, tmp_path: Path, postgres: Postgres
) -> None:
    other = Provisioning(postgres)
    stolen = Login(other, tmp_path, "d_x", "l_x").key
    environment["IRONFLOCK_PROVISIONER_LOGIN_CA_KEY_FILE"] = str(stolen)

    assert start().wait(20) == 78
    said = (tmp_path / "out").read_text()
    assert "do not belong together" in said
    assert stolen.read_text().splitlines()[1] not in said

"""Backups of a database that is elsewhere, by what a pod has mounted, brought back into an empty installation."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pyrage
import pytest

from deploy.backup.leftovers import DRILLING
from deploy.backup.manifest import Kind, manifests
from deploy.backup.materialising import Source
from deploy.backup.restoring import Wanted, restore
from deploy.backup.sealing import Identity
from deploy.backup.signing import signer_of
from deploy.backup.wal import SLOT
from deploy.installation.secrets import ensure_secrets
from deploy.local.archive import wheel_program
from deploy.local.settings import local_settings
from deploy.local.state import StateFolder
from deploy.scheduled.installed import lay_out, read_installed
from tests.harness.scratch import new_folder
from tests.integration.backup.test_restoring import rows
from tests.integration.database import Postgres

ROOT: Final = Path(__file__).parents[3]
IDENTITY: Identity = pyrage.x25519.Identity.generate()
TASK_S: Final = 120
LINE: Final = '{"leaf_index": 0, "at": "2026-11-30T12:00:00Z", "action": "lock.ended", "kind": "lock", "key": 1}\n'
"""Of the ledger; a restore keeps what was told of moments before it."""


@pytest.fixture(name="room")
def fixture_room() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(name="live")
def fixture_live(postgres: Postgres) -> Iterator[StateFolder]:
    """The installation whose database it is; it keeps no log for backups afterwards."""
    postgres.run("CREATE TABLE public.written (number bigint PRIMARY KEY)")
    yield StateFolder(postgres.folder / "state")
    postgres.run("DROP TABLE public.written")
    postgres.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", SLOT)


@pytest.fixture(name="environ")
def fixture_environ(postgres: Postgres, live: StateFolder, room: Path) -> dict[str, str]:
    """What a pod is told, and its volumes filled."""
    for folder in ("secrets", "authority", "login-ca", "audit", "state/postgres"):
        (room / folder).mkdir(parents=True)
    mounted = {
        "secrets/database": live.database_secrets / "backup",
        "secrets/person-keys": live.person_keys,
        "secrets/audit-signing-keys": live.audit_signing_keys,
        "secrets/master-keys-auth": live.master_keys,
        "secrets/master-keys-devices": live.devices_master_keys,
        "secrets/master-keys-fleetdb": live.fleetdb_master_keys,
        "secrets/master-keys-tunnels": live.tunnels_master_keys,
        "authority/tls.key": live.ca / "ca.key",
        "login-ca/tls.crt": live.backend_login_authority / "ca.pem",
        "login-ca/tls.key": live.backend_login_authority / "ca.key",
    }
    for name, source in mounted.items():
        shutil.copy(source, room / name)
    (room / "secrets" / "signing-key").write_bytes(signer_key(live))
    (room / "audit" / "audit-keys").write_text("none signed a head yet\n")
    (room / "audit" / "audit-ledger").write_text(LINE)
    (room / "identity").write_text(str(IDENTITY))
    program = next(live.postgres.glob("program-*"))
    (room / "state" / "postgres" / program.name).symlink_to(program)  # unpacked once is enough
    return {
        f"IRONFLOCK_BACKUP_{name}": value
        for name, value in {
            "STATE": str(room / "state"),
            "CA_FILE": str(postgres.ca),
            "DATABASE_HOST": "localhost",
            "DATABASE_PORT": str(postgres.port),
            "SECRETS": str(room / "secrets"),
            "AUTHORITY": str(room / "authority"),
            "LOGIN_AUTHORITY": str(room / "login-ca"),
            "AUDIT": str(room / "audit"),
            "TO": str(room / "backups"),
            "RECIPIENTS": str(IDENTITY.to_public()),
        }.items()
    }


def signer_key(live: StateFolder) -> bytes:
    """The installation's own, so that its key verifies."""
    signer_of(live)
    return live.backup_signing_key.read_bytes()


def done(environ: dict[str, str], task: str) -> None:
    """Run it as a pod does."""
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.scheduled", task],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=TASK_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def brought_back(live: StateFolder, room: Path) -> list[int]:
    """The numbers in an empty installation, after a restore; and the files that it is worth nothing without."""
    empty = local_settings({"IRONFLOCK_LOCAL_STATE": str(room / "empty")})
    wanted = Wanted(Source(room / "backups", [IDENTITY]), (signer_of(live).verifier_key,), None, None)
    restore(empty, wanted, is_root=os.geteuid() == 0)
    back = StateFolder(empty.state)
    assert '"at":"2026-11-30T12:00:00Z","action":"lock.ended"' in back.ledger.read_text()
    assert (back.ca / "ca.key").read_bytes() == (live.ca / "ca.key").read_bytes()
    assert back.devices_master_keys.read_bytes() == live.devices_master_keys.read_bytes()
    assert "IRONFLOCK_BACKUP_TO" in (back.root / "settings-of-backup.json").read_text()
    return rows(empty)


def kinds(live: StateFolder, room: Path) -> list[Kind]:
    """Of the backups that there are."""
    return [each.kind for each in manifests(room / "backups", (signer_of(live).verifier_key,))]


def test_a_cluster_s_first_backup_brings_everything_back(
    postgres: Postgres, live: StateFolder, environ: dict[str, str], room: Path
) -> None:
    postgres.run("INSERT INTO public.written VALUES (1)")
    done(environ, "log")

    assert kinds(live, room) == [Kind.FULL], "there was none to go on from"
    assert brought_back(live, room) == [1]


@pytest.mark.soak
def test_every_task_does_what_the_calendar_has_it_for(
    postgres: Postgres, live: StateFolder, environ: dict[str, str], room: Path
) -> None:
    postgres.run("INSERT INTO public.written VALUES (1)")
    done(environ, "nightly")
    postgres.run("INSERT INTO public.written VALUES (2)")
    done(environ, "log")
    done(environ | {"IRONFLOCK_BACKUP_IDENTITY_FILE": str(room / "identity")}, "drill")

    assert kinds(live, room) == [Kind.FULL, Kind.WAL]
    assert brought_back(live, room) == [1, 2]


@pytest.mark.soak
def test_a_restored_database_takes_the_logins_of_the_operator_s_folder(
    live: StateFolder, environ: dict[str, str], room: Path
) -> None:
    """What the job `schema` does with it in an empty cluster (deploy/README.md)."""
    done(environ, "log")
    again, safe = Postgres(), ensure_secrets(room / "safe")
    wanted = Wanted(Source(room / "backups", [IDENTITY]), (signer_of(live).verifier_key,), None, None)
    restore(local_settings({"IRONFLOCK_LOCAL_STATE": str(again.folder / "state")}), wanted, is_root=os.geteuid() == 0)
    # No backup of a cluster has it: the superuser's password of that moment is in the operator's folder.
    shutil.copy(live.database_secrets / "postgres", again.folder / "state" / "secrets" / "database")
    again.start()
    try:
        where = {"CA_FILE": str(again.ca), "DATABASE_HOST": "localhost", "DATABASE_PORT": str(again.port)}
        passwords = {"SUPERUSER_PASSWORD_FILE": str(again.secret_file("postgres"))}
        ran("bootstrap", {**where, **passwords, "PASSWORDS": str(room / "safe" / "database")})
        password = str(room / "safe" / "database" / "migrate")
        ran("migrate", {**where, "DATABASE_NAME": "ironflock", "DATABASE_PASSWORD_FILE": password})
        with again.connect("svc_auth", password=safe["database/svc_auth"]) as connection:
            assert connection.execute("SELECT count(*) FROM auth.account").fetchone() is not None
        with pytest.raises(psycopg.OperationalError):
            again.connect("svc_auth", password=(live.database_secrets / "svc_auth").read_text().strip())
    finally:
        again.remove()


def ran(module: str, told: dict[str, str]) -> None:
    """Run `deploy.<module>` to its end."""
    environment = {f"IRONFLOCK_{module.upper()}_{name}": value for name, value in told.items()}
    command = [sys.executable, "-m", f"deploy.{module}"]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=TASK_S,
    )
    assert ended.returncode == 0, ended.stderr


def test_what_is_laid_out_says_where_every_server_is(environ: dict[str, str], room: Path) -> None:
    (room / "clusters").mkdir()
    (room / "clusters" / "second.json").write_text('{"host": "second.svc", "port": 5432, "ca_file": "/ca.crt"}')
    (room / "state" / "clusters").mkdir()
    (room / "state" / "clusters" / "gone.json").write_text("{}")
    installed = read_installed({**environ, "IRONFLOCK_BACKUP_CLUSTERS_FOLDER": str(room / "clusters")})
    lay_out(installed, wheel_program(), 1.8e9)

    state = installed.state
    assert {each.name for each in state.clusters.iterdir()} == {"second.json"}
    password = (state.secrets / "database-second" / "backup").read_text()
    assert password == (room / "secrets" / "database").read_text()
    assert (state.elsewhere / "first.json").exists()
    assert all(path.stat().st_mode & 0o077 == 0 for path in state.secrets.rglob("*") if path.is_file())


def test_what_a_killed_drill_left_is_gone_with_the_next_task(environ: dict[str, str], room: Path) -> None:
    left = room / "state" / "postgres" / DRILLING / "files" / "ca.key"
    left.parent.mkdir(parents=True)
    left.touch()

    lay_out(read_installed(environ), wheel_program(), 0.0)

    assert not (room / "state" / "postgres" / DRILLING).exists()

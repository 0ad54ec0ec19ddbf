"""New secrets of an installation, as they are handed over, at a real PostgreSQL: at no moment does neither open."""

import base64
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from deploy.backup.tools import tools_of
from deploy.bootstrap.__main__ import main as bootstrapped
from deploy.installation.anew import StillNeededError, begin, finish
from deploy.installation.secrets import ensure_secrets, manifests
from deploy.local.bootstrap import BACKUP, SUPERUSER, WITH_PASSWORD, set_password
from deploy.local.files import write_atomically
from deploy.local.kinds import Kind
from deploy.local.person_keys import open_all, place_of
from deploy.local.processes import WITH_MASTER_KEYS
from deploy.local.state import StateFolder
from deploy.migrate.__main__ import connect, migrate_settings
from deploy.rotating.__main__ import main as rotated
from services.realms.provisioner.places import connected
from shared.database import Connection, Database, DatabaseSettings, database_settings
from shared.health import Health
from shared.secrets import NONCE_OCTETS, Sealer, WrappedKey, parse_master_keys, unwrap, wrap
from shared.settings import Settings
from tests.integration.database import Postgres

pytestmark = pytest.mark.real
ANNA: Final = 101
KEY: Final = b"k" * 32


class Cluster:
    """The operator's folder, and what processes have mounted of it."""

    def __init__(self, postgres: Postgres, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is handed over yet."""
        self.postgres = postgres
        self.folder = folder / "safe"
        self._mounted = folder / "mounted"
        self._monkeypatch = monkeypatch

    def hand_over(self) -> None:
        """As `kubectl apply` does, and the volumes that follow."""
        for each in manifests(ensure_secrets(self.folder), "plant"):
            mounted = self._mounted / str(each["metadata"]["name"])
            mounted.mkdir(parents=True, exist_ok=True)
            for key, value in each["data"].items():
                write_atomically(mounted / key, base64.b64decode(value))

    def in_pod(self, prefix: str, **files: str) -> None:
        """Be a process with the settings of that prefix; `files` are below what is mounted."""
        told = {
            "CA_FILE": str(self.postgres.ca),
            "DATABASE_HOST": "localhost",
            "DATABASE_PORT": str(self.postgres.port),
            **{name: str(self._mounted / path) for name, path in files.items()},
        }
        if prefix != "BOOTSTRAP":
            told["DATABASE_NAME"] = "ironflock"
        for name, value in told.items():
            self._monkeypatch.setenv(f"IRONFLOCK_{prefix}_{name}", value)

    def in_service(self, name: str) -> None:
        """Be a process of that service."""
        keys = {"MASTER_KEYS_FILE": f"{name}/master-keys", "PERSON_KEYS_FILE": f"{name}/person-keys"}
        self.in_pod(name.upper(), DATABASE_PASSWORD_FILE=f"{name}/database", **keys)

    def started(self, secret: str, login: str) -> DatabaseSettings:
        """What a process reads at its start that has the Secret of that name."""
        self.in_pod("X", DATABASE_PASSWORD_FILE=f"{secret}/database")
        return database_settings(Settings("X", os.environ), login, self.postgres.ca)

    def run_schema(self) -> None:
        """The job: both of its halves are let in."""
        self.in_pod("BOOTSTRAP", SUPERUSER_PASSWORD_FILE="postgres-superuser/password", PASSWORDS="bootstrap")
        assert bootstrapped([]) == 0
        self.in_pod("MIGRATE", DATABASE_PASSWORD_FILE="migrate/database")
        connect(migrate_settings(os.environ)).close()


@pytest.fixture(name="cluster")
def fixture_cluster(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """One whose database has the passwords of the folder; afterwards it has its own again."""
    cluster = Cluster(postgres, tmp_path, monkeypatch)
    ensure_secrets(cluster.folder)
    before = {login: postgres.secret_file(login).read_text() for login in (SUPERUSER, *WITH_PASSWORD)}
    for login, password in before.items():
        write_atomically(cluster.folder / "database" / login, password.encode())
    cluster.hand_over()
    yield cluster
    with postgres.connect() as connection:
        for login in WITH_PASSWORD:
            set_password(connection, login, before[login])


async def is_let_in(settings: DatabaseSettings) -> bool:
    """Whether whoever was started with these is."""
    try:
        await (await connected(settings, "ironflock")).close()
    except psycopg.OperationalError:
        return False
    return True


async def one(connection: Connection) -> Any:
    row = await (await connection.execute("SELECT 1")).fetchone()
    return row and row[0]


LOGINS: Final = {"realms": "svc_realms", "audit": "svc_audit", "provisioner": "provisioner", "migrate": "migrate"}


@pytest.mark.asyncio
async def test_whoever_has_both_passwords_is_let_in_before_and_after_the_job_that_sets_the_new_ones(
    cluster: Cluster,
) -> None:
    old = {secret: cluster.started(secret, login) for secret, login in LOGINS.items()}
    begin(cluster.folder, Kind.DATABASE_PASSWORDS)
    cluster.hand_over()
    both = {secret: cluster.started(secret, login) for secret, login in LOGINS.items()}
    assert all([await is_let_in(each) for each in (*old.values(), *both.values())])

    cluster.run_schema()

    assert all([await is_let_in(each) for each in both.values()])
    assert not any([await is_let_in(each) for each in old.values()])
    finish(cluster.folder, Kind.DATABASE_PASSWORDS)
    cluster.hand_over()
    new = [cluster.started(secret, login) for secret, login in LOGINS.items()]
    assert all([await is_let_in(each) for each in new])
    assert not any(each.password.before for each in new)
    cluster.run_schema()


@pytest.mark.asyncio
async def test_a_service_goes_on_through_the_job_though_every_connection_is_made_anew(cluster: Cluster) -> None:
    begin(cluster.folder, Kind.DATABASE_PASSWORDS)
    cluster.hand_over()
    database = Database(cluster.started("realms", "svc_realms"), Health())
    await database.open()
    try:
        assert await database.run(one) == 1

        cluster.run_schema()
        cluster.postgres.run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'svc_realms'"
        )

        assert await database.run(one) == 1
    finally:
        await database.close()


def test_backups_are_let_in_while_their_password_is_followed(cluster: Cluster) -> None:
    state = StateFolder(cluster.postgres.folder / "state")
    own = state.database_secrets / BACKUP
    before = own.read_bytes()
    try:
        begin(cluster.folder, Kind.DATABASE_PASSWORDS)
        cluster.hand_over()
        write_atomically(own, (cluster.folder / "database" / BACKUP).read_bytes())
        tools_of(state).connect().close()

        cluster.run_schema()

        tools_of(state).connect().close()
    finally:
        write_atomically(own, before)


def test_a_server_that_does_not_answer_is_not_asked_with_the_password_before(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(cluster.folder, Kind.DATABASE_PASSWORDS)
    cluster.hand_over()
    cluster.in_pod("MIGRATE", DATABASE_PASSWORD_FILE="migrate/database")
    monkeypatch.setenv("IRONFLOCK_MIGRATE_DATABASE_PORT", "1")
    asked: list[object] = []
    monkeypatch.setattr(psycopg, "connect", _noting(asked))

    with pytest.raises(psycopg.OperationalError):
        connect(migrate_settings(os.environ))

    assert len(asked) == 1


def _noting(asked: list[object]) -> Any:
    connect_really = psycopg.connect

    def connecting(**arguments: Any) -> Any:
        asked.append(arguments["password"])
        return connect_really(**arguments)

    return connecting


def test_data_keys_are_wrapped_by_the_new_master_before_the_old_one_goes(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in WITH_MASTER_KEYS:
        key = wrap(parse_master_keys((cluster.folder / "master-keys" / name).read_text()), f"{name}-1", KEY)
        table = f"{name}.data_key"
        cluster.postgres.run(
            f"INSERT INTO {table} (key_id, master_key_id, wrapped) VALUES (%s, %s, %s)",  # noqa: S608 - named above
            key.key_id, key.master_key_id, key.wrapped,
        )  # fmt: skip
    begin(cluster.folder, Kind.MASTER_KEYS)
    for name in WITH_MASTER_KEYS:  # whose Secret is the old one still
        cluster.in_service(name)
        assert rotated(["master-keys", name]) == 0
    with pytest.raises(StillNeededError):
        finish(cluster.folder, Kind.MASTER_KEYS, capsys.readouterr().out.splitlines())

    cluster.hand_over()
    for name in WITH_MASTER_KEYS:
        cluster.in_service(name)
        assert rotated(["master-keys", name]) == 0
    finish(cluster.folder, Kind.MASTER_KEYS, capsys.readouterr().out.splitlines())

    for name in WITH_MASTER_KEYS:
        masters = parse_master_keys((cluster.folder / "master-keys" / name).read_text())
        (row,) = cluster.postgres.rows(f"SELECT key_id, master_key_id, wrapped FROM {name}.data_key")  # noqa: S608
        assert unwrap(masters, WrappedKey(*row)) == KEY
        assert [*masters.keys] == [row[1]]


def test_keys_of_people_are_sealed_by_the_new_one_before_the_old_one_goes(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = parse_master_keys((cluster.folder / "person-keys").read_text())
    sealed = Sealer(keys.keys, keys.active).seal(KEY, context=place_of(ANNA), nonce=secrets.token_bytes(NONCE_OCTETS))
    cluster.postgres.run(
        "INSERT INTO auth.account (account_key, login_name, login_canonical, state, is_first_owner)"
        " OVERRIDING SYSTEM VALUE VALUES (%s, 'anna', 'anna', 'active', true)",
        ANNA,
    )
    cluster.postgres.run("INSERT INTO auth.person_key VALUES (%s, %s)", ANNA, sealed)
    begin(cluster.folder, Kind.PERSON_KEYS)
    cluster.hand_over()

    cluster.in_service("auth")
    assert rotated(["person-keys", "auth"]) == 0
    finish(cluster.folder, Kind.PERSON_KEYS, capsys.readouterr().out.splitlines())

    new = parse_master_keys((cluster.folder / "person-keys").read_text())
    with cluster.postgres.connect() as connection:
        assert dict(open_all(connection, Sealer(new.keys, new.active))) == {ANNA: KEY}
    assert keys.active not in new.keys


def test_keys_that_the_pod_has_not_say_so_and_nothing_is_changed(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = parse_master_keys((cluster.folder / "master-keys" / "auth").read_text())
    key = wrap(stranger, "devices-1", KEY)
    cluster.postgres.run("INSERT INTO devices.data_key VALUES (%s, %s, %s)", key.key_id, key.master_key_id, key.wrapped)

    cluster.in_service("devices")
    assert rotated(["master-keys", "devices"]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert f"master key {key.master_key_id}, which is not here" in said.err
    assert cluster.postgres.rows("SELECT master_key_id FROM devices.data_key") == [(key.master_key_id,)]


def test_the_newest_key_for_tokens_is_to_be_followed(cluster: Cluster) -> None:
    for age, name in ((100, "older"), (10, "newest")):
        cluster.postgres.run(
            "INSERT INTO auth.signing_key (key_id, public_jwk, sealed, created_at)"
            " VALUES (%s, '{}', '', now() - make_interval(days => %s))",
            name, age,
        )  # fmt: skip

    cluster.in_service("auth")
    assert rotated(["signing-keys", "auth"]) == 0

    assert cluster.postgres.rows("SELECT key_id FROM auth.signing_key WHERE is_to_be_followed") == [("newest",)]


@pytest.mark.parametrize("words", [[], ["master-keys"], ["master-keys", "audit"], ["signing-keys", "devices"], ["x"]])
def test_what_no_service_has_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        rotated(words)

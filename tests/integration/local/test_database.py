"""The embedded PostgreSQL: who gets in, what they may do, what it writes down."""

import datetime as dt
import socket
import struct
import subprocess
from pathlib import Path

import psycopg
import pytest

from deploy.bootstrap.__main__ import main
from deploy.local.authority import ensure_authority
from deploy.local.bootstrap import BACKUP, LOGINS, SCHEMAS, WITH_PASSWORD, Server, bootstrap
from deploy.local.processes import PROVISIONER
from deploy.local.project_template import DIGEST, TEMPLATE_NAME
from tests.integration.local.sites import Site

pytestmark = pytest.mark.real
SERVICES = [login for login in LOGINS if login != "migrate"]
EVERYBODY = [*LOGINS, PROVISIONER, BACKUP, "postgres"]
PLAIN_STARTUP = struct.pack("!II", 23, 196_608) + b"user\0svc_auth\0\0"


@pytest.mark.parametrize("login", EVERYBODY)
def test_each_login_gets_in_over_verified_tls(database: Site, login: str) -> None:
    with database.connect(login, channel_binding="require") as connection:
        row = connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()

    assert row == (True, "TLSv1.3")


@pytest.mark.parametrize("login", EVERYBODY)
def test_nobody_gets_in_without_tls(database: Site, login: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        database.connect(login, sslmode="disable")


def test_a_stranger_without_tls_is_told_no_and_cut_off(database: Site) -> None:
    with socket.create_connection(("127.0.0.1", database.base + 6), timeout=5) as stranger:
        stranger.sendall(PLAIN_STARTUP)
        answer = b"".join(iter(lambda: stranger.recv(4096), b""))

    assert answer[:1] == b"E"
    assert b"no encryption" in answer


def test_a_stranger_who_speaks_neither_is_cut_off(database: Site) -> None:
    with socket.create_connection(("127.0.0.1", database.base + 6), timeout=5) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")

        assert b"HTTP" not in b"".join(iter(lambda: stranger.recv(4096), b""))


def test_it_listens_on_the_loopback_address_only_and_on_no_socket_file(database: Site) -> None:
    with database.connect("postgres") as connection:
        shown = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        ).fetchone()

    assert shown == ("127.0.0.1", "")


def test_a_wrong_password_is_refused(database: Site) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.connect("svc_auth", password="wrong")


def test_a_client_that_trusts_another_ca_refuses_the_server(database: Site, tmp_path: Path) -> None:
    ensure_authority(tmp_path, dt.datetime.now(dt.UTC))  # noqa: TID251 - a CA that is valid now

    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        database.connect("svc_auth", sslrootcert=str(tmp_path / "ca.pem"))


@pytest.mark.parametrize("login", [*LOGINS, PROVISIONER])
@pytest.mark.parametrize("other", ["postgres", "template1", "ironflock_project"])
def test_a_login_reaches_no_other_database(database: Site, login: str, other: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        database.connect(login, dbname=other)


@pytest.mark.parametrize("login", SERVICES)
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE x (a int)",
        "CREATE TABLE public.x (a int)",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "CREATE DATABASE x",
        "CREATE TABLE auth.x (a int)",
        "SET ROLE auth_owner",
        "SET ROLE migrate",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_a_service_may_do_nothing_that_its_migrations_did_not_grant(database: Site, login: str, statement: str) -> None:
    with database.connect(login) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement.encode())

    assert refused.value.sqlstate == "42501"


@pytest.mark.parametrize("login", EVERYBODY)
def test_nobody_changes_the_servers_settings_from_inside(database: Site, login: str) -> None:
    with database.connect(login) as connection, pytest.raises(psycopg.Error, match="ALTER SYSTEM is not allowed"):
        connection.execute("ALTER SYSTEM SET ssl = off")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_migrate_acts_as_each_owner_and_holds_nothing_itself(database: Site, schema: str) -> None:
    with database.connect("migrate") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"CREATE TABLE {schema}.mine (a int)".encode())
        connection.execute(f"SET ROLE {schema}_owner".encode())
        connection.execute(f"CREATE TABLE {schema}.mine (a int)".encode())
        connection.execute(f"DROP TABLE {schema}.mine".encode())


def test_public_has_nothing_on_databases_schemas_and_new_functions(database: Site) -> None:
    with database.connect("postgres") as connection:
        connection.execute("SET ROLE auth_owner")
        connection.execute("CREATE FUNCTION auth.secret() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        connection.execute("RESET ROLE")
        held = connection.execute(
            "SELECT has_database_privilege('public', datname, 'CONNECT, TEMP')"
            " FROM pg_database WHERE datname <> 'template0'"
            " UNION SELECT has_schema_privilege('public', nspname, 'USAGE')"
            " FROM pg_namespace WHERE nspname IN ('public', 'audit', 'auth', 'realms', 'devices')"
            " UNION SELECT has_function_privilege('public', 'auth.secret()', 'EXECUTE')"
        ).fetchall()
        connection.execute("DROP FUNCTION auth.secret()")

    assert held == [(False,)]


def test_the_log_holds_no_statement_and_no_value(database: Site) -> None:
    marker = "marker-7f3a"
    with database.connect("postgres") as connection:
        connection.execute("CREATE TABLE public.probe (a text PRIMARY KEY)")
        for statement in ("INSERT INTO public.probe VALUES (%s)", "SELECT 1 / 0 WHERE %s <> ''"):
            for _ in range(2):
                try:
                    connection.execute(statement.encode(), [marker])
                except psycopg.Error:
                    continue
        connection.execute("DROP TABLE public.probe")
    log = (database.state.log / "postgres.log").read_text()

    assert "duplicate key value" in log
    assert marker not in log


def test_no_secret_stands_in_an_argument_or_a_log(database: Site) -> None:
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    logs = "".join(path.read_text() for path in database.state.log.iterdir())
    secrets = [path.read_text() for path in database.state.secrets.rglob("*") if path.is_file()]

    assert len(secrets) > len(LOGINS)
    assert not [secret for secret in secrets if secret in shown or secret in logs]


def test_a_superusers_password_is_kept_as_a_verifier(database: Site) -> None:
    with database.connect("postgres") as connection:
        kept = connection.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin").fetchall()

    assert {name for name, _ in kept} == set(EVERYBODY)
    assert all(verifier.startswith("SCRAM-SHA-256$") for _, verifier in kept)


def test_nobody_connects_to_the_template_of_project_databases(database: Site) -> None:
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        database.connect("postgres", dbname=TEMPLATE_NAME)
    with database.connect("postgres") as connection:
        row = connection.execute(
            "SELECT datistemplate, datallowconn, has_database_privilege('public', oid, 'CONNECT') FROM pg_database"
            " WHERE datname = %s",
            [TEMPLATE_NAME],
        ).fetchone()
    assert row == (True, False, False)


def test_a_project_s_database_that_is_older_than_the_template_is_closed_as_it_is(database: Site) -> None:
    passwords = {login: (database.state.database_secrets / login).read_text() for login in EVERYBODY}
    server = Server(database.base + 6, database.state.ca_certificate, passwords["postgres"])
    with database.connect(PROVISIONER) as provisioner:
        provisioner.execute("CREATE DATABASE d_older TEMPLATE template0")

    for _ in range(2):
        bootstrap(server, passwords)

    with database.connect("postgres", dbname="d_older") as connection:
        row = connection.execute(
            "SELECT has_database_privilege('public', 'd_older', 'CONNECT, TEMP'),"
            " has_table_privilege('public', 'pg_catalog.pg_database', 'SELECT'),"
            " has_function_privilege('public', 'pg_advisory_lock(bigint)', 'EXECUTE'),"
            " to_regnamespace('public') IS NULL,"
            " (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'd_older')"
        ).fetchone()
    assert row == (False, False, False, True, DIGEST)


@pytest.mark.parametrize(
    ("words", "changed"), [([], "svc_gateway"), (["cluster"], "provisioner"), (["cluster"], "backup")]
)
def test_a_server_of_elsewhere_is_set_up_by_a_process_of_its_own(
    database: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], changed: str
) -> None:
    (tmp_path / "superuser").write_bytes((database.state.database_secrets / "postgres").read_bytes())
    (tmp_path / "logins").mkdir()
    for login in WITH_PASSWORD:
        secret = (database.state.database_secrets / login).read_text()
        (tmp_path / "logins" / login).write_text("another" if login == changed else secret)
    for name, value in {
        "CA_FILE": str(database.state.ca_certificate),
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": str(database.base + 6),
        "SUPERUSER_PASSWORD_FILE": str(tmp_path / "superuser"),
        "PASSWORDS": str(tmp_path / "logins"),
    }.items():
        monkeypatch.setenv(f"IRONFLOCK_BOOTSTRAP_{name}", value)

    assert main(words) == 0

    database.connect(changed, password="another").close()
    monkeypatch.setenv("IRONFLOCK_BOOTSTRAP_PASSWORDS", str(database.state.database_secrets))
    assert main(words) == 0
    database.connect(changed).close()


def test_a_server_that_does_not_answer_is_said_and_no_password_is(
    database: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "superuser").write_text("wrong-s3cret")
    for name, value in {
        "CA_FILE": str(database.state.ca_certificate),
        "DATABASE_HOST": "localhost",
        "DATABASE_PORT": str(database.base + 6),
        "SUPERUSER_PASSWORD_FILE": str(tmp_path / "superuser"),
        "PASSWORDS": str(database.state.database_secrets),
    }.items():
        monkeypatch.setenv(f"IRONFLOCK_BOOTSTRAP_{name}", value)

    assert main([]) == 1

    said = capsys.readouterr().err
    assert "bootstrap: " in said
    assert "s3cret" not in said


@pytest.mark.parametrize("statement", ["ALTER DATABASE ironflock_project ALLOW_CONNECTIONS true", "SET ROLE postgres"])
def test_the_provisioner_makes_databases_of_the_template_and_does_not_change_it(database: Site, statement: str) -> None:
    with database.connect(PROVISIONER) as provisioner, pytest.raises(psycopg.errors.InsufficientPrivilege):
        provisioner.execute(statement.encode())

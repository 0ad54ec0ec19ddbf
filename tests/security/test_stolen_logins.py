"""With a data backend's stolen login, its client certificate and every name: nothing of another project or app.

The database below the platform, as it runs: the login is the real one of an app in a project, and the thief knows how
everything else is called. What stays visible stands in services/fleetdb/README.md, "What a stolen login sees".
"""

# ruff: noqa: S608 - the names in these statements are the point

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local.bootstrap import SUPERUSER, Server, connect
from services.realms.provisioner.certificates import Authority, certificate_for, load_authority
from tests.harness.clients import Account, new_name
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.realms.provisioning import pem_of

pytestmark = pytest.mark.real
IMAGE: Final = f"registry.example.com/press@sha256:{'0a' * 32}"
TABLE: Final = "treasure"
NOW: Final = dt.datetime.now(dt.UTC)  # noqa: TID251 - certificates are valid now


class Login:
    """The login of one data backend, with a certificate as fleetdb has it."""

    def __init__(self, platform: RunningPlatform, folder: Path, row: dict[str, Any]) -> None:
        self.platform = platform
        self.folder = folder
        self.key = row["backend_key"]
        self.database, self.schema = row["database_name"], row["schema_name"]
        self.owner, self.name = row["owner_name"], row["login_name"]
        secret = ec.generate_private_key(ec.SECP256R1())
        self.certificate, self.secret = _kept(
            folder, self.name, certificate_for(authority_of(platform), self.name, pem_of(secret), NOW)[0], secret
        )

    def connect(self, **changes: Any) -> psycopg.Connection[Any]:
        """A session; each statement commits."""
        arguments: dict[str, Any] = {
            "host": "localhost",
            "port": self.platform.ports.postgres,
            "dbname": self.database,
            "user": self.name,
            "sslmode": "verify-full",
            "sslrootcert": str(self.platform.state.ca_certificate),
            "sslcert": str(self.certificate),
            "sslkey": str(self.secret),
            "connect_timeout": 5,
        }
        return psycopg.connect(**{**arguments, **changes}, autocommit=True)


@frozen
class Scene:
    """Who stole what, and from whom nothing must be had: an app of another project, and one of the same project."""

    mine: Login
    theirs: Login
    neighbour: Login

    def filled(self, text: str) -> bytes:
        """A statement with the names that the thief knows."""
        named = {
            "me": self.mine.name,
            "my_owner": self.mine.owner,
            "my_schema": self.mine.schema,
            "my_database": self.mine.database,
            "database": self.theirs.database,
            "schema": self.theirs.schema,
            "owner": self.theirs.owner,
            "login": self.theirs.name,
            "beside": self.neighbour.schema,
            "beside_owner": self.neighbour.owner,
            "beside_login": self.neighbour.name,
            "table": TABLE,
        }
        for name, value in named.items():
            text = text.replace(f"<{name}>", value)
        assert "<" not in text.replace("<>", ""), text
        return text.encode()


def server_of(platform: RunningPlatform) -> Server:
    return Server(platform.ports.postgres, platform.state.ca_certificate, platform.secret(f"database/{SUPERUSER}"))


def authority_of(platform: RunningPlatform) -> Authority:
    folder = platform.state.backend_login_authority
    return load_authority(folder / "ca.pem", folder / "ca.key")


def _kept(folder: Path, name: str, certificate: str, secret: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    """A certificate and its key in two files."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_text(certificate)
    paths[1].touch(mode=0o600)
    paths[1].write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def _installed(owner: Account, project: int) -> int:
    app = owner.call("ironflock.realms.app.create", name=new_name("app"))["app_key"]
    owner.call("ironflock.realms.install.create", project=project, app=app, stage="PROD")
    return int(app)


@pytest.fixture(name="scene", scope="module")
def fixture_scene(ironflock: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    owner = Account(ironflock, ironflock.owner_key)
    mine, theirs = owner.project(), owner.project()
    apps = [_installed(owner, project) for project in (mine, theirs, mine)]
    folder = tmp_path_factory.mktemp("stolen")
    with ironflock.database() as superuser:

        def ready() -> list[dict[str, Any]]:
            with superuser.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                rows = cursor.execute(
                    "SELECT b.*, d.database_name FROM realms.backend b JOIN realms.project_database d"
                    " USING (project_key) WHERE app_key = ANY (%s) AND b.state = 'ready' ORDER BY app_key",
                    [apps],
                ).fetchall()
            return rows if len(rows) == len(apps) else []

        rows = wait_until(ready, 30, "the backends are ready")
    scene = Scene(*(Login(ironflock, folder, row) for row in rows))
    for login in (scene.mine, scene.theirs, scene.neighbour):
        with login.connect() as session:
            session.execute(f"CREATE TABLE {TABLE} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gold text)")
            session.execute(f"INSERT INTO {TABLE} (gold) VALUES ('of {login.key}')")
            session.execute(f"CREATE VIEW {TABLE}_seen AS SELECT gold FROM {TABLE}")
    yield scene
    for login in (scene.theirs, scene.neighbour):  # whatever was tried
        with login.connect() as session:
            assert session.execute(f"SELECT id, gold FROM {TABLE}").fetchall() == [(1, f"of {login.key}")]


# What must be refused, whoever asks for it: by the role of the login, and by the login itself.
TABLES_OF_OTHERS: Final = tuple(
    statement.replace("<schema>", schema)
    for schema in ("<schema>", "<beside>")
    for statement in (
        "SELECT * FROM <schema>.<table>",
        "SELECT count(*) FROM <schema>.<table>_seen",
        "COPY <schema>.<table> TO STDOUT",
        "TABLE <schema>.<table>",
        "EXPLAIN SELECT * FROM <schema>.<table>",
        "INSERT INTO <schema>.<table> (gold) VALUES ('mine')",
        "UPDATE <schema>.<table> SET gold = 'mine'",
        "DELETE FROM <schema>.<table>",
        "TRUNCATE <schema>.<table>",
        "DROP TABLE <schema>.<table>",
        "ALTER TABLE <schema>.<table> ADD COLUMN mine text",
        "ALTER TABLE <schema>.<table> OWNER TO <my_owner>",
        "ALTER TABLE <schema>.<table> SET SCHEMA <my_schema>",
        "COMMENT ON TABLE <schema>.<table> IS 'mine'",
        "CREATE INDEX ON <schema>.<table> (gold)",
        "CREATE TABLE <schema>.mine (a int)",
        "CREATE VIEW <my_schema>.v AS SELECT * FROM <schema>.<table>",
        "CREATE MATERIALIZED VIEW <my_schema>.v AS SELECT * FROM <schema>.<table>",
        "CREATE TABLE <my_schema>.heir () INHERITS (<schema>.<table>)",
        "CREATE TABLE <my_schema>.heir (id bigint REFERENCES <schema>.<table> (id))",
        "CREATE TABLE <my_schema>.heir (LIKE <schema>.<table>)",
        "GRANT SELECT ON <schema>.<table> TO <my_owner>",
        "SELECT nextval('<schema>.<table>_id_seq')",
        "SELECT last_value FROM <schema>.<table>_id_seq",
        "SELECT '<schema>.<table>'::regclass::oid",
        "SELECT pg_relation_size('<schema>.<table>')",
        "SELECT has_table_privilege('<schema>.<table>', 'SELECT')",
        "GRANT USAGE ON SCHEMA <schema> TO <my_owner>",
        "ALTER SCHEMA <schema> OWNER TO <my_owner>",
        "ALTER SCHEMA <schema> RENAME TO mine",
        "DROP SCHEMA <schema> CASCADE",
        "CREATE STATISTICS <my_schema>.s ON id, gold FROM <schema>.<table>",
        "CREATE RULE r AS ON SELECT TO <schema>.<table> DO INSTEAD SELECT 1",
    )
)
WHO_ONE_IS: Final = (
    "SET ROLE <owner>",
    "SET ROLE <login>",
    "SET ROLE <beside_owner>",
    "SET ROLE <database>",
    "SET ROLE <my_database>",
    "SET ROLE backend_login",
    "SET ROLE provisioner",
    "SET ROLE postgres",
    "SET ROLE svc_realms",
    "SET ROLE pg_read_all_data",
    "SET SESSION AUTHORIZATION postgres",
    "SET SESSION AUTHORIZATION <beside_login>",
    "SET session_authorization = <login>",
    "GRANT <owner> TO <me>",
    "GRANT <beside_owner> TO <my_owner>",
    "GRANT <database> TO <me>",
    "GRANT backend_login TO <my_owner>",
    "GRANT pg_monitor TO <my_owner>",
    "ALTER ROLE <me> SUPERUSER",
    "ALTER ROLE <me> CREATEROLE",
    "ALTER ROLE <me> CREATEDB",
    "ALTER ROLE <me> REPLICATION",
    "ALTER ROLE <me> BYPASSRLS",
    "ALTER ROLE <me> CONNECTION LIMIT -1",
    "ALTER ROLE <me> VALID UNTIL 'infinity'",
    "ALTER ROLE <me> RENAME TO mine",
    "ALTER ROLE <my_owner> LOGIN",
    "ALTER ROLE <login> SET search_path = <my_schema>",
    "ALTER ROLE <beside_login> SET role = <my_owner>",
    "ALTER ROLE <beside_login> NOLOGIN",
    "ALTER ROLE ALL SET search_path = <my_schema>",
    "DROP ROLE <beside_login>",
    "CREATE ROLE mine",
    "CREATE USER mine PASSWORD 'x'",
    "REASSIGN OWNED BY <beside_owner> TO <my_owner>",
    "DROP OWNED BY <beside_owner>",
    "ALTER DEFAULT PRIVILEGES FOR ROLE <beside_owner> GRANT SELECT ON TABLES TO <my_owner>",
)
WHAT_HOLDS_THE_WHOLE: Final = (
    "CREATE DATABASE mine",
    "CREATE DATABASE mine TEMPLATE <database>",
    "CREATE DATABASE mine TEMPLATE ironflock_project",
    "DROP DATABASE <database>",
    "DROP DATABASE <my_database> WITH (FORCE)",
    "ALTER DATABASE <database> RENAME TO mine",
    "ALTER DATABASE <my_database> CONNECTION LIMIT 1",
    "ALTER DATABASE <my_database> SET search_path = <my_schema>",
    "ALTER DATABASE <database> SET statement_timeout = 1",
    "COMMENT ON DATABASE <my_database> IS 'mine'",
    "CREATE SCHEMA mine",
    "CREATE SCHEMA AUTHORIZATION <my_owner>",
    "CREATE TABLE pg_catalog.mine (a int)",
    "CREATE TABLE information_schema.mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE TABLESPACE mine LOCATION '/tmp'",
    "ALTER SYSTEM SET ssl = off",
    "SET temp_file_limit = -1",
    "SET log_statement = 'all'",
    "SET session_replication_role = replica",
    "SET allow_system_table_mods = on",
    "SET lo_compat_privileges = on",
    "SELECT set_config('log_min_messages', 'debug5', false)",
    "CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION now()",
    "CREATE PUBLICATION p FOR ALL TABLES",
    "CREATE SUBSCRIPTION s CONNECTION 'host=localhost dbname=<database>' PUBLICATION p WITH (connect = false)",
    "CREATE ACCESS METHOD m TYPE INDEX HANDLER bthandler",
    "CREATE CAST (text AS int) WITH INOUT",
    "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION now())",
    "SECURITY LABEL ON TABLE <table> IS 'x'",
    "CHECKPOINT",
    "REINDEX SYSTEM <my_database>",
    "REINDEX DATABASE <my_database>",
    "BEGIN; PREPARE TRANSACTION 'mine'",
)
OTHER_PROGRAMS: Final = (
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "CREATE EXTENSION file_fdw",
    "CREATE EXTENSION pg_stat_statements",
    "CREATE EXTENSION pageinspect",
    "CREATE EXTENSION lo",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost', dbname '<database>')",
    "CREATE USER MAPPING FOR CURRENT_USER SERVER s",
    "CREATE FOREIGN TABLE f (a int) SERVER s",
    "IMPORT FOREIGN SCHEMA public FROM SERVER s INTO <my_schema>",
    "CREATE LANGUAGE plperl",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'system'",
    "CREATE FUNCTION f(int) RETURNS int LANGUAGE internal AS 'int4abs'",
    "DO $$ BEGIN PERFORM 1; END $$",
    "LOAD 'dblink'",
    "LOAD '$libdir/plugins/x'",
    "COPY <table> FROM PROGRAM 'cat'",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "COPY <table> (gold) FROM '/etc/passwd'",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT * FROM pg_ls_dir('.')",
    "SELECT * FROM pg_ls_waldir()",
    "SELECT * FROM pg_ls_logdir()",
    "SELECT * FROM pg_stat_file('PG_VERSION')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/mine')",
)
WHAT_TELLS: Final = (
    *(
        f"SELECT * FROM pg_catalog.{name}"
        for name in (
            "pg_database", "pg_roles", "pg_authid", "pg_auth_members", "pg_user", "pg_shadow", "pg_group",
            "pg_shdepend", "pg_shdescription", "pg_shseclabel", "pg_db_role_setting", "pg_tablespace",
            "pg_settings", "pg_file_settings", "pg_locks", "pg_prepared_xacts", "pg_stat_activity",
            "pg_stat_database", "pg_stat_replication", "pg_stat_ssl", "pg_stat_io", "pg_stat_wal",
            "pg_stat_all_tables", "pg_stat_user_tables", "pg_statio_all_tables", "pg_stats",
            "pg_stat_xact_all_tables", "pg_stat_user_indexes", "pg_stat_progress_copy", "pg_statistic", "pg_tables",
            "pg_views", "pg_matviews", "pg_sequences", "pg_sequence", "pg_type", "pg_proc", "pg_rewrite",
            "pg_attrdef", "pg_description", "pg_constraint", "pg_trigger", "pg_policy", "pg_default_acl",
            "pg_init_privs", "pg_depend", "pg_largeobject", "pg_largeobject_metadata", "pg_subscription",
            "pg_publication", "pg_replication_slots", "pg_foreign_server", "pg_user_mappings", "pg_hba_file_rules",
            "pg_shmem_allocations", "pg_config", "pg_available_extensions", "pg_event_trigger", "pg_aios",
            "pg_backend_memory_contexts", "pg_wait_events",
        )
    ),
    "SELECT oid FROM pg_catalog.pg_class",
    "SELECT relname FROM pg_catalog.pg_class",
    "SELECT attname FROM pg_catalog.pg_attribute",
    "SELECT nspname FROM pg_catalog.pg_namespace",
    "SELECT inhparent FROM pg_catalog.pg_inherits",
    "SELECT indexname FROM pg_catalog.pg_indexes",
    "SELECT extname FROM pg_catalog.pg_extension",
    "SELECT pg_get_userbyid(10)",
    "SELECT regroleout(10::regrole)",
    "SELECT to_regrole('<login>')",
    "SELECT acldefault('d', 10)",
    "SELECT makeaclitem(10, 10, 'SELECT', false)",
    "SELECT aclexplode(NULL)",
    "SELECT pg_describe_object(1260, 10, 0)",
    "SELECT pg_identify_object(1262, 1, 0)",
    "SELECT shobj_description(1, 'pg_database')",
    "SELECT has_database_privilege('<database>', 'CONNECT')",
    "SELECT has_database_privilege(1::oid, 'CONNECT')",
    "SELECT has_tablespace_privilege(1663, 'CREATE')",
    "SELECT pg_database_size('<database>')",
    "SELECT pg_database_size(current_database())",
    "SELECT pg_tablespace_size('pg_default')",
    "SELECT pg_tablespace_databases(1663)",
    "SELECT pg_stat_get_activity(NULL)",
    "SELECT pg_stat_get_backend_activity(1)",
    "SELECT pg_stat_get_db_numbackends(1)",
    "SELECT pg_stat_get_live_tuples(1)",
    "SELECT pg_lock_status()",
    "SELECT pg_blocking_pids(1)",
    "SELECT pg_show_all_settings()",
    "SELECT pg_notification_queue_usage()",
    "SELECT pg_current_wal_lsn()",
    "SELECT pg_current_snapshot()",
    "SELECT txid_current_snapshot()",
    "SELECT pg_xact_status('700'::xid8)",
    "SELECT pg_control_checkpoint()",
    "SELECT pg_last_committed_xact()",
    "SELECT pg_export_snapshot()",
    "SELECT pg_get_viewdef('<table>_seen'::regclass)",
    "SELECT pg_get_functiondef(1)",
    "SELECT database_to_xml(true, true, '')",
    "SELECT schema_to_xml('<beside>', true, true, '')",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SHOW data_directory",
    "SHOW hba_file",
    "SHOW config_file",
    "SHOW log_directory",
)  # fmt: skip
WHAT_IS_SHARED: Final = (
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_advisory_lock_shared(1, 2)",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT pg_try_advisory_xact_lock_shared(1)",
    "SELECT pg_advisory_unlock_all()",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_open(1, 131072)",
    "SELECT lo_get(1)",
    "SELECT lo_put(1, 0, 'x')",
    "SELECT lo_unlink(1)",
    "SELECT loread(0, 1)",
    "CREATE TEMP TABLE mine (a int)",
    "CREATE TEMP VIEW mine AS SELECT 1",
    "CREATE TEMP SEQUENCE mine",
    "SELECT * INTO TEMP mine FROM <table>",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_log_backend_memory_contexts(1)",
    "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT pg_create_physical_replication_slot('mine')",
    "SELECT pg_create_logical_replication_slot('mine', 'test_decoding')",
    "SELECT pg_drop_replication_slot('mine')",
    "SELECT pg_replication_origin_create('mine')",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('mine')",
    "SELECT pg_backup_start('mine')",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_promote()",
    "SELECT pg_stat_reset()",
    "SELECT pg_stat_reset_shared('io')",
    "SELECT pg_import_system_collations('pg_catalog')",
    "BEGIN; LOCK TABLE pg_catalog.pg_class IN ACCESS EXCLUSIVE MODE",
    "BEGIN; LOCK TABLE pg_catalog.pg_database IN ACCESS SHARE MODE",
    "BEGIN; LOCK TABLE pg_catalog.pg_authid IN SHARE MODE",
    "BEGIN; LOCK TABLE <beside>.<table>",
    "UPDATE pg_catalog.pg_class SET relowner = 10",
    "DELETE FROM pg_catalog.pg_attribute",
    "INSERT INTO pg_catalog.pg_auth_members VALUES (1, 1, 1, 10, true, true, true)",
)
REFUSED: Final = (
    *TABLES_OF_OTHERS,
    *WHO_ONE_IS,
    *WHAT_HOLDS_THE_WHOLE,
    *OTHER_PROGRAMS,
    *WHAT_TELLS,
    *WHAT_IS_SHARED,
)
SYNTAX: Final = "42601"
NO_SUCH_FUNCTION: Final = "42883"


@pytest.mark.parametrize("statement", REFUSED)
def test_it_is_refused(scene: Scene, statement: str) -> None:
    for first in ("RESET ROLE", "SET ROLE NONE"):
        with scene.mine.connect() as session:
            session.execute(first.encode())
            session.execute(f"SET search_path = {scene.mine.schema}".encode())
            with pytest.raises(psycopg.Error) as refused:
                session.execute(scene.filled(statement))
            assert refused.value.sqlstate not in (SYNTAX, NO_SUCH_FUNCTION, None), "the attempt itself is wrong"


@pytest.mark.parametrize(
    "path", ["<schema>", "<beside>", "pg_toast, <beside>", "<beside>, <my_schema>", "pg_temp, public"]
)
def test_another_search_path_finds_nothing_more(scene: Scene, path: str) -> None:
    with scene.mine.connect() as session:
        session.execute(scene.filled(f"SET search_path = {path}"))
        try:
            found = session.execute(f"SELECT gold FROM {TABLE}".encode()).fetchall()
        except psycopg.errors.UndefinedTable:
            return
    assert found == [(f"of {scene.mine.key}",)]


ELSEWHERE: Final = (
    {"dbname": "<database>"},
    {"dbname": "<database>", "user": "<login>"},
    {"user": "<login>"},
    {"user": "<beside_login>"},
    {"user": "<my_owner>"},
    {"user": "<my_database>"},
    {"user": "backend_login"},
    {"user": "provisioner"},
    {"user": "postgres"},
    {"user": "postgres", "dbname": "postgres"},
    {"user": "svc_realms", "dbname": "ironflock"},
    {"dbname": "ironflock"},
    {"dbname": "postgres"},
    {"dbname": "template1"},
    {"dbname": "template0"},
    {"dbname": "ironflock_project"},
    {"dbname": "replication"},
    {"replication": "true"},
    {"replication": "database"},
    {"options": "-c role=<owner>"},
    {"options": "-c session_authorization=postgres"},
    {"options": "-c session_preload_libraries=dblink"},
    {"options": "-c session_replication_role=replica"},
    {"options": "-c temp_file_limit=-1"},
    {"options": "-c allow_system_table_mods=on"},
    {"sslmode": "disable"},
    {"sslcert": "", "sslkey": ""},
    {"sslcertmode": "disable"},
    {"sslcertmode": "disable", "password": "guess"},
)


@pytest.mark.parametrize("changes", ELSEWHERE, ids=str)
def test_it_opens_nothing_else(scene: Scene, changes: dict[str, str]) -> None:
    named = {name: scene.filled(value).decode() if "<" in value else value for name, value in changes.items()}

    with pytest.raises(psycopg.OperationalError):
        scene.mine.connect(**named).close()

    scene.mine.connect().close()


def test_a_password_that_it_gives_itself_opens_nothing(scene: Scene) -> None:
    with scene.mine.connect() as session:
        session.execute("SET ROLE NONE")
        session.execute(scene.filled("ALTER ROLE <me> PASSWORD 'mine'"))

    with pytest.raises(psycopg.OperationalError, match="certificate"):
        scene.mine.connect(sslcertmode="disable", password="mine").close()


@pytest.mark.parametrize(
    "made", ["self-signed", "by its own certificate", "by the platform's CA", "ended", "of another name"]
)
def test_a_certificate_that_was_made_otherwise_opens_nothing(scene: Scene, tmp_path: Path, made: str) -> None:
    platform, key = scene.mine.platform, ec.generate_private_key(ec.SECP256R1())
    true, victim = authority_of(platform), scene.neighbour.name
    match made:
        case "ended":
            text, _ = certificate_for(true, victim, pem_of(key), NOW - dt.timedelta(days=31))
        case "of another name":
            text, _ = certificate_for(true, f"{victim}x", pem_of(key), NOW)
        case "by the platform's CA":
            folder = platform.state.ca
            text, _ = certificate_for(load_authority(folder / "ca.pem", folder / "ca.key"), victim, pem_of(key), NOW)
        case "by its own certificate":
            stolen = x509.load_pem_x509_certificate(scene.mine.certificate.read_bytes())
            secret = serialization.load_pem_private_key(scene.mine.secret.read_bytes(), None)
            assert isinstance(secret, ec.EllipticCurvePrivateKey)
            text = certificate_for(Authority(stolen, secret), victim, pem_of(key), NOW)[0]
            text += scene.mine.certificate.read_text()
        case _:
            text = _self_signed(victim, key)
    certificate, secret_file = _kept(tmp_path, "made", text, key)

    with pytest.raises(psycopg.OperationalError):
        scene.neighbour.connect(sslcert=str(certificate), sslkey=str(secret_file)).close()


def _self_signed(name: str, key: ec.EllipticCurvePrivateKey) -> str:
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(called).issuer_name(called).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + dt.timedelta(days=1))
    return dated.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def foreign_names(scene: Scene, *, of_neighbour: bool) -> set[str]:
    others = [scene.theirs, *([scene.neighbour] if of_neighbour else [])]
    names = {name for each in others for name in (each.schema, each.owner, each.name)}
    return names | {scene.theirs.database, f"of {scene.theirs.key}", f"of {scene.neighbour.key}"}


def test_the_views_that_it_may_read_tell_of_nobody_else(scene: Scene) -> None:
    read = 0
    with scene.mine.connect() as session:
        views = session.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'information_schema'"
        ).fetchall()
        names = views or [(name,) for name in ("tables", "columns", "schemata", "applicable_roles", "enabled_roles")]
        for (view,) in names:
            try:
                rows = session.execute(f"SELECT * FROM information_schema.{view}".encode()).fetchall()
            except psycopg.errors.InsufficientPrivilege:
                continue
            read += 1
            assert not {name for name in foreign_names(scene, of_neighbour=True) if name in repr(rows)}, view
    assert read > 4


def test_numbers_of_roles_are_never_shown_as_names(scene: Scene) -> None:
    for shown in ("n::oid::regrole::text", "format('%s', n::oid::regrole)", "array[n::oid::regrole]::text"):
        with scene.mine.connect() as session:
            rows = session.execute(f"SELECT {shown} FROM generate_series(1, 40000) n".encode()).fetchall()
        assert not [row for row in rows if not row[0].strip("{}").isdigit()]


def test_every_setting_tells_of_nobody_else(scene: Scene) -> None:
    with scene.mine.connect() as session:
        rows = session.execute("SHOW ALL").fetchall()

    assert not {name for name in foreign_names(scene, of_neighbour=True) if name in repr(rows)}


def test_what_happens_elsewhere_is_not_heard(scene: Scene) -> None:
    with scene.mine.connect() as thief, scene.theirs.connect() as victim:
        thief.execute("LISTEN news")
        thief.execute("LISTEN provision")
        victim.execute("NOTIFY news, 'gold'")
        thief.execute("NOTIFY news, 'mine'")

        heard = [each.payload for each in thief.notifies(timeout=1.0, stop_after=2)]

    assert heard == ["mine"]


def test_what_it_says_is_not_heard_elsewhere(scene: Scene) -> None:
    with scene.mine.connect() as thief, scene.theirs.connect() as victim, scene.mine.platform.database() as control:
        victim.execute("LISTEN news")
        control.execute("LISTEN provision")
        for channel in ("news", "provision"):
            thief.execute(f"NOTIFY {channel}, 'mine'".encode())

        assert list(victim.notifies(timeout=0.5, stop_after=1)) == []
        assert [each.payload for each in control.notifies(timeout=0.5, stop_after=1) if each.payload == "mine"] == []


def test_its_sessions_are_so_many_and_leave_room_for_everybody(scene: Scene) -> None:
    """Eight, those of fleetdb among them."""
    with ExitStack() as opened:
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            _open_for_ever(scene.mine, opened)
        with scene.mine.platform.database() as superuser:
            query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
            assert superuser.execute(query, [scene.mine.name]).fetchone() == (8,)
        for login in (scene.theirs, scene.neighbour):
            login.connect().close()
        scene.mine.platform.database("svc_realms").close()


def _open_for_ever(login: Login, opened: ExitStack) -> None:
    while True:
        opened.enter_context(login.connect())


def test_the_last_places_of_the_server_are_not_for_it(scene: Scene) -> None:
    with scene.mine.platform.database() as superuser:
        shown = superuser.execute(
            "SELECT current_setting('reserved_connections')::int,"
            " pg_has_role(%s, 'pg_use_reserved_connections', 'USAGE'),"
            " pg_has_role('svc_realms', 'pg_use_reserved_connections', 'USAGE')",
            [scene.mine.name],
        ).fetchone()

    assert shown == (64, False, True)


def test_it_fills_no_more_of_the_disk_with_what_it_sorts(scene: Scene) -> None:
    with scene.mine.connect() as session:
        assert session.execute("SHOW temp_file_limit").fetchone() == ("1GB",)


def test_what_it_locks_of_its_own_stops_nobody_else(scene: Scene) -> None:
    with scene.mine.connect() as thief:
        thief.execute("BEGIN")
        thief.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE".encode())
        thief.execute("ALTER ROLE CURRENT_USER SET work_mem = '64kB'")
        for login in (scene.theirs, scene.neighbour):
            with login.connect(options="-c lock_timeout=1000") as session:
                session.execute("CREATE TABLE beside (a int)")
                session.execute("DROP TABLE beside")
        thief.execute("ROLLBACK")


def test_default_privileges_of_its_own_open_nothing_of_others(scene: Scene) -> None:
    with scene.mine.connect() as thief, scene.neighbour.connect() as neighbour:
        thief.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC")
        neighbour.execute("CREATE TABLE fresh (a int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            thief.execute(scene.filled("SELECT FROM <beside>.fresh"))
        neighbour.execute("DROP TABLE fresh")
        thief.execute("ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC")


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT CONNECT ON DATABASE <my_database> TO <login>",
        "GRANT ALL ON DATABASE <my_database> TO PUBLIC",
        "GRANT CREATE, USAGE ON SCHEMA pg_catalog TO <my_owner>",
        "GRANT ALL ON SCHEMA <my_schema> TO PUBLIC",
    ],
)
def test_what_it_may_not_give_is_given_to_nobody(scene: Scene, statement: str) -> None:
    """PostgreSQL warns where somebody holds a right that they may not hand on, and does nothing."""

    def rights() -> Any:
        with scene.mine.platform.database() as superuser, superuser.cursor() as cursor:
            databases = cursor.execute("SELECT datname, datacl::text FROM pg_database ORDER BY 1").fetchall()
        with connect(server_of(scene.mine.platform), scene.mine.database) as inside:
            return databases, inside.execute("SELECT nspname, nspacl::text FROM pg_namespace ORDER BY 1").fetchall()

    before = rights()
    for first in ("RESET ROLE", "SET ROLE NONE"):
        with scene.mine.connect() as session:
            session.execute(first.encode())
            with suppress(psycopg.errors.InsufficientPrivilege):
                session.execute(scene.filled(statement))

    assert rights() == before


def test_what_it_gives_to_everybody_lets_nobody_in(scene: Scene) -> None:
    with scene.mine.connect() as thief, scene.neighbour.connect() as neighbour:
        thief.execute(f"GRANT ALL ON {TABLE} TO PUBLIC".encode())
        thief.execute(
            scene.filled("GRANT USAGE ON SCHEMA <my_schema> TO PUBLIC")
        )  # said without an error, to no effect
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            neighbour.execute(scene.filled("SELECT FROM <my_schema>.<table>"))
        thief.execute(f"REVOKE ALL ON {TABLE} FROM PUBLIC".encode())

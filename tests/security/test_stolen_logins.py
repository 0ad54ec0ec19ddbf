"""With a data backend's stolen login, its client certificate and every name: nothing of another project or app.

The database below the platform, as it runs: the login is the real one of an app in a project, and the thief knows how
everything else is called. What stays visible stands in services/fleetdb/README.md, "What a stolen login sees".
"""

# ruff: noqa: S608 - the names in these statements are the point

import datetime as dt
import re
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
from tests.security.stolen_statements import REFUSED

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


VALUES: Final = {
    "text": "'nothing'", "name": "current_user", "bigint": "1::bigint", "integer": "1", "smallint": "1::smallint",
    "boolean": "true", "cstring": "'{}'::cstring", "internal": "NULL",
}  # fmt: skip
"""What a function is called with, by type, beside a number."""
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


@pytest.mark.parametrize("kind", ["regrole", "regclass", "regtype", "regnamespace"])
def test_numbers_are_never_shown_as_names(scene: Scene, kind: str) -> None:
    for shown in (f"n::oid::{kind}::text", f"format('%s', n::oid::{kind})", f"array[n::oid::{kind}]::text"):
        with scene.mine.connect() as session:
            rows = session.execute(f"SELECT {shown} FROM generate_series(1, 40000) n".encode()).fetchall()
        assert not [row for row in rows if not row[0].strip("{}").isdigit()]


def test_whatever_is_called_by_a_number_is_not_called_by_its_name(scene: Scene) -> None:
    """By any function that takes the number of a table, a type or a sequence, in its answer or in its refusal."""
    with connect(server_of(scene.mine.platform), scene.neighbour.database) as superuser:
        numbers = superuser.execute(
            "SELECT c.oid::int, c.reltype::int, n.oid::int FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = %s AND relname = %s",
            [scene.neighbour.schema, TABLE],
        ).fetchone()
        functions = superuser.execute(
            "SELECT oid::regproc::text, ARRAY (SELECT format_type(a, NULL) FROM unnest(proargtypes) AS a) FROM pg_proc"
            " WHERE prokind = 'f'"
            " AND pronamespace = 'pg_catalog'::regnamespace AND provariadic = 0 AND NOT proretset"
            " AND proargtypes::oid[] && '{oid,regclass,regtype,regnamespace}'::regtype[]::oid[]"
            " AND has_function_privilege('public', oid, 'EXECUTE')"
        ).fetchall()
    assert numbers is not None
    told = f"{scene.neighbour.schema}|{TABLE}"
    assert len(functions) > 20
    with scene.mine.connect() as session:
        for function, types in functions:
            for number in numbers:
                arguments = ", ".join(_argument(each, number) for each in types)
                try:
                    answer = repr(session.execute(f"SELECT {function}({arguments})".encode()).fetchall())
                except psycopg.Error as refused:
                    answer = str(refused)
                assert not re.search(told, answer.partition("LINE 1")[0]), (function, types, answer)


def _argument(data_type: str, number: int) -> str:
    is_number = data_type in ("oid", "regclass", "regtype", "regnamespace")
    return f"{number}::oid::{data_type}" if is_number else VALUES.get(data_type, f"NULL::{data_type}")


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


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT array_length(array_agg(repeat('x', 1000000) || g), 1) FROM generate_series(1, 900) AS g",
        "SELECT count(*) FROM (SELECT DISTINCT repeat('x', 1000000) || g FROM generate_series(1, 3000) AS g) AS z",
    ],
)
def test_it_has_no_more_of_the_machines_memory_than_a_session_may(scene: Scene, statement: str) -> None:
    with scene.mine.connect() as session:
        session.execute("SET work_mem = '64GB'")
        session.execute("SET statement_timeout = 0")
        with pytest.raises(psycopg.errors.OutOfMemory):
            session.execute(statement.encode())
        assert session.execute("SELECT 1").fetchone() == (1,)
    scene.theirs.connect().close()


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

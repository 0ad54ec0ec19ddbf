"""`audit.record`, as each service may call it, and what nobody may do beside it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from shared.audit import Action, Actor, ActorKind, Aspect, Asset, Draft, Entry, Outcome, canonical_entry, record
from shared.database import Database
from tests.integration.database import Postgres

pytestmark = pytest.mark.real
WRITERS = ["svc_auth", "svc_realms", "svc_devices", "svc_privileges", "svc_fleetdb", "svc_tunnels", "provisioner"]
LOGINS = [*WRITERS, "svc_audit"]
OWN = {
    "svc_auth": "account.created",
    "svc_realms": "project.created",
    "svc_devices": "device.created",
    "svc_privileges": "flag.given",
    "provisioner": "backend.provisioned",
    "svc_fleetdb": "data.read",
    "svc_tunnels": "tunnel.declared",
}
ACTOR: dict[str, Any] = {"kind": "person", "key": 5, "credential": None, "on_behalf_of": None}
ASSET: dict[str, Any] = {"kind": "device", "key": 7}
SOURCE: dict[str, Any] = {"session": None, "address": None, "request": None}
ARGUMENTS = ("action", "aspect", "actor", "asset", "project", "before", "after", "reason", "source", "outcome")
CALL = b"SELECT audit.record(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


@pytest.fixture(name="login", params=WRITERS)
def fixture_login(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="connection")
def fixture_connection(postgres: Postgres, login: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect(login) as connection:
        yield connection


def call(connection: psycopg.Connection[Any], action: str, **changes: Any) -> int:
    said: dict[str, Any] = {"aspect": "existence", "actor": ACTOR, "asset": ASSET, "source": SOURCE, "outcome": "done"}
    said = {"action": action, **said, **changes}
    values = [Jsonb(said[name]) if isinstance(said.get(name), dict | list) else said.get(name) for name in ARGUMENTS]
    row = connection.execute(CALL, values).fetchone()
    assert row is not None
    return int(row[0])


def count(postgres: Postgres) -> int:
    return int(postgres.rows("SELECT count(*) FROM audit.queue")[0][0])


# Recorded by the login that does it to the whole installation, and by no service.
OF_OPERATORS = {
    "installation.backed_up": "backup",
    "installation.drilled": "backup",
    "installation.restored": "postgres",
    "project.exported": "postgres",
    "project.imported": "postgres",
    "project.import_forgotten": "postgres",
    "person_keys.replaced": "postgres",
}


def test_the_tags_of_the_code_are_the_rows_of_the_table(postgres: Postgres) -> None:
    rows = dict(postgres.rows("SELECT tag, service FROM audit.action"))

    of_services = {tag for tag, service in rows.items() if service in LOGINS}
    assert of_services == {action.value for action in Action}
    assert {tag: service for tag, service in rows.items() if tag not in of_services} == OF_OPERATORS
    assert set(rows.values()) == {*LOGINS, *OF_OPERATORS.values()}


def test_each_service_may_use_its_own_tags_and_no_others(
    postgres: Postgres, connection: psycopg.Connection[Any], login: str
) -> None:
    for tag, service in postgres.rows("SELECT tag, service FROM audit.action"):
        if service == login:
            call(connection, tag)
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                call(connection, tag)

    assert {row[0] for row in postgres.rows("SELECT service FROM audit.queue")} == {login}


@pytest.mark.parametrize("action", ["device.exploded", "", "ACCOUNT.CREATED", None])
def test_given_an_unknown_tag_when_it_is_recorded_then_it_is_refused(
    postgres: Postgres, connection: psycopg.Connection[Any], action: Any
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        call(connection, action)

    assert count(postgres) == 0


def test_time_and_service_are_the_database_s_word(
    postgres: Postgres, connection: psycopg.Connection[Any], login: str
) -> None:
    before = postgres.rows("SELECT clock_timestamp()")[0][0]
    with connection.transaction():
        connection.execute("SET LOCAL timezone = 'Asia/Tokyo'")
        first = call(connection, OWN[login])
        second = call(connection, OWN[login])
    after = postgres.rows("SELECT clock_timestamp()")[0][0]

    rows = postgres.rows("SELECT id, recorded_at, service FROM audit.queue ORDER BY id")
    assert [(row[0], row[2]) for row in rows] == [(first, login), (second, login)]
    assert before < rows[0][1] < rows[1][1] < after


def test_a_rolled_back_change_leaves_nothing(
    postgres: Postgres, connection: psycopg.Connection[Any], login: str
) -> None:
    def change() -> None:
        with connection.transaction():
            call(connection, OWN[login])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()

    assert count(postgres) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM audit.queue",
        "SELECT count(*) FROM audit.queue",
        "INSERT INTO audit.queue (reason) VALUES ('x')",
        "UPDATE audit.queue SET reason = 'x'",
        "DELETE FROM audit.queue",
        "TRUNCATE audit.queue",
        "COPY audit.queue TO STDOUT",
        "SELECT * FROM audit.action",
        "INSERT INTO audit.action VALUES ('x', session_user)",
        "UPDATE audit.action SET service = session_user",
        "DELETE FROM audit.action",
        "TRUNCATE audit.action",
        "SELECT * FROM audit.migration",
        "SELECT nextval('audit.queue_id_seq')",
        "SELECT setval('audit.queue_id_seq', 1)",
        "ALTER TABLE audit.queue DISABLE TRIGGER ALL",
        "ALTER TABLE audit.queue ADD COLUMN x int",
        "DROP TABLE audit.queue",
        "CREATE TABLE audit.other ()",
        "CREATE FUNCTION audit.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)",
        "CREATE TEMP TABLE queue ()",
        "CREATE SCHEMA mine",
        "SET ROLE audit_owner",
        "SET SESSION AUTHORIZATION audit_owner",
        "SET session_replication_role = 'replica'",
        "GRANT svc_auth TO svc_devices",
    ],
)
def test_no_service_gets_past_the_function(
    postgres: Postgres, connection: psycopg.Connection[Any], login: str, statement: str
) -> None:
    call(connection, OWN[login])

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())

    assert count(postgres) == 1


def test_nobody_else_may_execute_it(postgres: Postgres) -> None:
    function = "'audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)'"
    may = postgres.rows(
        f"SELECT rolname, has_function_privilege(rolname, {function}, 'EXECUTE') FROM pg_roles"  # noqa: S608 - a constant
        " WHERE NOT rolsuper AND rolname NOT LIKE 'pg\\_%'"
    )
    public = postgres.rows(
        "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a WHERE p.proname = 'record' AND a.grantee = 0"
    )

    assert {name for name, has in may if has} == {*LOGINS, "audit_owner", "backup"}
    assert public == [(0,)]
    with postgres.connect("migrate") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        call(connection, "account.created")


@pytest.mark.parametrize("path", ["devices, realms, auth, public", "pg_temp", ""])
def test_a_search_path_of_the_caller_changes_nothing(
    postgres: Postgres, connection: psycopg.Connection[Any], login: str, path: str
) -> None:
    connection.execute("SELECT set_config('search_path', %s, false)", [path])

    call(connection, OWN[login])

    assert count(postgres) == 1
    row = postgres.rows(
        "SELECT proconfig, prosecdef FROM pg_proc WHERE proname = 'record' AND pronamespace = 'audit'::regnamespace"
    )
    assert row == [(["search_path=pg_catalog, pg_temp"], True)]


def test_given_objects_of_the_same_names_in_a_schema_of_an_attacker_when_it_is_recorded_then_they_are_not_used(
    postgres: Postgres,
) -> None:
    postgres.run(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;"
        "CREATE TABLE evil.queue (LIKE audit.queue); GRANT ALL ON evil.queue TO PUBLIC;"
        "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        " AS $$ SELECT timestamptz '2000-01-01' $$;"
        "CREATE FUNCTION evil.is_the_same(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;"
        "CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.is_the_same)"
    )
    try:
        with postgres.connect("svc_auth", options="-c search_path=evil,audit,pg_catalog") as connection:
            call(connection, "account.created")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                call(connection, "device.created")
        assert postgres.rows("SELECT count(*) FROM evil.queue") == [(0,)]
        moment = postgres.rows("SELECT recorded_at FROM audit.queue")[0][0]
        assert datetime.now(UTC) - moment < timedelta(minutes=5)  # noqa: TID251 - the database's clock is this machine's
    finally:
        postgres.run("DROP SCHEMA evil CASCADE")


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "x" * 4_097},
        {"before": {"x": "x" * 65_536}},
        {"after": {"x": "x" * 65_536}},
        {"source": {**SOURCE, "x": "x" * 8_192}},
        {"actor": {**ACTOR, "credential": "x" * 1_000_000}},
        {"actor": {**ACTOR, "more": "x" * 1_000_000}},
        {"asset": {**ASSET, "key": "x" * 1_000_000}},
        {"aspect": "x" * 1_000_000},
        {"before": [1]},
        {"actor": {"kind": "person", "key": 5}},
        {"actor": {**ACTOR, "kind": "ghost"}},
        {"actor": {**ACTOR, "kind": None}},
        {"actor": [1]},
        {"actor": None},
        {"asset": {"kind": "device"}},
        {"asset": {"kind": None, "key": 7}},
        {"asset": None},
        {"aspect": None},
        {"source": None},
        {"source": {}},
        {"after": {"number": 2**53}},
        {"after": {"deep": [{"number": -(10**400)}]}},
        {"before": {"number": 9007199254740992.5}},
        {"source": {"session": 2**60, "address": None, "request": None}},
        {"actor": {**ACTOR, "key": 2**53}},
        {"project": 2**53},
        {"project": 0},
        {"after": {"deep": json.loads("[" * 64 + "]" * 64)}},
        {"outcome": "perhaps"},
        {"outcome": None},
    ],
)
def test_given_unfit_or_oversized_values_when_they_are_recorded_then_they_are_refused(
    postgres: Postgres, changes: dict[str, Any]
) -> None:
    with postgres.connect("svc_auth") as connection, pytest.raises(psycopg.errors.IntegrityError):
        call(connection, "account.created", **changes)

    assert count(postgres) == 0


def test_values_up_to_the_bounds_are_taken(postgres: Postgres) -> None:
    with postgres.connect("svc_auth") as connection:
        call(connection, "account.created", reason="\u00e4" * 2_048, before={"x": "x" * 65_000}, after={})

    assert count(postgres) == 1


@pytest.mark.asyncio
async def test_a_draft_is_recorded_as_it_is_encoded(auth_database: Database, postgres: Postgres) -> None:
    draft = Draft(
        action=Action.ACCOUNT_CREATED,
        aspect=Aspect.EXISTENCE,
        actor=Actor(ActorKind.PERSON, 5, "key-1", 6),
        asset=Asset("account", 1),
        project_key=3,
        before={"name": "\u00e4", "number": 1.5},
        after={},
        reason="why",
        session=11,
        request_id="r",
        outcome=Outcome.REFUSED,
    )

    async with auth_database.transaction() as connection:
        await record(connection, draft)

    entry_id, recorded_at, service, *said = postgres.rows(
        "SELECT id, recorded_at, service, actor, asset, project, before, after, reason, source, outcome"
        " FROM audit.queue"
    )[0]
    octets = canonical_entry(Entry(entry_id, recorded_at, service, draft)).decode()
    assert said == [
        {"kind": "person", "key": 5, "credential": "key-1", "on_behalf_of": 6},
        {"kind": "account", "key": 1},
        3,
        {"name": "\u00e4", "number": 1.5},
        {},
        "why",
        {"session": 11, "address": None, "request": "r"},
        "refused",
    ]
    assert '"service":"svc_auth"' in octets
    assert f'"id":{entry_id},' in octets


def test_the_migrations_name_every_tag_once() -> None:
    folder = Path(__file__).parents[3] / "services/audit/migrations"
    text = "".join(path.read_text() for path in sorted(folder.glob("*.sql")))

    tags = re.findall(r"\('([a-z_.]+)', '(?:svc_[a-z]+|provisioner)'\)", text)

    assert sorted(tags) == sorted(action.value for action in Action)

"""Connections and transforms in a database that realms' provisioner made, by certificates of its authority."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import pytest
import pytest_asyncio
from attrs import define, evolve, field
from psycopg import sql

from services.fleetdb.connections import Connections
from services.fleetdb.errors import Refusal
from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.making import Making
from services.fleetdb.pools import ConnectionSettings
from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.records.logins import Certified
from services.fleetdb.records.transforms import Transform
from services.fleetdb.resealing import Resealing
from services.fleetdb.revealing import Revealing
from services.fleetdb.rules.queries import history_query
from services.fleetdb.rules.transforms import transforms_of
from services.fleetdb.secrets import Secrets
from services.fleetdb.store.transforms import kinds_of, view_make, view_refresh
from services.fleetdb.transforms import Transforms
from services.fleetdb.writing import Writing
from services.realms.provisioner.certificates import certificate_for
from shared.database import Database
from shared.templates import Template
from tests.harness.rights import KnownRights
from tests.integration.auth.material import masters
from tests.integration.database import Postgres
from tests.integration.fleetdb.templates import NOW, at, column, rows, template
from tests.integration.realms.provisioning import Provisioning
from tests.integration.realms.world import Others, Realms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
BACKENDS = (
    "SELECT backend_key, project_key, app_key, stage, database_name, schema_name, login_name, epoch"
    " FROM realms.backend JOIN realms.project_database USING (project_key) ORDER BY backend_key"
)
TEMPLATE = msgspec.convert(
    {
        "data": {
            "transforms": [
                {
                    "tablename": "doubled",
                    "columns": [{"id": "a", "dataType": "bigint"}],
                    "sql": "SELECT a * 2 AS a FROM measured",
                    "schedule": "* * * * *",
                    "materialize": True,
                }
            ]
        }
    },
    Template,
)


@define
class Certifying:
    """Stands for realms' procedures: certifies at once, and retires the old login at once."""

    provisioning: Provisioning
    told: list[int] = field(factory=list)

    async def certify(self, backend_key: int, epoch: int, public_key: str) -> Certified:
        """By the provisioner's own authority."""
        ((login,),) = self.provisioning.postgres.rows(
            "SELECT login_name FROM realms.backend WHERE backend_key = %s AND epoch = %s", backend_key, epoch
        )
        text, ends_at = certificate_for(self.provisioning.authority, login, public_key, self.provisioning.now)
        return Certified(text, ends_at)

    async def settled(self, backend_key: int, epoch: int) -> None:
        """Note it."""
        self.told.append(epoch)


def backends_of(postgres: Postgres) -> list[Backend]:
    """Those that realms has."""
    names = ("backend_key", "project_key", "app_key", "stage", "database", "schema", "login", "epoch")
    rest: dict[str, Any] = {"app_name": "press", "template": TEMPLATE, "providers": frozenset()}
    found: list[dict[str, Any]] = [{**dict(zip(names, row, strict=True)), **rest} for row in postgres.rows(BACKENDS)]
    return [Backend(**{**each, "stage": Stage(each["stage"])}) for each in found]


@pytest.fixture
def provisioning(postgres: Postgres) -> Provisioning:
    return Provisioning(postgres)


@pytest_asyncio.fixture
async def backends(realms_database: Database, provisioning: Provisioning, postgres: Postgres) -> list[Backend]:
    """Two of two projects."""
    rights = KnownRights()
    world = Realms(realms_database, rights, Others(rights))
    await world.project()
    await world.app("press")
    await world.install(app="press")
    await world.project("mill")
    await world.install("mill", "press")
    await provisioning.run()
    return backends_of(postgres)


@pytest_asyncio.fixture
async def connections(
    fleetdb_database: Database, keyring: Keyring, provisioning: Provisioning, postgres: Postgres
) -> AsyncIterator[Connections]:
    settings = ConnectionSettings("localhost", postgres.port, postgres.ca)
    logins = Logins(fleetdb_database, keyring, Certifying(provisioning), lambda: datetime.now(UTC))  # noqa: TID251
    opened = Connections(settings, logins)
    yield opened
    await opened.close()


async def who(connections: Connections, backend: Backend) -> tuple[Any, ...] | None:
    async with connections.connection(backend) as connection:
        cursor = await connection.execute("SELECT session_user::text, current_schema::text, current_database()::text")
        return await cursor.fetchone()


async def test_each_backend_is_worked_with_in_its_own_database(
    connections: Connections, backends: list[Backend]
) -> None:
    assert len({backend.database for backend in backends}) == 2
    for backend in backends:
        assert await who(connections, backend) == (backend.login, backend.schema, backend.database)


async def test_a_certificate_of_one_opens_no_database_of_another(
    connections: Connections, backends: list[Backend], postgres: Postgres
) -> None:
    one, other = backends
    async with connections.connection(one) as connection:
        given = connection.info.get_parameters()
    key = {"sslcert": given["sslcert"], "sslkey": given["sslkey"], "password": ""}

    for changes in ({"user": one.login, "dbname": other.database}, {"user": other.login, "dbname": other.database}):
        with pytest.raises(psycopg.OperationalError):
            postgres.connect(**key, **changes)


async def test_transforms_are_made_and_refreshed_there(connections: Connections, backends: list[Backend]) -> None:
    backend, transform = backends[0], transforms_of(TEMPLATE)["doubled"]
    async with connections.transaction(backend) as connection:
        await connection.execute("CREATE TABLE measured (a bigint)")
        await view_make(connection, backend.schema, transform)
        await connection.execute("INSERT INTO measured VALUES (21)")
        await view_refresh(connection, backend.schema, "doubled")

        assert await kinds_of(connection, backend.schema, ["doubled", "measured"]) == {"doubled": "m", "measured": "r"}
        assert await (await connection.execute("SELECT a FROM doubled")).fetchall() == [(42,)]


async def test_a_rotation_is_followed_without_a_lost_row(
    connections: Connections, backends: list[Backend], provisioning: Provisioning, postgres: Postgres
) -> None:
    backend = backends[0]
    async with connections.transaction(backend) as connection:
        await connection.execute("CREATE TABLE measured (a bigint)")
        await connection.execute("INSERT INTO measured VALUES (1)")
    postgres.run(
        "UPDATE realms.backend SET next_login_name = 'l_anotherlogin' WHERE backend_key = %s", backend.backend_key
    )
    postgres.run(
        "INSERT INTO realms.provision_job (kind, backend_key, account_key)"
        " SELECT 'rotate', backend_key, creator_account_key FROM realms.backend WHERE backend_key = %s",
        backend.backend_key,
    )
    await provisioning.run()
    assert provisioning.undone() == []
    newer = backends_of(postgres)[0]
    assert (newer.epoch, newer.login != backend.login) == (backend.epoch + 1, True)

    await connections.follow(newer)

    async with connections.connection(backend) as connection:
        cursor = await connection.execute("SELECT session_user::text, a FROM measured")
        assert await cursor.fetchall() == [(newer.login, 1)]
    assert evolve(backend, login=newer.login, epoch=newer.epoch) == newer


WHOLE = template(
    {
        "tablename": "accounts",
        "maintainLatestFlagFor": ["name"],
        "columns": [column("name", "string"), column("token", "string", secret=True), column("note", "string")],
    },
)


async def test_secrets_are_written_kept_revealed_and_sealed_anew_there(
    connections: Connections, backends: list[Backend], keyring: Keyring, fleetdb_database: Database, postgres: Postgres
) -> None:
    backend, secrets = evolve(backends[0], template=WHOLE), Secrets(keyring)
    writing, reading = Writing(connections, secrets), Reading(connections)
    table = (await Making(connections).make(backend)).tables["accounts"]

    async def write(*values: dict[str, Any]) -> list[Any]:
        return [each["token"] for each in await writing.append(backend, table, rows(table, list(values)))]

    async def tokens(using: Secrets) -> list[Any]:
        revealing = Revealing(reading, using, lambda: 0.0)
        query = history_query([{"limit": 100}])
        return [each["token"] for each in await revealing.reveal(backend, table, query, authid="a", role="app")]

    assert await write({"tsp": at(1), "name": "a", "token": "the first token"}) == ["__secret__"]
    assert await write({"tsp": at(2), "name": "a", "token": "__secret__", "note": "kept"}) == ["__secret__"]
    assert await write({"tsp": at(3), "name": "a", "note": "inherited"}, {"tsp": at(4), "name": "b"}) == [
        "__secret__",
        None,
    ]
    assert await tokens(secrets) == [None, "the first token", "the first token", "the first token"]
    for unresolvable in ("__secret__", "\u2022" * 8):
        with pytest.raises(Refusal) as refused:
            await write({"tsp": at(5), "token": unresolvable})
        assert refused.value.uri == "sys.dataservice.error.secret_sentinel_unresolvable"
    with pytest.raises(Refusal) as refused:
        await write({"tsp": at(6), "name": "a", "token": "ifsec:1:k:AAAA"})
    assert refused.value.uri == "sys.dataservice.error.secret_ciphertext_rejected"

    postgres.run("UPDATE fleetdb.data_key SET created_at = now() - interval '400 days'")
    newer = Secrets(Keyring(masters("m1"), fleetdb_database))
    assert await Resealing(fleetdb_database, connections, newer).reseal(backend, [table]) == 3
    postgres.run("DELETE FROM fleetdb.data_key WHERE created_at < now() - interval '300 days'")
    assert await tokens(Secrets(Keyring(masters("m1"), fleetdb_database))) == [
        None,
        "the first token",
        "the first token",
        "the first token",
    ]
    with postgres.connect(dbname=backend.database) as superuser:
        stored = superuser.execute(
            sql.SQL("SELECT a::text FROM {} AS a").format(sql.Identifier(backend.schema, "accounts"))
        )
        assert "the first token" not in str(stored.fetchall())


async def test_a_release_with_transforms_is_made_and_published_there(
    connections: Connections, backends: list[Backend], fleetdb_database: Database
) -> None:
    asked = {
        "tablename": "notes",
        "columns": [{"id": "note", "dataType": "string"}],
        "sql": "SELECT note, token FROM accounts ORDER BY tsp",
        "schedule": "* * * * *",
        "materialize": False,
    }
    transforms = msgspec.convert({"data": {"transforms": [asked]}}, Template).data.transforms
    backend = evolve(backends[0], template=Template(data=msgspec.structs.replace(WHOLE.data, transforms=transforms)))
    table = (await Making(connections).make(backend)).tables["accounts"]
    told: list[Any] = []

    class Telling:
        async def rows(self, _: Backend, transform: Transform, found: list[dict[str, Any]]) -> None:
            told.append((transform.name, found))

        async def problem(self, _: Backend, name: str, message: str) -> None:
            told.append((name, message))

    made = Transforms(fleetdb_database, connections, Reading(connections), Telling())
    await made.make(backend)
    values = [{"tsp": at(1), "name": "a", "note": "first"}]
    await Writing(connections).append(backend, table, rows(table, values))

    made.look(lambda: [backend], NOW)
    await made.settle()

    assert told == [("notes", [{"note": "first", "token": None}])]

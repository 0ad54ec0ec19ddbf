"""Direct SQL put together as the service has it: a person's key, a real backend, a real client, the audit log."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql

from services.fleetdb.records.backends import Backend
from services.fleetdb.settings import ClusterSettings, FleetdbSettings
from services.fleetdb.sql_assembly import Surroundings, sql_front
from services.fleetdb.sql_front import SqlFront
from shared.clusters import Clusters
from shared.database import Database
from shared.flags import AssetKind
from tests.harness.rights import KnownRights
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.fleetdb.certified import Certifier
from tests.integration.fleetdb.plain import CERTIFIED, Plain
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ANNA = 5


class Others:
    """Auth and realms, as fleetdb asks them."""

    def __init__(self, authority: Certifier, login: str) -> None:
        self.authority = authority
        self.login = login

    async def call(self, procedure: str, **named: Any) -> Any:
        if procedure == "ironflock.auth.ticket.verify":
            found = {"account_key": ANNA, "credential": "key 1", "scopes": ["read"], "ends_at": 4e9}
            return found if named["ticket"] == "annas-key" else None
        if procedure == "ironflock.realms.project.resolve":
            return {"project_key": named["project"]}
        assert procedure == "ironflock.realms.backend.admit"
        key = serialization.load_pem_public_key(named["public_key"].encode())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        ends_at = (self.authority.now + dt.timedelta(days=30)).isoformat()
        return {"login": self.login, "certificate": self.authority.sign(self.login, key), "ends_at": ends_at}


@pytest.fixture(name="reader")
def fixture_reader(plain: Plain, make_backend: Callable[..., Backend]) -> Backend:
    """A backend with one row in one table, which is reached through its own login here."""
    backend = make_backend(group=CERTIFIED)
    with plain.connect() as connection:
        names = {"schema": sql.Identifier(backend.schema), "login": sql.Identifier(backend.login)}
        for statement in (
            "CREATE TABLE {schema}.weather (degrees numeric)",
            "INSERT INTO {schema}.weather VALUES (20.5)",
            "ALTER ROLE {login} RESET role",
            "GRANT USAGE ON SCHEMA {schema} TO {login}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {login}",
        ):
            connection.execute(sql.SQL(statement).format(**names))
    return backend


@pytest.fixture(name="rights")
def fixture_rights(reader: Backend) -> KnownRights:
    rights = KnownRights()
    rights.give(ANNA, reader.project_key, AssetKind.DATA_BACKEND, reader.backend_key, "READ", "CONNECT")
    return rights


@pytest.fixture(name="settings")
def fixture_settings(server: Postgres, tmp_path: Path) -> FleetdbSettings:
    files = make_certificates(tmp_path)
    common = SimpleNamespace(certificate=files.certificate, key=files.key)
    cluster = ClusterSettings("localhost", server.port, server.ca, 10, Clusters(None))
    return cast("FleetdbSettings", SimpleNamespace(cluster=cluster, common=common))


@pytest_asyncio.fixture(name="front")
async def fixture_front(
    fleetdb_database: Database, reader: Backend, authority: Certifier, rights: KnownRights, settings: FleetdbSettings
) -> AsyncIterator[SqlFront]:
    others, realms = Others(authority, reader.login), SimpleNamespace(backends=[reader])
    around = Surroundings(cast("Any", others), fleetdb_database, rights, cast("Any", realms), lambda: authority.now)
    front = sql_front(around, settings)
    await front.listen("127.0.0.1", 0)
    try:
        yield front
    finally:
        await front.stop()


def address(front: SqlFront, reader: Backend, folder: Path, password: str) -> dict[str, Any]:
    return {
        "host": "localhost", "hostaddr": "127.0.0.1", "port": front.port, "dbname": reader.realm, "user": "anna",
        "password": password, "sslmode": "verify-full", "sslrootcert": str(folder / "ca.pem"), "connect_timeout": 5,
        "autocommit": True,
    }  # fmt: skip


async def test_a_person_reads_by_their_key_and_it_is_in_the_log(
    front: SqlFront, reader: Backend, postgres: Postgres, tmp_path: Path
) -> None:
    async with await psycopg.AsyncConnection.connect(**address(front, reader, tmp_path, "annas-key")) as connection:
        row = await (await connection.execute("SELECT degrees FROM weather")).fetchone()

    assert row is not None
    assert str(row[0]) == "20.5"

    async def is_logged() -> bool:
        return [action for action, _ in postgres.audited()] == ["sql.opened", "sql.asked", "sql.closed"]

    await eventually(is_logged, 5, "it is in the log")


async def test_a_wrong_key_leaves_nothing(front: SqlFront, reader: Backend, postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="opens nothing"):
        await psycopg.AsyncConnection.connect(**address(front, reader, tmp_path, "another"))

    assert postgres.audited() == []


async def test_when_the_right_is_taken_a_running_statement_is_cut_within_seconds(
    front: SqlFront, reader: Backend, rights: KnownRights, tmp_path: Path
) -> None:
    async with await psycopg.AsyncConnection.connect(**address(front, reader, tmp_path, "annas-key")) as connection:
        running = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await asyncio.wait([running], timeout=0.2)
        rights.lose(ANNA, next(iter(rights.known(ANNA))))

        with pytest.raises(psycopg.OperationalError, match="there is no such data backend"):
            await asyncio.wait_for(running, 10)

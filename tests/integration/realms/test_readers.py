"""People who read a data backend by SQL have a login of their own there, which reads and does nothing else."""

import asyncio
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from services.realms.backends import Backends
from services.realms.readers import Readers
from services.realms.records.readers import AdmitReader, Reader
from services.realms.store.readers import reader_ensure
from shared.database import Database
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Countdown, KilledError, Login, Provisioning, new_key, pem_of
from tests.integration.realms.world import Realms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ANNA, BERT = 5, 6
TABLE = "CREATE TABLE measurements (tsp timestamptz, value bigint)"


@pytest.fixture(name="provisioning")
def fixture_provisioning(postgres: Postgres) -> Provisioning:
    return Provisioning(postgres)


class Site:
    """Backends of apps in one project, and those who read them."""

    def __init__(self, world: Realms, database: Database, provisioning: Provisioning, folder: Path) -> None:
        self.world = world
        self.provisioning = provisioning
        self.folder = folder
        self.database = database
        self.readers = Readers(database, Backends(database))

    async def backends(self, *apps: str) -> list[int]:
        """Their keys."""
        await self.world.project()
        for name in apps:
            await self.world.app(name)
            await self.world.install(app=name)
        await self.provisioning.run()
        return self.keys()

    def keys(self) -> list[int]:
        rows = self.provisioning.postgres.rows("SELECT backend_key FROM realms.backend ORDER BY backend_key")
        return [row[0] for row in rows]

    async def admit(self, backend_key: int, account_key: int = ANNA, public_key: str | None = None) -> Reader:
        asked = AdmitReader(backend_key, account_key, public_key or pem_of(new_key()))
        admitted = asyncio.create_task(self.readers.admit(asked))
        while not admitted.done():
            await self.provisioning.run()
            await asyncio.wait([admitted], timeout=0.05)
        return await admitted

    async def killed_after(self, backend_key: int, statements: int) -> None:
        """Somebody is to be admitted, and the provisioner is killed after so many statements."""
        job = (
            "INSERT INTO realms.provision_job (kind, backend_key, account_key, public_key) VALUES ('admit', %s, %s, %s)"
        )
        await self.database.run(
            lambda connection: reader_ensure(connection, backend_key, 100 + statements, f"r_{'a' * statements}")
        )
        self.provisioning.postgres.run(job, backend_key, 100 + statements, pem_of(new_key()))
        with suppress(KilledError):
            await self.provisioning.run(Countdown(statements))
        await self.provisioning.run()
        assert self.provisioning.undone() == []

    async def login(self, backend_key: int, account_key: int = ANNA) -> Login:
        """The person's, once it is admitted."""
        reader = await self.admit(backend_key, account_key)
        ((database,),) = self.provisioning.postgres.rows(
            "SELECT database_name FROM realms.backend JOIN realms.project_database USING (project_key)"
            " WHERE backend_key = %s",
            backend_key,
        )
        return Login(self.provisioning, self.folder, database, reader.login)

    def own(self, backend_key: int) -> Login:
        return Login.of(self.provisioning, self.folder, backend_key)


@pytest.fixture(name="site")
def fixture_site(world: Realms, realms_database: Database, provisioning: Provisioning, tmp_path: Path) -> Site:
    return Site(world, realms_database, provisioning, tmp_path)


async def test_a_reader_sees_what_is_there_and_what_comes_later(site: Site) -> None:
    [key] = await site.backends("press")
    with site.own(key).connect() as app:
        app.execute(TABLE.encode())
        app.execute("INSERT INTO measurements VALUES (now(), 7)")
        login = await site.login(key)
        app.execute("CREATE VIEW doubled AS SELECT 2 * value AS value FROM measurements")
        app.execute("CREATE TABLE later (a int)")

    with login.connect() as session:
        assert session.execute("SELECT value FROM measurements").fetchone() == (7,)
        assert session.execute("SELECT value FROM doubled").fetchone() == (14,)
        assert session.execute("SELECT count(*) FROM later").fetchone() == (0,)


CHANGES = (
    "INSERT INTO measurements VALUES (now(), 1)",
    "UPDATE measurements SET value = 0",
    "DELETE FROM measurements",
    "TRUNCATE measurements",
    "DROP TABLE measurements",
    "DO 'BEGIN LOCK TABLE measurements IN EXCLUSIVE MODE; END'",
    "CREATE TABLE mine (a int)",
    "CREATE TEMP TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT lo_create(0)",
    "ALTER ROLE CURRENT_USER CREATEDB",
)


async def test_a_reader_changes_nothing_whatever_it_sets(site: Site) -> None:
    [key] = await site.backends("press")
    with site.own(key).connect() as app:
        app.execute(TABLE.encode())
    login = await site.login(key)

    with login.connect() as session:
        session.execute("SET default_transaction_read_only = off")
        ends: dict[str, str | None] = {}
        for statement in CHANGES:
            try:
                session.execute(statement.encode())
            except psycopg.Error as error:
                ends[statement] = error.sqlstate

    assert ends == dict.fromkeys(CHANGES, "42501")


async def test_a_reader_reads_one_backend_alone(site: Site) -> None:
    first, second = await site.backends("press", "saw")
    with site.own(second).connect() as app:
        app.execute(TABLE.encode())
    login = await site.login(first)
    ((schema, owner),) = site.provisioning.postgres.rows(
        "SELECT schema_name, owner_name FROM realms.backend WHERE backend_key = %s", second
    )

    for other in ("ironflock", "postgres", "template1", "ironflock_project"):
        assert not login.opens(dbname=other)
    with login.connect() as session:
        for statement in (f"SELECT FROM {schema}.measurements", f"SET ROLE {owner}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement.encode())


async def test_each_person_has_a_login_of_their_own_and_keeps_it(site: Site) -> None:
    [key] = await site.backends("press")

    annas, berts = (await site.admit(key, ANNA)).login, (await site.admit(key, BERT)).login

    assert annas != berts
    assert (await site.admit(key, ANNA)).login == annas


async def test_the_provisioner_keeps_nothing_of_what_it_needed_for_it(site: Site) -> None:
    [key] = await site.backends("press")
    await site.login(key)

    ((owner,),) = site.provisioning.postgres.rows("SELECT owner_name FROM realms.backend")
    can_set = "SELECT pg_has_role('provisioner', %s, 'SET'), pg_has_role('provisioner', %s, 'USAGE')"
    assert site.provisioning.postgres.rows(can_set, owner, owner) == [(False, False)]


async def test_uninstalling_closes_readers_too_and_installing_again_lets_them_be_admitted(site: Site) -> None:
    [key] = await site.backends("press")
    login = await site.login(key)
    session = login.connect()

    await site.world.uninstall()
    await site.provisioning.run()

    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    assert not login.opens()
    with pytest.raises(NotFoundError):
        await site.admit(key)
    await site.world.install()
    await site.provisioning.run()
    assert not login.opens()
    assert (await site.login(key)).opens()


async def test_a_backend_that_is_not_ready_admits_nobody(site: Site) -> None:
    await site.world.project()
    await site.world.app("press")
    await site.world.install(app="press")
    [key] = site.keys()

    with pytest.raises(ConflictError):
        await site.readers.admit(AdmitReader(key, ANNA, pem_of(new_key())))


@pytest.mark.parametrize("public_key", ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
async def test_what_is_no_public_key_is_refused(site: Site, public_key: str) -> None:
    [key] = await site.backends("press")

    with pytest.raises(InvalidArgumentError):
        await site.readers.admit(AdmitReader(key, ANNA, public_key))

    assert site.provisioning.postgres.rows("SELECT FROM realms.reader") == []


async def test_a_provisioner_that_is_killed_at_any_step_is_made_good_by_the_next(site: Site) -> None:
    """Whatever it had done, what follows is the same."""
    [key] = await site.backends("press")
    with site.own(key).connect() as app:
        app.execute(TABLE.encode())
    for statements in range(1, 30):
        await site.killed_after(key, statements)

    with (await site.login(key)).connect() as session:
        assert session.execute("SELECT count(*) FROM measurements").fetchone() == (0,)

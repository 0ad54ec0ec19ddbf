"""Data backends as realms provisions them, made by the superuser; their logins have passwords instead of certificates.

One database for all tests of a run; each backend is a schema, an owner and a login of its own in it.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final, LiteralString

import psycopg
from attrs import evolve, field, frozen
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from services.fleetdb.records.backends import Backend, Stage
from shared.database import Connection
from shared.templates import Template
from tests.integration.database import Postgres

GROUP: Final = "plain_login"
CERTIFIED: Final = "certified_login"
PROJECT_KEY: Final = 7
APP_KEY: Final = 26
LOGIN: Final[tuple[LiteralString, ...]] = (
    "CREATE ROLE {login} LOGIN NOINHERIT CONNECTION LIMIT 8 PASSWORD {password}",
    "GRANT {owner} TO {login} WITH INHERIT FALSE, SET TRUE",
    "GRANT {group} TO {login} WITH INHERIT FALSE, SET FALSE",
    "GRANT CONNECT ON DATABASE {database} TO {login}",
    "ALTER ROLE {login} SET role = {owner_text}",
    "ALTER ROLE {login} SET search_path = {schema}",
    "ALTER ROLE {login} SET statement_timeout = '30s'",
)
_keys = count(1)


@frozen
class Plain:
    """A database in which backends are made, and the password of them all."""

    server: Postgres
    database: str
    password: str = field(repr=False)

    def make(self, template: Template | None = None, group: str = GROUP, **changes: Any) -> Backend:
        """A new backend with no table in it; `changes` are fields of it, `group` says how its login comes in."""
        letters = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(16))
        made: dict[str, Any] = {
            "backend_key": next(_keys),
            "project_key": PROJECT_KEY,
            "app_key": APP_KEY,
            "app_name": "weather",
            "stage": Stage.DEV,
            "database": self.database,
            "schema": f"s_{letters}",
            "login": f"l_{letters}",
            "epoch": 1,
            "template": template,
            "providers": frozenset[str](),
            **changes,
        }
        backend = Backend(**made)
        with self.connect() as connection:
            for statement in _made(backend, f"o_{letters}"):
                connection.execute(statement)
            self.add_login(connection, backend, group)
        return backend

    def rotate(self, backend: Backend) -> Backend:
        """The same backend with a second login, which is let in as certified ones are."""
        newer = evolve(backend, login=f"{backend.login}x", epoch=backend.epoch + 1)
        with self.connect() as connection:
            self.add_login(connection, newer, CERTIFIED)
        return newer

    def add_login(self, connection: psycopg.Connection[Any], backend: Backend, group: str) -> None:
        """Make the backend's login."""
        names = {name: sql.Identifier(getattr(backend, name)) for name in ("database", "schema", "login")}
        owner = f"o_{backend.schema[2:]}"
        for statement in LOGIN:
            connection.execute(
                sql.SQL(statement).format(
                    **names,
                    owner=sql.Identifier(owner),
                    owner_text=sql.Literal(owner),
                    group=sql.Identifier(group),
                    password=sql.Literal(self.password),
                )
            )

    def remove(self, backend: Backend) -> None:
        """Drop what `make` made and whatever is in it."""
        owner, first = f"o_{backend.schema[2:]}", f"l_{backend.schema[2:]}"
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(backend.schema)))
            logins = connection.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [first])
            for role in [*(login for (login,) in logins.fetchall()), owner]:
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    def connect(self) -> psycopg.Connection[Any]:
        """The superuser in the backends' database, which commits each statement."""
        return self.server.connect(dbname=self.database)


def _made(backend: Backend, owner: str) -> list[sql.Composed]:
    names = {"schema": sql.Identifier(backend.schema), "owner": sql.Identifier(owner)}
    statements: tuple[LiteralString, ...] = (
        "CREATE ROLE {owner} NOLOGIN",
        "CREATE SCHEMA {schema}",
        "GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner}",
    )
    return [sql.SQL(statement).format(**names) for statement in statements]


class PlainConnections:
    """`connections.Connections` with passwords: a pool for each backend, under the backend's own login."""

    def __init__(self, plain: Plain) -> None:
        """Connect to what `plain` made; nothing is open yet."""
        self._plain = plain
        self._pools: dict[str, AsyncConnectionPool] = {}

    @asynccontextmanager
    async def connection(self, backend: Backend) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction by itself."""
        pool = self._pools.get(backend.login)
        if pool is None:
            pool = self._pools[backend.login] = self._pool(backend)
        await pool.open(wait=False)
        async with pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self, backend: Backend) -> AsyncIterator[Connection]:
        """A connection inside one transaction; not in pipeline mode, in which there is no COPY."""
        async with self.connection(backend) as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Close whatever was opened."""
        for pool in self._pools.values():
            await pool.close(timeout=5.0)

    def _pool(self, backend: Backend) -> AsyncConnectionPool:
        settings = self._plain.server.settings("postgres")
        arguments: dict[str, Any] = {
            "host": settings.host,
            "port": settings.port,
            "dbname": backend.database,
            "user": backend.login,
            "password": self._plain.password,
            "sslmode": "verify-full",
            "sslrootcert": str(settings.ca),
            "autocommit": True,
        }
        return AsyncConnectionPool(kwargs=arguments, min_size=0, max_size=4, timeout=5.0, open=False)


def begin(server: Postgres) -> Plain:
    """Make the database, and let the logins of its backends in by password."""
    rules = server.folder / "state" / "postgres" / "pg_hba.conf"
    database, password = "d_plainplainplain", secrets.token_hex(16)
    server.run(f"CREATE ROLE {GROUP} NOLOGIN")
    server.run(f"CREATE ROLE {CERTIFIED} NOLOGIN")
    # As realms makes them: without the catalogs, which tell of others.
    server.run(f"CREATE DATABASE {database} TEMPLATE ironflock_project")
    server.run(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    ours = ((GROUP, "scram-sha-256"), (CERTIFIED, "cert"))
    lines = (f"hostssl {database} +{group} 127.0.0.1/32 {method}\n" for group, method in ours)
    rules.write_text("".join(lines) + rules.read_text())
    server.run("SELECT pg_reload_conf()")
    return Plain(server, database, password)

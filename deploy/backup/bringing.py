"""Every database server of a chain, brought to its one moment beside everything that runs."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen

from deploy.backup.chains import Chain, Line
from deploy.backup.materialising import Source, materialise
from deploy.backup.scratch import Scratch, Server, recovered
from deploy.local.files import CROSSED_FOLDER, PRIVATE_FOLDER, Account, ensure_folder
from shared.clusters import FIRST

_BACKENDS: Final = (
    "SELECT c.name, b.schema_name, b.login_name, d.database_name FROM realms.backend b"
    " JOIN realms.project_database d USING (project_key) JOIN realms.cluster c ON c.cluster_key = b.cluster_key"
    " WHERE b.state = 'ready' ORDER BY b.backend_key"
)


@frozen
class Bringing:
    """What is brought back, by which programs and user; `folder` has room for it.

    `point`: to which moment (Unix seconds) where there is one server alone; None: to the end of its log.
    """

    source: Source
    chain: Chain
    folder: Path
    program: Path
    account: Account | None
    point: float | None

    def folder_of(self, server: str) -> Path:
        """Where the cluster of that server comes, in `data`."""
        return self.folder if server == FIRST else self.folder / server

    def materialise(self, line: Line) -> None:
        """Have its cluster and log there. Errors as `materialising.materialise`."""
        mode = PRIVATE_FOLDER if self.account is None else CROSSED_FOLDER
        ensure_folder(self.folder_of(line.server), mode=mode)
        materialise(self.source, line, self.folder_of(line.server), self.program, self.account)

    @contextlib.contextmanager
    def recovered(self, lines: Sequence[Line]) -> Iterator[dict[str, Server]]:
        """A server for each of `lines`, by its name, ended with the block. Errors as `scratch.recovered`."""
        target = self.chain.target if self.point is None else self.point
        words = None if target is None else moment_words(target)
        with contextlib.ExitStack() as stack:
            scratches = {
                line.server: Scratch(self.folder_of(line.server), self.program, self.account, words, line.through)
                for line in lines
            }
            yield {name: stack.enter_context(recovered(scratch)) for name, scratch in scratches.items()}


def look_for_backends(connection: psycopg.Connection[Any], servers: Mapping[str, Server]) -> tuple[int, list[str]]:
    """How many data backends there are, and what each lacks on its server: its database, its login, its schema.

    Args:
        connection: To the control database, which says on which server each is.
    """
    found = connection.execute(_BACKENDS.encode()).fetchall()
    failures = [
        failure
        for name in sorted({row[0] for row in found})
        for failure in _lacking(servers.get(name), name, [row[1:] for row in found if row[0] == name])
    ]
    return len(found), failures


def _lacking(server: Server | None, name: str, backends: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    where = "" if name == FIRST else f" on the database server {name}"
    if server is None:
        yield f"{len(backends)} data backends are{where}, which is not there"
        return
    with server.connect("postgres") as connection:
        logins = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin").fetchall()}
        databases = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
    for schema, login, database in backends:
        if login not in logins:
            yield f"the login {login} of a data backend is not there{where}"
        if database not in databases:
            yield f"the database {database} of a project is not there{where}"
        elif not _has_schema(server, database, schema):
            yield f"the schema {schema} of a data backend is not there{where}"


def _has_schema(server: Server, database: str, schema: str) -> bool:
    with server.connect(database) as connection:
        query = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"
        return connection.execute(query, [schema]).fetchone() is not None


def moment_words(point: float) -> str:
    """A moment in Unix seconds as `recovery_target_time` takes it."""
    return dt.datetime.fromtimestamp(point, dt.UTC).isoformat(sep=" ")

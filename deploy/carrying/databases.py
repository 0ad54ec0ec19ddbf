"""The servers that a project is taken out of, or brought into: by the superuser, who alone reads all of it."""

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

import psycopg
from attrs import field, frozen

from deploy.backup.errors import BackupError
from deploy.backup.scratch import Server as ScratchServer
from deploy.local.bootstrap import SUPERUSER, Server, connect
from deploy.local.records import read_record
from deploy.local.state import StateFolder
from shared.clusters import FIRST, Clusters
from shared.errors import UnavailableError


class Databases(Protocol):
    """Connections to the databases of an installation's servers."""

    def connect(self, database: str, server: str = FIRST) -> psycopg.Connection[Any]:
        """The superuser in `database` on the server of that name; each statement commits."""


@frozen
class Living:
    """The servers of a platform that runs, by name."""

    servers: Mapping[str, Server] = field(repr=False)

    def connect(self, database: str, server: str = FIRST) -> psycopg.Connection[Any]:
        """As `Databases` has it.

        Raises:
            BackupError: The server does not answer: the platform is to run. Or the state folder does not know it.
        """
        if server not in self.servers:
            raise BackupError(f"the state folder does not know where the database server {server} is")
        try:
            return connect(self.servers[server], database)
        except psycopg.OperationalError as error:
            raise BackupError(f"the database cannot be asked, start the platform: {str(error).strip()}") from error


@frozen
class Scratched:
    """Servers over restored clusters, by name, which end with the block that they were made for."""

    servers: Mapping[str, ScratchServer]

    def connect(self, database: str, server: str = FIRST) -> psycopg.Connection[Any]:
        """As `Databases` has it.

        Raises:
            BackupError: That server was not brought back.
        """
        if server not in self.servers:
            raise BackupError(f"the backups have nothing of the database server {server}")
        return self.servers[server].connect(database)


def living(state: StateFolder) -> Living:
    """The servers of the platform in `state`.

    Raises:
        BackupError: There is none yet.
    """
    try:
        password = (state.database_secrets / SUPERUSER).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BackupError(f"there is no installation in {state.root}") from error
    port = read_record(state.processes).ports.postgres
    return Living({FIRST: Server(port, state.ca_certificate, password), **_others(state)})


def _others(state: StateFolder) -> dict[str, Server]:
    """The servers beside the first whose superuser's password is in the state folder."""
    found: dict[str, Server] = {}
    clusters = Clusters(state.clusters)
    for name in clusters.names():
        with contextlib.suppress(OSError, UnavailableError):
            password = (state.database_secrets_of(name) / SUPERUSER).read_text(encoding="utf-8").strip()
            where = clusters.find(name)
            found[name] = Server(where.port, where.ca, password, where.host)
    return found

"""The server that a project is taken out of, or brought into: by the superuser, who alone reads all of it."""

from typing import Any, Protocol

import psycopg
from attrs import field, frozen

from deploy.backup.errors import BackupError
from deploy.backup.scratch import Server as ScratchServer
from deploy.local.bootstrap import SUPERUSER, Server, connect
from deploy.local.records import read_record
from deploy.local.settings import Ports
from deploy.local.state import StateFolder


class Databases(Protocol):
    """Connections to the databases of one server."""

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """The superuser in `database`; each statement commits."""


@frozen
class Living:
    """The server of a platform that runs."""

    server: Server = field(repr=False)

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """As `Databases` has it.

        Raises:
            BackupError: The server does not answer: the platform is to run.
        """
        try:
            return connect(self.server, database)
        except psycopg.OperationalError as error:
            raise BackupError(f"the database cannot be asked, start the platform: {str(error).strip()}") from error


@frozen
class Scratched:
    """A server over a restored cluster, which ends with the block that it was made for."""

    server: ScratchServer

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """As `Databases` has it."""
        return self.server.connect(database)


def living(state: StateFolder) -> Living:
    """The server of the platform in `state`.

    Raises:
        BackupError: There is none yet.
    """
    try:
        password = (state.database_secrets / SUPERUSER).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BackupError(f"there is no installation in {state.root}") from error
    port = Ports(read_record(state.processes).port_base).postgres
    return Living(Server(port, state.ca_certificate, password))

"""The database servers of an installation, to whoever backs them up: those that its state folder knows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import field, frozen

from deploy.backup.errors import BackupError
from deploy.backup.manifest import Kind
from deploy.backup.tools import Tools, tools_of
from deploy.local.state import StateFolder
from shared.clusters import FIRST, Clusters

_ABOUT: Final = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text,"
    " ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int,"
    " current_setting('server_version_num')::int,"
    " (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')"
)
_IN_USE: Final = (
    "SELECT c.name FROM realms.cluster c WHERE c.forgotten_at IS NULL AND EXISTS (SELECT FROM realms.backend b"
    " WHERE b.cluster_key = c.cluster_key AND b.state <> 'dropped') ORDER BY c.cluster_key"
)
KEPT_MANIFEST: Final = "backup-manifest"


@frozen
class About:
    """What a manifest says of a server: which cluster, and of what kind its log is."""

    system_identifier: str
    timeline: int
    server_version: int
    segment_octets: int


@frozen
class Server:
    """One that was reached; `folder` has what is kept of its backups: the spool, and what the next one goes on from."""

    name: str
    folder: Path
    tools: Tools
    connection: psycopg.Connection[Any] = field(repr=False)

    @property
    def kept_manifest(self) -> Path:
        """PostgreSQL's list of what the newest backup has, for the next; not there where that is to be a whole one."""
        return self.folder / KEPT_MANIFEST

    def about(self) -> About:
        """What it says of itself."""
        row = self.connection.execute(_ABOUT.encode()).fetchone()
        if row is None:
            raise psycopg.DataError("a query of one row had none")
        return About(*row)

    def kind(self, *, goes_on: bool) -> Kind:
        """Of which kind its next backup is; it is what changed where that `goes_on` from the newest there is."""
        return Kind.INCREMENTAL if goes_on and self.kept_manifest.exists() else Kind.FULL


def known_names(state: StateFolder) -> tuple[str, ...]:
    """The servers that the state folder knows, the first one first."""
    return (FIRST, *Clusters(state.clusters).names())


@contextlib.contextmanager
def reached(state: StateFolder, *, is_partial: bool = False) -> Iterator[tuple[tuple[Server, ...], tuple[str, ...]]]:
    """Every server that has data of projects, and the names of those that could not be reached, where that may be.

    Raises:
        BackupError: One cannot be asked, and without it would not be a whole backup.
    """
    found, absent = list[Server](), dict[str, str]()
    with contextlib.ExitStack() as stack:
        for name in known_names(state):
            try:
                tools = tools_of(state, name)
                connection = stack.enter_context(tools.connect())
                found.append(Server(name, state.postgres_of(name), tools, connection))
            except (psycopg.Error, BackupError) as error:
                absent[name] = " ".join(str(error).split())  # libpq's texts have lines
        if FIRST in absent:
            raise BackupError(f"the database cannot be asked: {absent[FIRST]}")
        first = found[0].connection
        forgotten = _forgotten(first)
        found = [server for server in found if server.name not in forgotten]
        absent = {name: why for name, why in absent.items() if name not in forgotten}
        absent |= _unknown(first, {server.name for server in found} | absent.keys())
        if absent and not is_partial:
            told = "; ".join(f"{name}: {why}" for name, why in absent.items())
            raise BackupError(f"a database server cannot be asked ({told}): mend that, or say --partial")
        try:
            yield tuple(found), tuple(absent)
        except psycopg.Error as error:
            raise BackupError(f"the database cannot be asked: {str(error).strip()}") from error


def _forgotten(connection: psycopg.Connection[Any]) -> set[str]:
    """Servers that were given up for good: nobody misses them."""
    query = "SELECT name FROM realms.cluster WHERE forgotten_at IS NOT NULL"
    return {row[0] for row in connection.execute(query).fetchall()}


def _unknown(connection: psycopg.Connection[Any], known: set[str]) -> dict[str, str]:
    """Servers that have data of projects, and of which the state folder does not know where they are."""
    names = [row[0] for row in connection.execute(_IN_USE.encode()).fetchall()]
    return {name: "the state folder does not know where it is" for name in names if name not in known}

"""One project out of a backup, beside those that live: the cluster as it was then, on a server of its own for a while.

What was revoked since stays so: of people's rights nothing comes, secrets of devices neither.
"""

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Final

import pyrage
from attrs import frozen
from psycopg import sql

from deploy.backup.bringing import Bringing
from deploy.backup.chains import chain_for
from deploy.backup.leftovers import REVIVING
from deploy.backup.locking import held
from deploy.backup.manifest import manifests
from deploy.backup.materialising import Source, put_files, workshop
from deploy.backup.scratch import Server
from deploy.backup.signing import signer_of
from deploy.backup.tools import find_program
from deploy.carrying.databases import Living, Scratched, living
from deploy.carrying.exporting import Exporting, export
from deploy.carrying.importing import Imported, Wanted, bring_in
from deploy.carrying.manifest import Carried
from deploy.local.files import Account
from deploy.local.processes import DATABASE_NAME
from deploy.local.state import StateFolder
from shared.clusters import FIRST
from shared.tlog.note import VerifierKey

ELSEWHERE: Final = (
    "SELECT DISTINCT c.name FROM realms.project p JOIN realms.backend b USING (project_key)"
    " JOIN realms.cluster c ON c.cluster_key = b.cluster_key WHERE p.{} = %s AND b.state = 'ready'"
)
OWNER: Final = (
    "SELECT a.login_name FROM realms.project p JOIN auth.account a ON a.account_key = p.owner_account_key"
    " WHERE p.project_key = %s AND a.state = 'active'"
)


@frozen
class Reviving:
    """Which project, out of which backups, as of which moment (the newest: None), for whom, and as whom it is run.

    `cluster`: the database server that it comes to. `without` are names of those whose backups are not looked at.
    """

    project: int | str
    source: Source
    keys: tuple[VerifierKey, ...]
    point: float | None
    owner: str | None
    account: Account | None
    now: float
    cluster: str = FIRST
    without: frozenset[str] = frozenset()


def revive_one(state: StateFolder, wanted: Reviving) -> Imported:
    """Have the project in the platform of `state`, which runs, once more; its name says as of when.

    Raises:
        UntrustedError: Something is not what the installation wrote.
        BackupError: The backups do not reach to the moment, or there was no such project then.
    """
    here = living(state)
    alone = held(state.postgres, "another restore of a project")
    with alone, workshop(state.postgres / REVIVING, wanted.account) as work:
        program = find_program(state)
        chain = chain_for(list(manifests(wanted.source.place, wanted.keys)), wanted.point, wanted.without)
        bringing = Bringing(wanted.source, chain, work, program, wanted.account, wanted.point)
        bringing.materialise(chain.first)
        put_files(wanted.source, chain, work / "files")
        identity = pyrage.x25519.Identity.generate()  # of this run alone: the project is sealed on its way, too
        with bringing.recovered([chain.first]) as servers, _others(bringing, servers[FIRST], wanted.project) as more:
            exporting = Exporting(
                Scratched({**servers, **more}), StateFolder(work / "files"), work / "project",
                [identity.to_public()], signer_of(state), wanted.now,
            )  # fmt: skip
            carried = export(exporting, wanted.project)
        name = f"{carried.name[:60]} restored {dt.datetime.fromtimestamp(chain.until, dt.UTC):%Y-%m-%d %H:%M:%S}"
        return bring_in(
            Wanted(
                work / "project", carried, (identity,), here, state,
                wanted.owner or _owner(here, carried), name, is_beside=True, cluster=wanted.cluster,
            )
        )  # fmt: skip


@contextlib.contextmanager
def _others(bringing: Bringing, first: Server, project: int | str) -> Iterator[dict[str, Server]]:
    """The servers beside the first that had data of the project at that moment."""
    column = "project_key" if isinstance(project, int) else "name_canonical"
    query = sql.SQL(ELSEWHERE).format(sql.Identifier(column))
    with first.connect(DATABASE_NAME) as connection:
        names = {row[0] for row in connection.execute(query, [project]).fetchall()}
    lines = [line for line in bringing.chain.lines[1:] if line.server in names]
    for line in lines:
        bringing.materialise(line)
    with bringing.recovered(lines) as servers:
        yield servers


def _owner(here: Living, carried: Carried) -> str | None:
    """Whose the project is by now; None where it is gone, or they are."""
    with here.connect(DATABASE_NAME) as connection:
        found = connection.execute(OWNER, [carried.project_key]).fetchone()
    return None if found is None else str(found[0])

"""One project out of a backup, beside those that live: the cluster as it was then, on a server of its own for a while.

What was revoked since stays so: of people's rights nothing comes, secrets of devices neither.
"""

import datetime as dt
from typing import Final

import pyrage
from attrs import frozen

from deploy.backup.chains import chain_for
from deploy.backup.locking import held
from deploy.backup.manifest import manifests
from deploy.backup.materialising import Source, materialise, put_files, workshop
from deploy.backup.restoring import moment_words
from deploy.backup.scratch import Scratch, recovered
from deploy.backup.signing import signer_of
from deploy.backup.tools import find_program
from deploy.carrying.databases import Living, Scratched, living
from deploy.carrying.exporting import Exporting, export
from deploy.carrying.importing import Imported, Wanted, bring_in
from deploy.carrying.manifest import Carried
from deploy.local.files import Account
from deploy.local.processes import DATABASE_NAME
from deploy.local.state import StateFolder
from shared.tlog.note import VerifierKey

WORK: Final = ".reviving"
"""It has the whole cluster in clear while this runs; what was killed outright leaves it to the next."""
OWNER: Final = (
    "SELECT a.login_name FROM realms.project p JOIN auth.account a ON a.account_key = p.owner_account_key"
    " WHERE p.project_key = %s AND a.state = 'active'"
)


@frozen
class Reviving:
    """Which project, out of which backups, as of which moment (the newest: None), for whom, and as whom it is run."""

    project: int | str
    source: Source
    keys: tuple[VerifierKey, ...]
    point: float | None
    owner: str | None
    account: Account | None
    now: float


def revive_one(state: StateFolder, wanted: Reviving) -> Imported:
    """Have the project in the platform of `state`, which runs, once more; its name says as of when.

    Raises:
        UntrustedError: Something is not what the installation wrote.
        BackupError: The backups do not reach to the moment, or there was no such project then.
    """
    here = living(state)
    with held(state.postgres, "another restore of a project"), workshop(state.postgres / WORK, wanted.account) as work:
        program = find_program(state)
        chain = chain_for(list(manifests(wanted.source.place, wanted.keys)), wanted.point)
        materialise(wanted.source, chain, work, program, wanted.account)
        put_files(wanted.source, chain, work / "files")
        identity = pyrage.x25519.Identity.generate()  # of this run alone: the project is sealed on its way, too
        point = None if wanted.point is None else moment_words(wanted.point)
        with recovered(Scratch(work, program, wanted.account, point)) as server:
            exporting = Exporting(
                Scratched(server), StateFolder(work / "files"), work / "project",
                [identity.to_public()], signer_of(state), wanted.now,
            )  # fmt: skip
            carried = export(exporting, wanted.project)
        name = f"{carried.name[:60]} restored {dt.datetime.fromtimestamp(chain.until, dt.UTC):%Y-%m-%d %H:%M:%S}"
        return bring_in(
            Wanted(
                work / "project", carried, (identity,), here, state,
                wanted.owner or _owner(here, carried), name, is_beside=True,
            )
        )  # fmt: skip


def _owner(here: Living, carried: Carried) -> str | None:
    """Whose the project is by now; None where it is gone, or they are."""
    with here.connect(DATABASE_NAME) as connection:
        found = connection.execute(OWNER, [carried.project_key]).fetchone()
    return None if found is None else str(found[0])

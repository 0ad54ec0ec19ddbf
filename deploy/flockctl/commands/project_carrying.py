"""`flockctl project export`, `project import`: a project of this machine's installation, taken out or brought in."""

import os
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from attrs import asdict
from rich.table import Table

from deploy.backup.sealing import identities_of, recipients_of
from deploy.backup.signing import read_keys, signer_of
from deploy.carrying.databases import living
from deploy.carrying.exporting import Exporting, export
from deploy.carrying.forgetting import forget_import
from deploy.carrying.importing import Imported, Wanted, bring_in, record_exported, unfinished
from deploy.carrying.manifest import read_carried
from deploy.flockctl.confirming import confirm
from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.local_work import Cluster, IdentityFile, Owner, Recipients, as_commands_fail, text_of_file
from deploy.flockctl.options import Json, State
from deploy.flockctl.output import Output, table
from deploy.flockctl.rights_options import Project
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name
from deploy.local.state import StateFolder
from shared.clusters import FIRST
from shared.moments import rfc3339
from shared.names import canonical_name, clean_name

MIB: Final = 2**20


def add_carrying_commands(app: typer.Typer) -> None:
    """Put `export` and `import` into `app`."""
    app.command("export")(project_export)
    app.command("import")(project_import)
    app.command("imports")(project_imports)


def project_export(
    project: Project,
    *,
    to: Annotated[Path, typer.Option("--to", help="Folder to make for it.", metavar="FOLDER")],
    recipient: Recipients,
    json: Json = False,
    state: State = None,
) -> None:
    """Take a project out, on the machine of its installation: rows, apps, devices, sealed to recipients. It stays.

    No account, no right and no secret of a device goes with it. `flockctl backup key` prints by which key an import
    elsewhere knows that it is genuine.

    Example: flockctl project export plant --to /mnt/plant --recipient age1...
    """
    with as_commands_fail():
        folder = _state(state)
        here, signer = living(folder), signer_of(folder)
        found = recipients_of(recipient)
        wanted = Exporting(here, folder, to.absolute(), found, signer, time.time())  # noqa: TID251 - the shell
        made = export(wanted, meant_project(project))
        record_exported(here, made, len(found))
    octets = sum(part.octets for part in made.parts)
    payload = {
        "project": made.project_key,
        "import_id": made.import_id,
        "backends": len(made.backends),
        "octets": octets,
    }
    cells = (made.name, len(made.backends), f"{octets / MIB:.1f}")
    Output(as_json=json).result({"export": payload}, table(("PROJECT", "DATA BACKENDS", "MIB"), [cells]))


def project_import(
    folder: Annotated[Path, typer.Argument(help="What `project export` made.", metavar="FOLDER")],
    *,
    identity_file: IdentityFile,
    key_file: Annotated[
        Path, typer.Option("--key-file", help="File with the key that `backup key` printed there.", metavar="FILE")
    ],
    owner: Owner = None,
    name: Annotated[str | None, typer.Option(help="How it is called here (default: as it was).")] = None,
    cluster: Cluster = FIRST,
    json: Json = False,
    state: State = None,
) -> None:
    """Bring a project in, on the machine of its new installation, which runs; one that was cut off goes on.

    All keys are new. Devices are to be flashed, and members and rights given again: what there was is listed.

    Example: flockctl project import /mnt/plant --identity-file identity.txt --key-file backup-key
    """
    called = None if name is None else clean_name(name, what="name")
    with as_commands_fail():
        here = _state(state)
        carried = read_carried(folder, read_keys(key_file))
        identities = tuple(identities_of(text_of_file(identity_file)))
        known = living(here)
        wanted = Wanted(folder, carried, identities, known, here, owner, called, is_beside=False, cluster=cluster)
        done = bring_in(wanted)
    tell_imported(done, json=json)


def project_imports(
    *,
    forget: Annotated[
        str | None, typer.Option(help="Take away what there is of this one; it is begun anew then.", metavar="IMPORT")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    state: State = None,
) -> None:
    """List projects that were begun to be brought in and are not whole; what will never be is to be forgotten.

    Until then such a project keeps its database server from being drained empty. It is nobody's and nobody sees it.

    Example: flockctl project imports --forget 0f9b0d1e-0000-4000-8000-000000000001 --yes
    """
    with as_commands_fail():
        here = living(_state(state))
        if forget is not None:
            confirm(f"Take away what was brought in by the import {forget}?", is_said=yes)
            forget_import(here, forget)
        found = unfinished(here)
    payload = [{**asdict(each), "began_at": rfc3339(each.began_at)} for each in found]
    rows = ((each.import_id, each.name, each.cluster, local_time(rfc3339(each.began_at))) for each in found)
    shown = table(("IMPORT", "NAME", "AT", "BEGUN"), rows)
    Output(as_json=json).result({"forgotten": forget, "imports": payload}, shown)


def tell_imported(done: Imported, *, json: bool) -> None:
    """What was brought in, and what people have to look through."""
    payload = {
        "project": done.project_key,
        "name": done.name,
        "owner": done.owner,
        "devices": done.devices,
        "review": dict(done.review),
    }
    Output(as_json=json).result({"imported": payload}, _table(done))


def _table(done: Imported) -> Table:
    review = ", ".join(f"{len(found)} {what}" for what, found in sorted(done.review.items()))
    titles = ("PROJECT", "NAME", "OWNER", "DEVICES", "TO LOOK THROUGH (--json)")
    return table(titles, [(done.project_key, done.name, done.owner, done.devices, review)])


def meant_project(project: str) -> int | str:
    """Its key, or its name in canonical form."""
    found = key_or_name(project, what="project")
    return found if isinstance(found, int) else canonical_name(found)


def _state(state: Path | None) -> StateFolder:
    return StateFolder(installed_state(state, dict(os.environ), Path.cwd()))

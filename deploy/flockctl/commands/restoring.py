"""`flockctl restore`: an installation out of backups, in an empty folder; or one project, beside those that live."""

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.backup.ending import ended_in_order
from deploy.backup.materialising import Source
from deploy.backup.restoring import Wanted, restore
from deploy.backup.sealing import identities_of
from deploy.backup.signing import read_keys
from deploy.carrying.reviving_one import Reviving, revive_one
from deploy.flockctl.commands.project_carrying import meant_project, tell_imported
from deploy.flockctl.confirming import confirm
from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.local_work import Cluster, From, IdentityFile, Owner, as_commands_fail, text_of_file
from deploy.flockctl.options import Json, State
from deploy.flockctl.output import Output, table
from deploy.flockctl.text import local_moment
from deploy.flockctl.times import moment
from deploy.local.accounts import postgres_account
from deploy.local.settings import local_settings
from deploy.local.state import SETTING, StateFolder
from shared.clusters import FIRST


def add_commands(app: typer.Typer) -> None:
    """Put `restore` into `app`."""
    app.command("restore")(restore_from_backups)


def restore_from_backups(
    *,
    from_: From,
    identity_file: IdentityFile,
    key_file: Annotated[
        Path, typer.Option("--key-file", help="File with the key that `backup key` printed.", metavar="FILE")
    ],
    into: Annotated[Path | None, typer.Option(help="State folder, empty or not there yet.", metavar="FOLDER")] = None,
    project: Annotated[
        str | None, typer.Option(help="Only this one, by name or key, into what runs here.", metavar="PROJECT")
    ] = None,
    owner: Owner = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="The ledger (`audit-ledger`) as it was last kept outside the database.", metavar="FILE"),
    ] = None,
    at: Annotated[str | None, typer.Option(help="To this moment: RFC 3339, a local time, or an age.")] = None,
    without_person_keys: Annotated[
        bool,
        typer.Option("--without-person-keys", help="Though what the log says of people opens never again."),
    ] = False,
    without_server: Annotated[
        list[str] | None,
        typer.Option("--without-server", help="Not the database server of that name.", metavar="CLUSTER"),
    ] = None,
    cluster: Cluster = FIRST,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    state: State = None,
) -> None:
    """Make an installation out of backups, in an empty state folder; it is not started. Or bring back one project.

    Everybody is signed out. With --ledger, whatever was revoked, rotated or erased since is so again; without it all
    people and keys but the first owner's wait behind locks (`flockctl lock list`), since nobody knows.

    --project brings one project into the platform that runs here, beside all others and under another name, without
    the rights that people had and without secrets of devices: to look things up, or to go on with.

    Example: flockctl restore --from /mnt/backups --identity-file identity.txt --key-file backup-key --into .ironflock
    """
    if project is not None and into is None and ledger is None:
        _restore_project(
            from_, identity_file, key_file, project,
            owner=owner, cluster=cluster, without=frozenset(without_server or ()), at=at, state=state, json=json,
        )  # fmt: skip
    elif into is not None and project is None and owner is None:
        if ledger is None:
            confirm(
                "Restore without a ledger? Everybody but the first owner is locked out until you end it", is_said=yes
            )
        wanted = (ledger, not without_person_keys, frozenset(without_server or ()))
        _restore_all(from_, identity_file, key_file, into, wanted=wanted, at=at, json=json)
    else:
        said = "say --into for an installation, perhaps with --ledger; or --project, perhaps with --owner"
        raise CommandError("usage", said, ExitStatus.USAGE)


def _restore_all(
    from_: Path, identity_file: Path, key_file: Path, into: Path,
    *, wanted: tuple[Path | None, bool, frozenset[str]], at: str | None, json: bool,
) -> None:  # fmt: skip
    with as_commands_fail(), ended_in_order():
        settings = local_settings({**os.environ, SETTING: str(into.absolute())})
        source = Source(from_, identities_of(text_of_file(identity_file)))
        asked = Wanted(source, read_keys(key_file), _point(at), *wanted)
        done = restore(settings, asked, is_root=os.geteuid() == 0)
    size, count = done.revived.log_size, done.revived.replayed
    people = {"kept": done.people.kept, "renewed": done.people.renewed}
    payload = {
        "backups": done.backups, "until": done.until, "log_size": size, "replayed": count, "person_keys": people,
        "missing": list(done.missing),
    }  # fmt: skip
    lines = "no ledger: locked" if count is None else f"{count} lines replayed"
    cells = (done.backups[-1], local_moment(int(done.until)), size, lines, "; ".join(done.missing))
    titles = ("BACKUP", "BROUGHT BACK", "ENTRIES", "LEDGER", "MISSING")
    Output(as_json=json).result({"restored": payload}, table(titles, [cells]))


def _restore_project(
    from_: Path, identity_file: Path, key_file: Path, project: str,
    *, owner: str | None, cluster: str, without: frozenset[str], at: str | None, state: Path | None, json: bool,
) -> None:  # fmt: skip
    with as_commands_fail(), ended_in_order():
        folder = StateFolder(installed_state(state, dict(os.environ), Path.cwd()))
        source = Source(from_, identities_of(text_of_file(identity_file)))
        account = postgres_account("", is_root=os.geteuid() == 0)
        meant, keys = meant_project(project), read_keys(key_file)
        wanted = Reviving(meant, source, keys, _point(at), owner, account, _now(), cluster, without)
        done = revive_one(folder, wanted)
    tell_imported(done, json=json)


def _point(at: str | None) -> float | None:
    return None if at is None else datetime.fromisoformat(moment(at, what="at", now=_now())).timestamp()


def _now() -> float:
    return time.time()  # noqa: TID251 - the shell

"""`flockctl backup ...`: the installation on this machine, taken away, and tried."""

import os
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from attrs import asdict

from deploy.backup.chains import spent
from deploy.backup.drilling import Drill, drill
from deploy.backup.ending import ended_in_order
from deploy.backup.errors import BackupError, LogLostError
from deploy.backup.manifest import Manifest, left_behind, manifests, remove, remove_left
from deploy.backup.materialising import Source
from deploy.backup.person_keys import read_kept, replace
from deploy.backup.recording import record_backup, record_drill
from deploy.backup.remembering import remember
from deploy.backup.sealing import identities_of, recipients_of
from deploy.backup.signing import keys_of, read_keys, signer_of
from deploy.backup.taking import Taking, take, take_log
from deploy.backup.tools import find_program
from deploy.carrying.databases import living
from deploy.flockctl.confirming import confirm
from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.errors import CommandError
from deploy.flockctl.local_work import From, IdentityFile, Recipients, as_commands_fail, text_of_file
from deploy.flockctl.options import Json, State
from deploy.flockctl.output import Output, table
from deploy.flockctl.text import local_moment
from deploy.flockctl.times import lasting_s
from deploy.local.accounts import postgres_account
from deploy.local.processes import DATABASE_NAME
from deploy.local.records import read_record
from deploy.local.state import StateFolder
from shared.clusters import FIRST

app = typer.Typer(help="Backups of the installation on this machine.", no_args_is_help=True)

MIB: Final = 2**20
Place = Annotated[Path, typer.Option("--to", help="Folder that the backups are in.", metavar="FOLDER")]
Partial = Annotated[
    bool, typer.Option("--partial", help="Though a database server cannot be reached: without that one.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="File with the key that `backup key` printed.", metavar="FILE"),
]


@app.command("create")
def backup_create(
    *,
    to: Place,
    recipient: Recipients,
    full: Annotated[bool, typer.Option("--full", help="All of it, not what changed since the last one.")] = False,
    partial: Partial = False,
    json: Json = False,
    state: State = None,
) -> None:
    """Back up databases, log, secrets and heads: encrypted to recipients, and what changed since the last one only.

    Keep the recipients' identities on another machine: nobody can open a backup without one, this machine neither.

    Example: flockctl backup create --to /mnt/backups --recipient age1...
    """
    with as_commands_fail(), ended_in_order():
        folder = _state(state)
        taking = Taking(folder, to.absolute(), recipients_of(recipient), _now(), partial)
        made = take(taking, is_full=full)
        record_backup(folder, made)
    _tell(made, json=json)


@app.command("wal")
def backup_wal(
    *,
    to: Place,
    recipient: Recipients,
    or_create: Annotated[
        bool, typer.Option("--or-create", help="A whole backup, where none is there to go on from.")
    ] = False,
    partial: Partial = False,
    json: Json = False,
    state: State = None,
) -> None:
    """Back up what was written since the last backup: a second of work, for every few minutes.

    Where nobody fetched the log for too long, the server has thrown it away: it is said, and with --or-create mended.

    Example: flockctl backup wal --to /mnt/backups --recipient age1... --or-create
    """
    with as_commands_fail(), ended_in_order():
        folder = _state(state)
        taking = Taking(folder, to.absolute(), recipients_of(recipient), _now(), partial)
        try:
            made = take_log(taking)
        except LogLostError:
            if not or_create:
                raise
            made = take(taking, is_full=True)
            record_backup(folder, made)
    _tell(made, json=json)


@app.command("list")
def backup_list(*, from_: From, key_file: KeyFile = None, json: Json = False, state: State = None) -> None:
    """List the backups in a folder, and up to which moment each brings the installation back.

    Example: flockctl backup list --from /mnt/backups
    """
    with as_commands_fail():
        found = list(manifests(from_, _keys(key_file, state)))
    payload = [{**_payload(each), "parts": len(each.parts)} for each in found]
    rows = (
        (each.backup_id, each.kind, local_moment(int(each.restorable_until)), _size(each), ", ".join(each.absent))
        for each in found
    )
    titles = ("BACKUP", "KIND", "BRINGS BACK", "MIB", "WITHOUT")
    Output(as_json=json).result({"backups": payload}, table(titles, rows))


@app.command("prune")
def backup_prune(
    *,
    from_: From,
    keep: Annotated[str, typer.Option(help="Every moment of this long comes back still: 35d, 12w.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    key_file: KeyFile = None,
    json: Json = False,
    state: State = None,
) -> None:
    """Delete backups that are only needed for moments longer ago; what was erased since is gone with them.

    What runs that were killed have left goes too, a day later: it brings nothing back.

    Example: flockctl backup prune --from /mnt/backups --keep 35d --yes
    """
    now = _now()
    before = now - lasting_s(keep, what="keep")
    with as_commands_fail():
        gone = spent(list(manifests(from_, _keys(key_file, state))), before)
        left = left_behind(from_, now)
    newest = f", the newest of {local_moment(int(gone[-1].began_at))}" if gone else ""
    if gone or left:
        confirm(f"Delete {len(gone)} backups{newest}, and {len(left)} unfinished ones?", is_said=yes)
    with as_commands_fail():
        for each in gone:
            remove(from_, each)
        for backup_id in left:
            remove_left(from_, backup_id)
    rows = [*((each.backup_id, each.kind.value) for each in gone), *((backup_id, "unfinished") for backup_id in left)]
    Output(as_json=json).result({"deleted": [row[0] for row in rows]}, table(("DELETED", "KIND"), rows))


@app.command("key")
def backup_key(*, json: Json = False, state: State = None) -> None:
    """Print the key by which a restore knows that this installation made a backup: keep it beside the identity.

    Example: flockctl backup key > backup-key
    """
    with as_commands_fail():
        text = signer_of(_state(state)).verifier_key.text
    Output(as_json=json).result({"key": text}, text)


@app.command("person-keys")
def backup_person_keys(
    *,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Folder that the backups are in.", metavar="FOLDER")
    ] = None,
    identity_file: Annotated[
        Path | None, typer.Option("--identity-file", help="File of the identity that opens them.", metavar="FILE")
    ] = None,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Who is not there gets a new key: what the log says of them is lost."),
    ] = False,
    json: Json = False,
    state: State = None,
) -> None:
    """Give everybody their key again out of what lies beside the backups, where secrets/person-keys.json is lost.

    While nothing runs but the database (`python -m deploy.local database`). Who was erased before the newest backup
    stays erased.

    Example: flockctl backup person-keys --from /mnt/backups --identity-file /run/usb/identity.txt
    """
    with as_commands_fail():
        folder = _state(state)
        _refuse_running(folder)
        kept: dict[int, bytes] = {}
        if from_ is not None and identity_file is not None:
            keys, identities = (signer_of(folder).verifier_key,), identities_of(text_of_file(identity_file))
            kept = read_kept(from_, keys, identities, _now())
        elif not accept_loss:
            raise BackupError("say --from and --identity-file; or --accept-loss, where nothing was kept")
        with living(folder).connect(DATABASE_NAME) as connection:
            done = replace(connection, folder, kept, accepts_loss=accept_loss)
    payload = {"kept": done.kept, "renewed": done.renewed}
    Output(as_json=json).result({"person_keys": payload}, table(("KEPT", "LOST"), [(done.kept, done.renewed)]))


def _refuse_running(folder: StateFolder) -> None:
    if any(each.name == "auth" and each.pid for each in read_record(folder.processes).processes):
        raise BackupError("auth runs: stop the platform, and start `python -m deploy.local database` alone")


@app.command("drill")
def backup_drill(
    *,
    from_: From,
    identity_file: IdentityFile,
    room: Annotated[
        Path | None,
        typer.Option(help="Where there is room for a whole cluster (default: beside it).", metavar="FOLDER"),
    ] = None,
    json: Json = False,
    state: State = None,
) -> None:
    """Restore the newest backup beside everything, look through it, throw it away; `flockctl doctor` tells of it.

    Every file is compared, the audit log verified against its head, each data backend's login and schema looked for.

    Example: flockctl backup drill --from /mnt/backups --identity-file /run/usb/identity.txt
    """
    folder, now = _state(state), _now()
    try:
        with as_commands_fail(), ended_in_order():
            account = postgres_account("", is_root=os.geteuid() == 0)
            source = Source(from_, identities_of(text_of_file(identity_file)))
            place = folder.postgres if room is None else room
            done = drill(Drill(source, (signer_of(folder).verifier_key,), find_program(folder), account, place))
    except CommandError as error:
        remember(folder, drilled_at=now, drill_failure=error.message)
        raise
    failure = "; ".join(done.failures)
    remember(folder, drilled_at=now, drill_failure=failure)
    with as_commands_fail():
        record_drill(folder, done)
    cells = (done.backup, local_moment(int(done.until)), sum(done.rows.values()), done.log_size, done.backends)
    titles = ("BACKUP", "BROUGHT BACK", "ROWS", "ENTRIES", "DATA BACKENDS")
    Output(as_json=json).result({"drill": asdict(done)}, table(titles, [cells]))
    if failure:
        raise CommandError("drill_failed", failure)


def _state(state: Path | None) -> StateFolder:
    return StateFolder(installed_state(state, dict(os.environ), Path.cwd()))


def _keys(key_file: Path | None, state: Path | None) -> Any:
    return read_keys(key_file) if key_file is not None else keys_of(signer_of(_state(state)).verifier_key.text)


def _now() -> float:
    return time.time()  # noqa: TID251 - the shell


def _size(made: Manifest) -> str:
    return f"{made.octets / MIB:.1f}"


def _payload(made: Manifest) -> dict[str, Any]:
    return {
        "backup": made.backup_id,
        "kind": made.kind.value,
        "parent": made.parent,
        "restorable_until": made.restorable_until,
        "octets": made.octets,
        "servers": [FIRST, *(member.name for member in made.members)],
        "absent": list(made.absent),
    }


def _tell(made: Manifest, *, json: bool) -> None:
    cells = (made.backup_id, made.kind, local_moment(int(made.restorable_until)), _size(made), ", ".join(made.absent))
    titles = ("BACKUP", "KIND", "BRINGS BACK", "MIB", "WITHOUT")
    Output(as_json=json).result({"backup": _payload(made)}, table(titles, [cells]))

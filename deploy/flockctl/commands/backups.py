"""`flockctl backup ...` and `flockctl restore`: the installation on this machine, taken away and brought back."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from attrs import asdict

from deploy.backup.chains import spent
from deploy.backup.drilling import Drill, drill
from deploy.backup.ending import ended_in_order
from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.manifest import Manifest, manifests, remove
from deploy.backup.materialising import Source
from deploy.backup.recording import record_backup, record_drill
from deploy.backup.remembering import remember
from deploy.backup.restoring import Wanted, restore
from deploy.backup.sealing import identities_of, recipients_of
from deploy.backup.signing import keys_of, read_keys, signer_of
from deploy.backup.taking import Taking, take, take_log
from deploy.backup.tools import find_program
from deploy.flockctl.confirming import confirm
from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.errors import CommandError
from deploy.flockctl.options import Json, State
from deploy.flockctl.output import Output, table
from deploy.flockctl.text import local_moment
from deploy.flockctl.times import lasting_s, moment
from deploy.local.accounts import postgres_account
from deploy.local.errors import PlatformError
from deploy.local.settings import local_settings
from deploy.local.state import SETTING, StateFolder

app = typer.Typer(help="Backups of the installation on this machine.", no_args_is_help=True)

MIB: Final = 2**20
Place = Annotated[Path, typer.Option("--to", help="Folder that the backups are in.", metavar="FOLDER")]
From = Annotated[Path, typer.Option("--from", help="Folder that the backups are in.", metavar="FOLDER")]
Recipients = Annotated[
    list[str], typer.Option("--recipient", help="Who can open them, `age1...`; may be repeated.", metavar="AGE")
]
IdentityFile = Annotated[
    Path, typer.Option("--identity-file", help="File of the identity that opens them (age-keygen).", metavar="FILE")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="File with the key that `backup key` printed.", metavar="FILE"),
]


def add_restore_command(app: typer.Typer) -> None:
    """Put `restore` into `app`."""
    app.command("restore")(restore_installation)


@app.command("create")
def backup_create(
    *,
    to: Place,
    recipient: Recipients,
    full: Annotated[bool, typer.Option("--full", help="All of it, not what changed since the last one.")] = False,
    json: Json = False,
    state: State = None,
) -> None:
    """Back up databases, log, secrets and heads: encrypted to recipients, and what changed since the last one only.

    Keep the recipients' identities on another machine: nobody can open a backup without one, this machine neither.

    Example: flockctl backup create --to /mnt/backups --recipient age1...
    """
    with _as_commands_fail():
        folder = _state(state)
        taking = Taking(folder, to.absolute(), recipients_of(recipient), _now())
        made = take(taking, is_full=full)
        record_backup(folder, made)
    _tell(made, json=json)


@app.command("wal")
def backup_wal(*, to: Place, recipient: Recipients, json: Json = False, state: State = None) -> None:
    """Back up what was written since the last backup: a second of work, for every few minutes.

    Example: flockctl backup wal --to /mnt/backups --recipient age1...
    """
    with _as_commands_fail():
        made = take_log(Taking(_state(state), to.absolute(), recipients_of(recipient), _now()))
    _tell(made, json=json)


@app.command("list")
def backup_list(*, from_: From, key_file: KeyFile = None, json: Json = False, state: State = None) -> None:
    """List the backups in a folder, and up to which moment each brings the installation back.

    Example: flockctl backup list --from /mnt/backups
    """
    with _as_commands_fail():
        found = list(manifests(from_, _keys(key_file, state)))
    payload = [{**_payload(each), "parts": len(each.parts)} for each in found]
    rows = ((each.backup_id, each.kind, local_moment(int(each.restorable_until)), _size(each)) for each in found)
    Output(as_json=json).result({"backups": payload}, table(("BACKUP", "KIND", "BRINGS BACK", "MIB"), rows))


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

    Example: flockctl backup prune --from /mnt/backups --keep 35d --yes
    """
    before = _now() - lasting_s(keep, what="keep")
    with _as_commands_fail():
        gone = spent(list(manifests(from_, _keys(key_file, state))), before)
    if gone:
        confirm(f"Delete {len(gone)} backups, the newest of {local_moment(int(gone[-1].began_at))}?", is_said=yes)
    with _as_commands_fail():
        for each in gone:
            remove(from_, each)
    rows = ((each.backup_id, each.kind) for each in gone)
    Output(as_json=json).result({"deleted": [each.backup_id for each in gone]}, table(("DELETED", "KIND"), rows))


@app.command("key")
def backup_key(*, json: Json = False, state: State = None) -> None:
    """Print the key by which a restore knows that this installation made a backup: keep it beside the identity.

    Example: flockctl backup key > backup-key
    """
    with _as_commands_fail():
        text = signer_of(_state(state)).verifier_key.text
    Output(as_json=json).result({"key": text}, text)


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
        with _as_commands_fail(), ended_in_order():
            account = postgres_account("", is_root=os.geteuid() == 0)
            source = Source(from_, identities_of(_text(identity_file)))
            place = folder.postgres if room is None else room
            done = drill(Drill(source, (signer_of(folder).verifier_key,), find_program(folder), account, place))
    except CommandError as error:
        remember(folder, drilled_at=now, drill_failure=error.message)
        raise
    failure = "; ".join(done.failures)
    remember(folder, drilled_at=now, drill_failure=failure)
    with _as_commands_fail():
        record_drill(folder, done)
    cells = (done.backup, local_moment(int(done.until)), sum(done.rows.values()), done.log_size, done.backends)
    titles = ("BACKUP", "BROUGHT BACK", "ROWS", "ENTRIES", "DATA BACKENDS")
    Output(as_json=json).result({"drill": asdict(done)}, table(titles, [cells]))
    if failure:
        raise CommandError("drill_failed", failure)


def restore_installation(
    *,
    from_: From,
    identity_file: IdentityFile,
    key_file: Annotated[
        Path, typer.Option("--key-file", help="File with the key that `backup key` printed.", metavar="FILE")
    ],
    into: Annotated[Path, typer.Option(help="State folder, empty or not there yet.", metavar="FOLDER")],
    ledger: Annotated[
        Path | None,
        typer.Option(help="The ledger (`audit-ledger`) as it was last kept outside the database.", metavar="FILE"),
    ] = None,
    at: Annotated[str | None, typer.Option(help="To this moment: RFC 3339, a local time, or an age.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Make an installation out of backups, in an empty state folder; it is not started.

    Everybody is signed out. With --ledger, whatever was revoked, rotated or erased since is so again; without it all
    people and keys but the first owner's wait behind locks (`flockctl lock list`), since nobody knows.

    Example: flockctl restore --from /mnt/backups --identity-file identity.txt --key-file backup-key --into .ironflock
    """
    if ledger is None:
        confirm("Restore without a ledger? Everybody but the first owner is locked out until you end it", is_said=yes)
    with _as_commands_fail(), ended_in_order():
        settings = local_settings({**os.environ, SETTING: str(into.absolute())})
        source = Source(from_, identities_of(_text(identity_file)))
        point = None if at is None else _point(at)
        done = restore(settings, Wanted(source, read_keys(key_file), point, ledger), is_root=os.geteuid() == 0)
    size, count = done.revived.log_size, done.revived.replayed
    payload = {"backups": done.backups, "until": done.until, "log_size": size, "replayed": count}
    lines = "no ledger: locked" if count is None else f"{count} lines replayed"
    cells = (done.backups[-1], local_moment(int(done.until)), size, lines)
    Output(as_json=json).result({"restored": payload}, table(("BACKUP", "BROUGHT BACK", "ENTRIES", "LEDGER"), [cells]))


@contextmanager
def _as_commands_fail() -> Iterator[None]:
    """What goes wrong in the block, as a command says it."""
    try:
        yield
    except UntrustedError as error:
        raise CommandError("untrusted_backup", str(error)) from error
    except (BackupError, PlatformError) as error:
        raise CommandError("backup_failed", str(error)) from error


def _state(state: Path | None) -> StateFolder:
    return StateFolder(installed_state(state, dict(os.environ), Path.cwd()))


def _keys(key_file: Path | None, state: Path | None) -> Any:
    return read_keys(key_file) if key_file is not None else keys_of(signer_of(_state(state)).verifier_key.text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BackupError(f"{path} cannot be read") from error


def _point(at: str) -> float:
    return datetime.fromisoformat(moment(at, what="at", now=_now())).timestamp()


def _now() -> float:
    return time.time()  # noqa: TID251 - the shell


def _size(made: Manifest) -> str:
    return f"{sum(part.octets for part in made.parts) / MIB:.1f}"


def _payload(made: Manifest) -> dict[str, Any]:
    return {
        "backup": made.backup_id,
        "kind": made.kind.value,
        "parent": made.parent,
        "restorable_until": made.restorable_until,
        "octets": sum(part.octets for part in made.parts),
    }


def _tell(made: Manifest, *, json: bool) -> None:
    cells = (made.backup_id, made.kind, local_moment(int(made.restorable_until)), _size(made))
    Output(as_json=json).result({"backup": _payload(made)}, table(("BACKUP", "KIND", "BRINGS BACK", "MIB"), [cells]))

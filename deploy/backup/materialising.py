"""From parts to a cluster that can be started: everything is checked against its signed manifest before it is used."""

import contextlib
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.backup.chains import Chain, Line
from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.keys import merged
from deploy.backup.manifest import BASE, HISTORY
from deploy.backup.sealing import Identity, opened
from deploy.backup.tools import run_program
from deploy.local.files import CROSSED_FOLDER, PRIVATE_FOLDER, Account, ensure_folder, write_atomically
from deploy.local.fitting import master_files
from deploy.local.state import StateFolder

WAL_FOLDER: Final = "wal"
DATA: Final = "data"


@frozen
class Source:
    """Where the backups are, and what opens them."""

    place: Path
    identities: Sequence[Identity]


@contextlib.contextmanager
def workshop(folder: Path, account: Account | None) -> Iterator[Path]:
    """`folder` for what is in the making, empty whatever a killed run had left there; gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    ensure_folder(folder, mode=PRIVATE_FOLDER if account is None else CROSSED_FOLDER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def materialise(source: Source, line: Line, folder: Path, program: Path, account: Account | None) -> Path:
    """Put the cluster of `line` into `folder`/data, and the log it needs into `folder`/wal; return the former.

    Raises:
        UntrustedError: A part is not what its manifest says, or the cluster is not what PostgreSQL sent.
        BackupError: A part cannot be opened, the disk is full, or PostgreSQL is of another major version.
    """
    _refuse_other_version(line, program)
    try:
        bases = [folder / f"base-{at}" for at in range(len(line.bases))]
        for manifest, target in zip(line.bases, bases, strict=True):
            part = manifest.part(BASE)
            if part is None:
                raise UntrustedError(f"backup {manifest.backup_id} has no cluster in it")
            ensure_folder(target)
            with opened(source.place / manifest.backup_id, part, source.identities) as content:
                extract(content, target)
        data = _combined(bases, folder / DATA, program)
        _fetch_log(source, line, folder / WAL_FOLDER)
    except OSError as error:
        raise BackupError(f"{folder}: {error.strerror}") from error
    verify(data, program)
    if account is not None:
        hand_over(folder, account)
    return data


def put_files(source: Source, chain: Chain, folder: Path) -> None:
    """Put the files of the installation into `folder`, with every master key of around the moment of `chain`.

    Raises:
        UntrustedError: They are not what their manifest says.
        BackupError: They cannot be opened.
    """
    ensure_folder(folder)
    texts: dict[Path, list[str]] = {}
    for at, piece in enumerate(chain.keys):
        around = folder.with_name(f"{folder.name}-{at}")
        ensure_folder(around)
        with opened(source.place / piece.backup_id, piece.part, source.identities) as content:
            extract(content, around)
        for file in master_files(StateFolder(around)).values():
            # What left the file between the backup before and this one, then what is in it.
            for each in (StateFolder(around).retired_master_keys / file.name, file):
                if each.is_file():
                    texts.setdefault(file.relative_to(around), []).append(each.read_text(encoding="utf-8"))
        if piece == chain.files:
            around.rename(folder)
        else:
            shutil.rmtree(around)
    for name, found in texts.items():
        if (folder / name).exists():
            write_atomically(folder / name, merged(found).encode())


def _refuse_other_version(line: Line, program: Path) -> None:
    """Let pass a cluster that the program reads: of its own major version."""
    found = re.search(r"\d+", run_program(program, "postgres", ["--version"]))
    have, want = line.newest.server_version // 10_000, int(found[0]) if found else 0
    if have != want:
        raise BackupError(
            f"the backup is of PostgreSQL {have}, the program is {want}: restore with the release that made it"
        )


def extract(content: object, target: Path) -> None:
    """Write a tar stream below `target`; nothing outside of it, no device, no file of another user."""
    try:
        with tarfile.open(fileobj=content, mode="r|") as archive:  # type: ignore[call-overload]
            archive.extractall(target, filter="tar")
    except tarfile.TarError as error:
        raise UntrustedError("a part is no archive") from error


def _combined(bases: Sequence[Path], data: Path, program: Path) -> Path:
    if len(bases) == 1:
        bases[0].rename(data)
        return data
    run_program(program, "pg_combinebackup", [*map(str, bases), "--output", str(data)])
    for each in bases:
        shutil.rmtree(each)
    return data


def verify(data: Path, program: Path) -> None:
    """Compare every file of the cluster with the list that PostgreSQL made of it.

    Raises:
        UntrustedError: One is another one, or missing.
    """
    try:
        run_program(program, "pg_verifybackup", ["--no-parse-wal", str(data)])
    except BackupError as error:
        raise UntrustedError(f"the cluster is not what was backed up: {error}") from error


def _fetch_log(source: Source, line: Line, folder: Path) -> None:
    ensure_folder(folder)
    # PostgreSQL begins a timeline of the first number that it finds no history of: one that no backup has yet.
    for timeline in range(line.newest.timeline + 1, line.newest_timeline + 1):
        (folder / f"{timeline:08X}{HISTORY}").touch()
    for name, piece in line.log.items():
        backup = source.place / piece.backup_id
        with opened(backup, piece.part, source.identities) as content, (folder / name).open("wb") as file:
            shutil.copyfileobj(content, file)


def hand_over(folder: Path, account: Account) -> None:
    """Give `folder` and all in it to `account`."""
    for path in _everything(folder):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _everything(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        yield parent
        yield from (os.path.join(parent, name) for name in (*folders, *files))  # noqa: PTH118 - many thousands

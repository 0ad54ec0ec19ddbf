"""Files that are whole or absent, and readable by their owner alone."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen

PRIVATE_FILE: Final = 0o600
READABLE_FILE: Final = 0o644
PRIVATE_FOLDER: Final = 0o700
CROSSED_FOLDER: Final = 0o711
TAIL_LINES: Final = 12


@frozen
class Account:
    """A user of the operating system, by name and numbers."""

    name: str
    uid: int
    gid: int


def account_of(path: Path) -> Account:
    """Whose the file at `path` is."""
    found = path.stat()
    return Account(str(found.st_uid), found.st_uid, found.st_gid)


def read_secret(path: Path) -> str:
    """What the file of a secret says, without the ends of its lines.

    Raises:
        OSError: It cannot be read.
    """
    return path.read_text(encoding="utf-8").strip()


def write_atomically(path: Path, content: bytes, *, mode: int = PRIVATE_FILE, owner: Account | None = None) -> None:
    """Put `content` at `path`: a reader, also after a crash, finds the old file or the new one, never half of one.

    The one writer is the holder of the state folder's lock, so the name of the file in the making is fixed and what a
    crash left there is simply replaced.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if owner is not None:
            os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
        file.flush()
        os.fsync(descriptor)
    unfinished.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure_folder(path: Path, *, mode: int = PRIVATE_FOLDER, owner: Account | None = None) -> None:
    """Make the folder `path` exist with exactly `mode` and `owner`; the parent exists already."""
    path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
    path.chmod(mode)


def ensure_secret(path: Path, make: Callable[[], str]) -> str:
    """The text in `path`, which `make` provides when the file is absent."""
    if not path.exists():
        write_atomically(path, make().encode())
    return path.read_text(encoding="utf-8").strip()


def tail(path: Path) -> str:
    """The last lines of a log, set in."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"  ({path} cannot be read)"
    return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])

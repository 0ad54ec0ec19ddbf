"""Files of an operator and of a witness: heads and keys. They are replaced in one step, or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.text import printable
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.note import SignedNote, VerifierKey


def write_whole(file: Path, content: bytes) -> None:
    """Replace `file` so that after a crash at any instruction it has either its old or its new content.

    Raises:
        OSError: It cannot be written; then it has its old content.
    """
    descriptor, draft = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).replace(file)
        _sync_folder(file.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(draft).unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_head(file: Path) -> Checkpoint | None:
    """The head that is kept in `file`, None where there is no such file yet.

    Raises:
        CommandError: There is something else: it is never taken for nothing.
    """
    try:
        return Checkpoint.parse(SignedNote.parse(file.read_bytes()).text)
    except FileNotFoundError:
        return None
    except (OSError, TlogError) as error:
        raise CommandError("unreadable_head", f"{printable(file)} is no head that was kept: {error}") from error


def keep_head(file: Path, note: bytes) -> None:
    """Keep the head in `note`.

    Raises:
        CommandError: The file cannot be written.
    """
    try:
        write_whole(file, note)
    except OSError as error:
        raise CommandError("cannot_write", f"{printable(file)} cannot be written: {error.strerror}") from error


def parse_keys(lines: list[str]) -> tuple[VerifierKey, ...]:
    """The verifier keys in `lines`; empty lines and those that begin with # say nothing.

    Raises:
        CommandError: A line is no verifier key.
    """
    words = [line.strip() for line in lines]
    try:
        return tuple(VerifierKey.parse(word) for word in words if word and not word.startswith("#"))
    except TlogError as error:
        raise CommandError("invalid_argument", f"not a verifier key: {error}", ExitStatus.USAGE) from error


def read_keys(file: Path) -> tuple[VerifierKey, ...]:
    """The verifier keys in `file`, one a line.

    Raises:
        CommandError: It cannot be read, or has a line that is none.
    """
    try:
        return parse_keys(file.read_text(encoding="utf-8").split("\n"))
    except (OSError, UnicodeError) as error:
        raise CommandError("unreadable_keys", f"{printable(file)} cannot be read: {type(error).__name__}") from error

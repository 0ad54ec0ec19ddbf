"""One at a time: an exclusive lock on a folder, which ends with the process that has it."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.backup.errors import BackupError

WAIT_S: Final = 480.0
"""For how long one waits for another: less than the ten minutes that the shipped unit of the log has."""
LOOK_S: Final = 0.1


@contextlib.contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Have `folder` for the block alone, among all who ask for it here; `what` is under way meanwhile.

    Raises:
        BackupError: Somebody else has had it for `WAIT_S`, or it is not there.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BackupError(f"{folder}: {error.strerror}") from error
    try:
        end, pause = time.monotonic() + WAIT_S, threading.Event()
        while not _is_taken(descriptor):
            if time.monotonic() >= end:
                raise BackupError(f"{what} is under way already, for {WAIT_S:.0f} s and longer")
            pause.wait(LOOK_S)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held_if_free(folder: Path) -> Iterator[bool]:
    """Have `folder` for the block as `held` does where nobody has it now; False: somebody has, nothing is waited for.

    Raises:
        OSError: It is not there.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _is_taken(descriptor)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

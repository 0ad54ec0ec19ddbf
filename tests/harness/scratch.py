"""Folders for what a test run leaves nowhere: in memory where the machine has room there, else on disk."""

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in there
NEEDED_OCTETS: Final = 6 * 2**30


def new_folder() -> Path:
    """A new folder; a user that is not its owner, PostgreSQL's, can cross it."""
    folder = Path(tempfile.mkdtemp(prefix="ironflock-test-", dir=_place()))
    folder.chmod(0o711)
    return folder


@cache
def _place() -> Path | None:
    """Clusters come and go in every run: most of what that costs is a disk's work. PostgreSQL's programs lie there."""
    if not MEMORY.is_dir() or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= NEEDED_OCTETS else None

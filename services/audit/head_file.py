"""The newest head in a file outside the database: a database that went back behind it is noticed at the next start."""

import os
from pathlib import Path

from shared.tlog.checkpoint import Checkpoint, open_checkpoint
from shared.tlog.note import VerifierKey


class HeadFile:
    """Remembers the newest head."""

    def __init__(self, path: Path, keys: tuple[VerifierKey, ...]) -> None:
        """Keep it in `path`; what stands there counts when one of `keys` signed it."""
        self._path = path
        self._keys = keys

    def read(self) -> Checkpoint | None:
        """The head that was remembered; None before the first.

        Raises:
            TlogError: The file holds no head that we signed.
        """
        try:
            octets = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return open_checkpoint(octets, self._keys).checkpoint

    def write(self, note: str) -> None:
        """Remember `note`, on the disk, before it is published."""
        beside = self._path.with_name(f"{self._path.name}.new")
        with beside.open("wb") as file:
            file.write(note.encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)

"""A log folder as a `LogReader`."""

from pathlib import Path

from attrs import frozen

from shared.tlog.errors import AbsentError
from shared.tlog.layout import entries_path, tile_path


@frozen
class FolderReader:
    """Reads the files of a folder."""

    folder: Path

    def checkpoint(self) -> bytes:
        return self._read("checkpoint")

    def tile(self, level: int, index: int, width: int) -> bytes:
        return self._read(tile_path(level, index, width))

    def entries(self, index: int, width: int) -> bytes:
        return self._read(entries_path(index, width))

    def _read(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError as error:
            raise AbsentError(path) from error

"""A database server's cluster, or what changed of it, as it comes: read, sealed, and never in clear on a disk."""

import contextlib
import os
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, cast

from deploy.backup.errors import BackupError
from deploy.backup.manifest import BASE
from deploy.backup.sealing import CHUNK, Part, Recipient, seal
from deploy.backup.tools import Tools, said

BASE_MANIFEST: Final = "backup_manifest"
"""What PostgreSQL makes the next incremental backup from."""


def seal_base(tools: Tools, folder: Path, recipients: Sequence[Recipient], since: Path | None) -> tuple[Part, bytes]:
    """The cluster as PostgreSQL sends it, and its own list of files in there; what changed `since` another such list.

    Raises:
        BackupError: PostgreSQL does not send it whole, or it cannot be written.
    """
    arguments = ["--pgdata", "-", "--format", "tar", "--wal-method", "none", "--checkpoint", "fast"]
    if since is not None:
        arguments += ["--incremental", str(since)]
    with tools.begin("pg_basebackup", *arguments, "--manifest-checksums", "SHA256") as process:
        errors: list[bytes] = []
        listener = threading.Thread(target=_listen, args=[process.stderr, errors], daemon=True)
        listener.start()
        split = _Split(cast("IO[bytes]", process.stdout))
        try:
            part = seal(split, folder, BASE, recipients)
        finally:
            split.close()
    listener.join()
    if process.returncode or not split.manifest:
        raise BackupError(f"pg_basebackup failed: {said(b''.join(errors))}")
    return part, split.manifest


def _listen(stream: IO[bytes], said: list[bytes]) -> None:
    """Read what a program complains of, so that it does not wait for a reader."""
    said.append(stream.read())


class _Split:
    """A tar stream that passes through, and of which one member is kept: the list of files at its end."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.manifest = b""
        reading, writing = os.pipe()
        self._copy = os.fdopen(writing, "wb")
        self._worker = threading.Thread(target=self._look, args=[os.fdopen(reading, "rb")], daemon=True)
        self._worker.start()

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(CHUNK if size < 0 else size)
        self._copy.write(piece)
        return piece

    def close(self) -> None:
        """No more comes; the member is known from here on."""
        self._copy.close()
        self._worker.join()

    def _look(self, copy: IO[bytes]) -> None:
        with copy:
            with contextlib.suppress(tarfile.TarError), tarfile.open(fileobj=copy, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name == BASE_MANIFEST else None
                    if content is not None:
                        self.manifest = content.read()
            while copy.read(CHUNK):
                pass  # what follows the end of the archive, so that whoever writes is not kept waiting

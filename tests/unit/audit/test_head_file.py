"""The head outside the database."""

from pathlib import Path

import pytest

from services.audit.head_file import HeadFile
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.note import Signer

SIGNER = Signer.from_seed("log.example", b"k" * 32)
HEAD = Checkpoint("log.example", 3, b"r" * 32)


def note(signer: Signer = SIGNER) -> str:
    return HEAD.signed([signer]).octets.decode()


def test_before_the_first_head_there_is_none(tmp_path: Path) -> None:
    assert HeadFile(tmp_path / "head", (SIGNER.verifier_key,)).read() is None


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = HeadFile(tmp_path / "head", (SIGNER.verifier_key,))
    file.write(note())
    file.write(note())

    assert file.read() == HEAD
    assert [path.name for path in tmp_path.iterdir()] == ["head"]


@pytest.mark.parametrize("content", ["", "nonsense", note()[:-5], note(Signer.from_seed("log.example", b"x" * 32))])
def test_given_a_head_that_we_did_not_sign_when_it_is_read_then_it_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "head").write_text(content)

    with pytest.raises(TlogError):
        HeadFile(tmp_path / "head", (SIGNER.verifier_key,)).read()

"""Heads, and what two of them tell beside each other."""

from pathlib import Path

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.findings import Code, Finding
from shared.tlog.heads import Head, Trust, head_findings, read_head, verify_head
from shared.tlog.note import VerifierKey
from tests.unit.tlog.folder_reader import FolderReader
from tests.unit.tlog.log_folder import LOG_KEY, OLD_LOG_KEY, WITNESS_KEY, head

KEYS = [VerifierKey.parse(key.vkey) for key in (OLD_LOG_KEY, LOG_KEY, WITNESS_KEY)]
ROOT, OTHER = b"r" * 32, b"o" * 32


def codes(now: Checkpoint, last: Checkpoint | None) -> list[Code]:
    return [finding.code for finding in head_findings(now, last)]


def test_a_head_is_trusted_with_the_cosignatures_it_bears() -> None:
    note = head(3, ROOT, LOG_KEY, WITNESS_KEY).encode()

    found = verify_head(note, Trust(KEYS, witnesses=1))

    assert isinstance(found, Head)
    assert (found.checkpoint.size, found.note, len(found.cosignatures)) == (3, note, 1)


def test_while_keys_rotate_a_head_bears_two_signatures() -> None:
    note = head(3, ROOT, OLD_LOG_KEY, LOG_KEY).encode()

    for keys in (KEYS[:1], KEYS[1:2], KEYS):
        assert isinstance(verify_head(note, Trust(keys)), Head)


def test_two_heads_alone_tell_three_things() -> None:
    now = Checkpoint("o", 5, ROOT)

    assert codes(now, None) == []
    assert codes(now, now) == []
    assert codes(now, Checkpoint("o", 4, OTHER)) == []
    assert codes(now, Checkpoint("o", 6, ROOT)) == [Code.OLDER_THAN_LAST_HEAD]
    assert codes(now, Checkpoint("o", 5, OTHER)) == [Code.FORKED]
    assert codes(now, Checkpoint("x", 5, ROOT)) == [Code.FORKED]


def test_a_log_without_a_head_is_unsigned(tmp_path: Path) -> None:
    found = read_head(FolderReader(tmp_path), Trust(KEYS))

    assert isinstance(found, Finding)
    assert found.code is Code.UNSIGNED_HEAD

"""The parts of the stand-alone verifier, beside the platform's own where there is one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from deploy.verifier import ironflock_audit_verify as alone
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.heads import Head, Trust, verify_head
from shared.tlog.layout import entries_path, tile_path
from shared.tlog.note import SignedNote, VerifierKey
from tests.unit.tlog import reference
from tests.unit.tlog.log_folder import LOG_KEY, WITNESS_KEY, LogFolder, b64, head
from tests.unit.tlog.test_verification import KEYS
from tests.unit.verifier.test_agreement import OTHER_KEYS

NOTE = head(7, b"r" * 32, LOG_KEY, WITNESS_KEY).encode()


def mutated(octets: bytes) -> st.SearchStrategy[bytes]:
    """`octets` with a part of them replaced by a few others."""
    places = st.tuples(st.integers(0, len(octets)), st.integers(0, 3), st.binary(max_size=3))
    return places.map(lambda place: octets[: place[0]] + place[2] + octets[place[0] + place[1] :])


def code_of_ours(octets: bytes) -> str:
    found = verify_head(octets, Trust(KEYS))
    return "" if isinstance(found, Head) else found.code.value


def code_of_the_other(octets: bytes) -> str:
    try:
        alone.trusted_head(octets, alone.Trust(OTHER_KEYS))
    except alone.Wrong as wrong:
        return wrong.complaint.code
    return ""


@given(mutated(NOTE) | st.binary(max_size=60))
def test_both_say_the_same_of_any_note(octets: bytes) -> None:
    assert code_of_the_other(octets) == code_of_ours(octets)


def _signature(change: Callable[[str], str]) -> bytes:
    text, _, lines = NOTE.decode().partition("\n\n")
    return f"{text}\n\n{change(lines)}".encode()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"x" * 1_000_001,
        b"\xff" + NOTE,
        NOTE + b"\n",
        NOTE[:-1],
        NOTE.replace(b"\n\n", b"\n"),
        NOTE.replace(b"\n7\n", b"\n07\n"),
        NOTE.replace(b"\n7\n", b"\n9223372036854775808\n"),
        NOTE.replace(b"ironflock.test/audit\n", b"x" * 256 + b"\n"),
        head(7, b"r" * 31, LOG_KEY).encode(),
        _signature(lambda lines: lines * 51),
        _signature(lambda lines: lines.replace("— ", "- ")),
        _signature(lambda lines: lines.replace("witness.test/w1", "a+b")),
        _signature(lambda lines: lines + "— x AAAAAA==\n"),
        _signature(lambda lines: lines + "— x AAAAAAB=\n"),
        _signature(lambda lines: lines + "— x AAAAAAAA\n"),
        _signature(lambda lines: lines + f"— {WITNESS_KEY.name} {b64(WITNESS_KEY.key_id + b'x')}\n"),
        _signature(lambda lines: lines + f"— {LOG_KEY.name} {b64(LOG_KEY.key_id + b'x')}\n"),
    ],
)
def test_both_say_the_same_of_notes_at_the_limits(octets: bytes) -> None:
    assert code_of_the_other(octets) == code_of_ours(octets)


def ours_takes_key(text: str) -> bool:
    try:
        return bool(VerifierKey.parse(text))
    except TlogError:
        return False


def other_takes_key(text: str) -> bool:
    try:
        return bool(alone.Key.from_text(text))
    except alone.BadFormError:
        return False


@given(mutated(LOG_KEY.vkey.encode()))
def test_both_take_the_same_keys(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    assert other_takes_key(text) == ours_takes_key(text)


@pytest.mark.parametrize(
    "text", ["", "a", "+00000000+", "a b+00000000+AAAA", LOG_KEY.vkey + "=", "n+86ae6c31+AQ==", LOG_KEY.vkey]
)
def test_both_take_the_same_keys_at_the_limits(text: str) -> None:
    assert other_takes_key(text) == ours_takes_key(text)


@given(level=st.integers(0, 7), number=st.integers(0, 2**63 - 1), width=st.integers(1, 256))
def test_both_find_tiles_at_the_same_path(level: int, number: int, width: int) -> None:
    assert alone.place(str(level), number, width) == tile_path(level, number, width)
    assert alone.place("entries", number, width) == entries_path(number, width)


@given(size=st.integers(1, 60), data=st.data())
def test_a_path_leads_to_the_root_or_is_of_another_length(size: int, data: st.DataObject) -> None:
    leaves = [bytes([number]) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    leaf, path = alone.sha256(b"\x00", leaves[index]), reference.path(index, leaves)

    assert alone.root_by_path(index, size, leaf, path) == reference.tree_hash(leaves)
    assert alone.Pyramid([alone.sha256(b"\x00", each) for each in leaves]).root(size) == reference.tree_hash(leaves)
    for wrong in ([*path, leaf], path[:-1] if path else [leaf]):
        with pytest.raises(alone.BadFormError):
            alone.root_by_path(index, size, leaf, wrong)


def test_a_kept_head_is_the_head_that_was_written(tmp_path: Path) -> None:
    file = tmp_path / "head"
    verified = alone.trusted_head(NOTE, alone.Trust(OTHER_KEYS))

    alone.keep_head(file, verified)

    kept = alone.last_head_of(file)
    assert kept is not None
    assert (kept.origin, kept.size, kept.root) == (verified.origin, 7, b"r" * 32)
    assert Checkpoint.parse(SignedNote.parse(file.read_bytes()).text).size == 7
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        alone.keep_head(tmp_path / "folder", verified)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "head"]


def test_a_folder_that_cannot_be_read_is_not_a_bad_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = LogFolder(tmp_path).add(3).write()
    log.remove("checkpoint")
    (tmp_path / "checkpoint").mkdir()

    assert alone.main(["--folder", str(tmp_path), "--key", LOG_KEY.vkey]) == 3
    assert "cannot read" in capsys.readouterr().err

"""What a witness remembers."""

import stat
from pathlib import Path

import pytest
from deploy.flockctl.audit.files import parse_keys, read_keys, write_whole
from deploy.flockctl.audit.witness_state import StateLostError, WitnessState, origin_hash

from deploy.flockctl.errors import CommandError
from shared.tlog.cosignature import Cosigner
from shared.tlog.witness import NOTHING_KNOWN, Known
from tests.unit.tlog.log_folder import LOG_KEY, ORIGIN, head

SEED, NAME = b"s" * 32, "witness.test/w"
ROOT = b"r" * 32


def cosigned(cosigner: Cosigner, size: int) -> bytes:
    note = head(size, ROOT, LOG_KEY)
    return (note + cosigner.cosign(note.partition("\n\n")[0] + "\n", timestamp=7).line).encode()


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    state = WitnessState(tmp_path / "w")
    first = state.cosigner(NAME, fresh_seed=SEED)
    again = state.cosigner(NAME, fresh_seed=b"x" * 32)
    state.close()

    assert first.verifier_key == again.verifier_key == Cosigner.from_seed(NAME, SEED).verifier_key
    assert stat.S_IMODE((tmp_path / "w" / "witness.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o700


def test_what_was_remembered_is_known_to_the_next_process(tmp_path: Path) -> None:
    state = WitnessState(tmp_path)
    cosigner = state.cosigner(NAME, fresh_seed=SEED)
    assert state.known(ORIGIN, cosigner) == NOTHING_KNOWN
    state.remember(ORIGIN, cosigned(cosigner, 9))
    state.close()

    state = WitnessState(tmp_path)

    assert state.known(ORIGIN, state.cosigner(NAME, fresh_seed=SEED)) == Known(9, ROOT)
    assert state.newest(origin_hash(ORIGIN)) == cosigned(cosigner, 9)
    state.close()


def test_two_witnesses_never_share_a_folder(tmp_path: Path) -> None:
    state = WitnessState(tmp_path)

    with pytest.raises(CommandError) as caught:
        WitnessState(tmp_path)

    assert caught.value.code == "in_use"
    state.close()
    WitnessState(tmp_path).close()


@pytest.mark.parametrize("kept", [b"", b"nonsense", head(9, ROOT, LOG_KEY).encode()])
def test_a_head_that_the_witness_did_not_write_is_not_taken_for_nothing(tmp_path: Path, kept: bytes) -> None:
    state = WitnessState(tmp_path)
    cosigner = state.cosigner(NAME, fresh_seed=SEED)
    (tmp_path / "heads" / origin_hash(ORIGIN)).write_bytes(kept)

    with pytest.raises(StateLostError):
        state.known(ORIGIN, cosigner)
    state.close()


def test_the_head_of_another_log_in_its_place_is_not_believed(tmp_path: Path) -> None:
    state = WitnessState(tmp_path)
    cosigner = state.cosigner(NAME, fresh_seed=SEED)
    state.remember("other.test/log", cosigned(cosigner, 9))

    with pytest.raises(StateLostError):
        state.known("other.test/log", cosigner)
    state.close()


def test_a_head_that_cannot_be_read_is_not_taken_for_nothing(tmp_path: Path) -> None:
    state = WitnessState(tmp_path)
    (tmp_path / "heads" / origin_hash(ORIGIN)).mkdir()

    with pytest.raises(StateLostError):
        state.newest(origin_hash(ORIGIN))
    state.close()


def test_a_lost_key_is_not_made_anew_beside_heads(tmp_path: Path) -> None:
    state = WitnessState(tmp_path)
    state.remember(ORIGIN, b"x")

    with pytest.raises(CommandError):
        state.cosigner(NAME, fresh_seed=SEED)
    state.close()


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"\xff", b"?" * 44])
def test_a_key_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    state = WitnessState(tmp_path)
    (tmp_path / "witness.key").write_bytes(content)

    with pytest.raises(CommandError):
        state.cosigner(NAME, fresh_seed=SEED)
    state.close()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError):
        WitnessState(tmp_path / "file" / "w")


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "head"
    write_whole(file, b"one")
    write_whole(file, b"two")
    assert file.read_bytes() == b"two"

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("")
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", b"x")

    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "head"]


def test_keys_have_comments_and_no_nonsense(tmp_path: Path) -> None:
    assert [key.text for key in parse_keys(["# a", "", f" {LOG_KEY.vkey} "])] == [LOG_KEY.vkey]
    with pytest.raises(CommandError):
        parse_keys(["nonsense"])
    with pytest.raises(CommandError):
        read_keys(tmp_path / "absent")

"""Cosignatures."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.tlog.checkpoint import Checkpoint, open_checkpoint
from shared.tlog.cosignature import MAX_TIMESTAMP, Cosigner, cosigned_by, cosigned_octets, verify_cosignature
from shared.tlog.errors import BadSignatureError, MalformedError, TlogError
from shared.tlog.note import Signature, SignedNote, VerifierKey

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "cosignatures.json").read_text(encoding="utf-8")
)
COSIGNER = Cosigner.from_seed("witness.test/w", b"w" * 32)
KEY = COSIGNER.verifier_key
TEXT = Checkpoint("log.test/a", 7, b"r" * 32).text


def test_the_signed_message_is_that_of_the_specification() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    assert cosigned_octets(text, 1679315147).decode() == f"cosignature/v1\ntime 1679315147\n{text}"


@pytest.mark.parametrize("vector", VECTORS)
def test_cosignatures_of_others_verify(vector: dict[str, Any]) -> None:
    log, witness = VerifierKey.parse(vector["log_vkey"]), VerifierKey.parse(vector["witness_vkey"])

    opened = open_checkpoint(vector["note"].encode(), [log, witness])
    [cosignature] = cosigned_by(opened.note, [log, witness])

    assert opened.signers == (log,)
    assert (cosignature.key, cosignature.timestamp) == (witness, vector["timestamp"])
    assert witness.text == vector["witness_vkey"]


@pytest.mark.parametrize("vector", VECTORS)
def test_any_flipped_bit_is_found(vector: dict[str, Any]) -> None:
    log, witness = VerifierKey.parse(vector["log_vkey"]), VerifierKey.parse(vector["witness_vkey"])
    octets = vector["note"].encode()
    for at in range(len(octets)):
        flipped = bytearray(octets)
        flipped[at] ^= 1
        try:
            note = SignedNote.parse(bytes(flipped))
            found = cosigned_by(note, [witness]) and open_checkpoint(bytes(flipped), [log])
        except TlogError:
            continue
        assert not found


@pytest.mark.parametrize("timestamp", [1, 1_700_000_000, MAX_TIMESTAMP])
def test_what_is_cosigned_verifies_with_its_time(timestamp: int) -> None:
    found = verify_cosignature(TEXT, COSIGNER.cosign(TEXT, timestamp=timestamp), KEY)

    assert (found.key, found.timestamp) == (KEY, timestamp)


@pytest.mark.parametrize("timestamp", [0, -1, MAX_TIMESTAMP + 1])
def test_a_time_out_of_range_is_not_cosigned(timestamp: int) -> None:
    with pytest.raises(MalformedError):
        COSIGNER.cosign(TEXT, timestamp=timestamp)


@pytest.mark.parametrize(
    "octets", [b"", b"x" * 71, b"\x00" * 8 + b"x" * 64, b"\xff" * 72, b"\x00" * 7 + b"\x01" + b"x" * 64]
)
def test_what_the_key_did_not_make_is_refused(octets: bytes) -> None:
    with pytest.raises(BadSignatureError):
        verify_cosignature(TEXT, Signature(KEY.name, KEY.key_id, octets), KEY)


def test_a_changed_time_is_found() -> None:
    signature = COSIGNER.cosign(TEXT, timestamp=5)
    later = Signature(signature.name, signature.key_id, (6).to_bytes(8, "big") + signature.octets[8:])

    with pytest.raises(BadSignatureError):
        cosigned_by(SignedNote(TEXT, (signature, later)), [KEY])


def test_of_two_cosignatures_the_newer_counts() -> None:
    note = SignedNote(TEXT, tuple(COSIGNER.cosign(TEXT, timestamp=time) for time in (5, 9, 7)))

    assert [each.timestamp for each in cosigned_by(note, [KEY])] == [9]


def test_a_private_key_is_in_no_representation() -> None:
    assert "private" not in repr(COSIGNER)

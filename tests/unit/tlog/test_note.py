"""Signed notes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.errors import BadSignatureError, MalformedError, TlogError, UnsignedError
from shared.tlog.note import (
    MAX_NOTE_LENGTH,
    Algorithm,
    Signature,
    SignedNote,
    Signer,
    VerifierKey,
    decode_base64,
    is_key_name,
    parse_signatures,
    signed_by,
)

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "notes.json").read_text(encoding="utf-8")
)
SIGNER = Signer.from_seed("log.test/a", b"a" * 32)
OTHER = Signer.from_seed("log.test/b", b"b" * 32)
TEXT = "one\n\nthree\n"
NOTE = SignedNote(TEXT, (SIGNER.sign(TEXT),))
LINE = NOTE.signatures[0].line


def note_of(lines: str, text: str = TEXT) -> bytes:
    return f"{text}\n{lines}".encode()


@pytest.mark.parametrize("vector", VECTORS)
def test_notes_of_others_verify(vector: dict[str, Any]) -> None:
    key = VerifierKey.parse(vector["vkey"])
    note = SignedNote.parse(vector["note"].encode())

    assert signed_by(note, [key]) == (key,)
    assert key.text == vector["vkey"]
    assert note.octets == vector["note"].encode()


@pytest.mark.parametrize("vector", VECTORS)
def test_a_note_with_any_bit_flipped_does_not_verify(vector: dict[str, Any]) -> None:
    key = VerifierKey.parse(vector["vkey"])
    octets = vector["note"].encode()
    for at in range(len(octets)):
        for bit in range(8):
            flipped = bytearray(octets)
            flipped[at] ^= 1 << bit
            with pytest.raises(TlogError):
                signed_by(SignedNote.parse(bytes(flipped)), [key])


@pytest.mark.parametrize("vector", VECTORS)
def test_a_note_that_is_cut_or_longer_does_not_verify(vector: dict[str, Any]) -> None:
    key = VerifierKey.parse(vector["vkey"])
    octets = vector["note"].encode()
    for length in range(len(octets)):
        with pytest.raises(TlogError):
            signed_by(SignedNote.parse(octets[:length]), [key])
    for trailing in (b"\n", b"x", b"\x00", b" ", octets):
        with pytest.raises(TlogError):
            signed_by(SignedNote.parse(octets + trailing), [key])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), min_size=1, max_size=5))
def test_parse_inverts_octets(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    note = SignedNote(text, (SIGNER.sign(text), OTHER.sign(text)))

    assert SignedNote.parse(note.octets) == note
    assert signed_by(note, [OTHER.verifier_key]) == (OTHER.verifier_key,)


@given(st.binary(max_size=120))
def test_any_octets_are_a_note_or_malformed(octets: bytes) -> None:
    try:
        note = SignedNote.parse(octets)
    except MalformedError:
        return
    assert note.octets == octets


def test_signatures_of_unknown_keys_are_ignored() -> None:
    note = NOTE.with_signatures([Signature("log.test/a", b"\x00" * 4, b"x"), OTHER.sign(TEXT)])

    assert signed_by(note, [SIGNER.verifier_key]) == (SIGNER.verifier_key,)


def test_all_known_signers_are_told_once() -> None:
    note = NOTE.with_signatures([OTHER.sign(TEXT), SIGNER.sign(TEXT)])

    assert len(note.signatures) == 2
    assert signed_by(note, [OTHER.verifier_key, SIGNER.verifier_key]) == (OTHER.verifier_key, SIGNER.verifier_key)


def test_a_note_without_a_known_signature_is_unsigned() -> None:
    cosigning = VerifierKey(SIGNER.name, SIGNER.verifier_key.public_key, Algorithm.COSIGNATURE_V1)
    for keys in ([], [OTHER.verifier_key], [cosigning]):
        with pytest.raises(UnsignedError):
            signed_by(NOTE, keys)


def test_one_forged_signature_of_a_known_key_spoils_the_note() -> None:
    forged = Signature(OTHER.name, OTHER.verifier_key.key_id, SIGNER.sign(TEXT).octets)

    with pytest.raises(BadSignatureError):
        signed_by(NOTE.with_signatures([forged]), [SIGNER.verifier_key, OTHER.verifier_key])


def test_a_key_that_is_no_point_of_the_curve_verifies_nothing() -> None:
    key = VerifierKey("x", b"\xff" * 32)
    with pytest.raises(BadSignatureError):
        key.verify(b"", b"x" * 64)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        note_of(""),
        note_of("x\n"),
        note_of(LINE.removesuffix("\n")),
        note_of(LINE + "\n"),
        note_of(LINE + "x\n"),
        note_of(LINE, text="bell\x07\n"),
        note_of(LINE, text="return\r\n"),
        note_of(LINE, text="tab\t\n"),
        b"\xff\n\n" + LINE.encode(),
        note_of(LINE.replace("— ", "- ")),
        note_of(LINE.replace("— ", "—")),
        note_of(LINE.replace(" log", "  log")),
        note_of(LINE.replace("log.test/a", "log+a")),
        note_of(LINE.replace("log.test/a", "log\u00a0a")),
        note_of(LINE.replace("log.test/a", "l" * 256)),
        note_of("— log.test/a\n"),
        note_of("— log.test/a \n"),
        note_of("— log.test/a AAAAAA==\n"),
        note_of("— log.test/a AAAAAAB=\n"),
        note_of("— log.test/a AAAAAAA\n"),
        note_of("— log.test/a AAAA AAA=\n"),
        note_of("— log.test/a AAAAAAA_\n"),
        note_of("— log.test/a ÄÄÄÄÄÄÄÄ\n"),
        note_of(LINE * 101),
        b"x" * (MAX_NOTE_LENGTH + 1),
    ],
)
def test_what_is_no_note_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedError):
        SignedNote.parse(octets)


def test_a_note_may_have_100_signatures() -> None:
    assert len(SignedNote.parse(note_of(LINE * 100)).signatures) == 100


def test_signature_lines_end_with_a_newline() -> None:
    with pytest.raises(MalformedError):
        parse_signatures("")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\x00", "a\u2003b", "\ud800", "x" * 256, "ä" * 128])
def test_some_names_name_no_key(name: str) -> None:
    assert not is_key_name(name)
    with pytest.raises(MalformedError):
        Signer.from_seed(name, b"a" * 32)


def test_a_seed_has_32_octets() -> None:
    with pytest.raises(MalformedError):
        Signer.from_seed("a", b"a" * 31)


@pytest.mark.parametrize("text", ["", "no newline", "bell\x07\n"])
def test_what_is_no_text_of_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedError):
        SIGNER.sign(text)


VKEY = SIGNER.verifier_key.text


def _vkey(material: bytes) -> str:
    key = VerifierKey("n", material[1:], Algorithm.ED25519)
    return f"n+{key.key_id.hex()}+{base64.b64encode(material).decode()}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.test/a",
        VKEY.removeprefix("log.test/a"),
        VKEY[:-1],
        VKEY + "=",
        VKEY + "\n",
        " " + VKEY,
        VKEY.replace("log.test/a", "log.test/b"),
        VKEY.upper(),
        VKEY.replace("+", "-"),
        "n+00000000+",
        _vkey(b"\x01" + b"k" * 31),
        _vkey(b"\x02" + b"k" * 32),
        "n+0000000g+AAAA",
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("text", ["A", "AA", "AAA", "AB==", "AA==\n", "AA =", "_w==", "é"])
def test_base64_has_one_form(text: str) -> None:
    with pytest.raises(MalformedError):
        decode_base64(text)


def test_a_private_key_is_in_no_representation() -> None:
    assert "private" not in repr(SIGNER)

"""The witness protocol, decided without state or HTTP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.cosignature import Cosigner
from shared.tlog.errors import BadSignatureError, MalformedError, UnsignedError
from shared.tlog.hashing import EMPTY_ROOT
from shared.tlog.note import Signature, Signer
from shared.tlog.witness import (
    NOTHING_KNOWN,
    AddCheckpoint,
    Cosign,
    Known,
    Refusal,
    Status,
    cosignatures_in,
    decide,
    known_size_in,
    request_origin,
)
from tests.unit.tlog import reference

ORIGIN = "log.test/a"
LOG, STRANGER = Signer.from_seed(ORIGIN, b"a" * 32), Signer.from_seed(ORIGIN, b"s" * 32)
LOGS = {ORIGIN: (LOG.verifier_key,)}
DATA = [bytes([number]) for number in range(100)]
WITNESS = Cosigner.from_seed("witness.test/w", b"w" * 32)


def root(size: int) -> bytes:
    return reference.tree_hash(DATA[:size])


def known(size: int) -> Known:
    return Known(size, root(size))


def request(
    old: int, size: int, *, signer: Signer = LOG, proof: list[bytes] | None = None, other: bytes = b""
) -> bytes:
    note = Checkpoint(ORIGIN, size, other or root(size)).signed([signer]).octets
    made = reference.proof(old, DATA[:size]) if 0 < old <= size else []
    return AddCheckpoint(old, tuple(made if proof is None else proof), note).octets


def status(octets: bytes, remembered: Known) -> int:
    decision = decide(octets, LOGS, remembered)
    return Status.OK if isinstance(decision, Cosign) else decision.status


def test_the_example_of_tlog_witness_parses_and_comes_back() -> None:
    example = (
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n"
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    ).encode()

    found = AddCheckpoint.parse(example)

    assert (found.old_size, len(found.proof)) == (20852014, 4)
    assert found.octets == example
    assert request_origin(example) == "example.com/behind-the-sofa"


@given(old=st.integers(min_value=0, max_value=100), more=st.integers(min_value=0, max_value=100))
def test_a_log_that_grows_is_cosigned(old: int, more: int) -> None:
    size = min(old + more, 100)

    decision = decide(request(old, size), LOGS, known(old))

    assert isinstance(decision, Cosign)
    assert decision.known == known(size)
    assert len(decision.note.signatures) == 1


def test_unknown_signatures_are_left_out() -> None:
    head = Checkpoint(ORIGIN, 5, root(5)).signed([LOG, STRANGER])

    decision = decide(AddCheckpoint(0, (), head.octets).octets, LOGS, NOTHING_KNOWN)

    assert isinstance(decision, Cosign)
    assert decision.note.signatures == head.signatures[:1]


def test_an_empty_log_has_the_empty_root() -> None:
    assert status(request(0, 0), NOTHING_KNOWN) == 200
    assert status(request(0, 0, other=b"x" * 32), NOTHING_KNOWN) == 422
    assert NOTHING_KNOWN.root == EMPTY_ROOT


@pytest.mark.parametrize(
    ("octets", "remembered", "expected"),
    [
        (request(5, 9, signer=Signer.from_seed("other", b"o" * 32)), 5, 403),
        (request(5, 9, signer=STRANGER), 5, 403),
        (request(9, 5), 9, 400),
        (request(9, 5), 5, 400),
        (request(5, 9), 4, 409),
        (request(5, 9), 9, 409),
        (request(0, 9), 5, 409),
        (request(5, 9), 0, 409),
        (request(0, 9, proof=[b"x" * 32]), 0, 422),
        (request(5, 9, proof=[]), 5, 422),
        (request(5, 9, proof=reference.proof(4, DATA[:9])), 5, 422),
        (request(5, 9, other=b"x" * 32), 5, 422),
        (request(5, 5, other=b"x" * 32), 5, 422),
        (request(5, 5, proof=[b"x" * 32]), 5, 422),
    ],
)
def test_refusals_have_the_status_of_the_specification(octets: bytes, remembered: int, expected: int) -> None:
    assert status(octets, known(remembered)) == expected


def test_the_proof_starts_from_what_the_witness_remembers_not_from_what_the_log_says() -> None:
    assert status(request(5, 9), Known(5, b"other root".ljust(32))) == 422


def test_a_conflict_tells_the_known_size() -> None:
    assert decide(request(3, 9), LOGS, known(5)) == Refusal(
        Status.CONFLICT, "the old size is not that of the newest cosigned checkpoint", 5
    )


def test_an_unknown_origin_is_not_found() -> None:
    decision = decide(request(0, 3), {"other": (LOG.verifier_key,)}, NOTHING_KNOWN)

    assert isinstance(decision, Refusal)
    assert decision.status == 404


def test_a_forged_signature_is_forbidden() -> None:
    note = Checkpoint(ORIGIN, 3, root(3)).signed([LOG])
    forged = note.with_signatures([Signature(LOG.name, LOG.verifier_key.key_id, STRANGER.sign(note.text).octets)])

    assert status(AddCheckpoint(0, (), forged.octets).octets, NOTHING_KNOWN) == 403


GOOD = request(5, 9)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"old 5\n",
        b"\n" + GOOD,
        GOOD.replace(b"old 5", b"old 05"),
        GOOD.replace(b"old 5", b"old -5"),
        GOOD.replace(b"old 5", b"old  5"),
        GOOD.replace(b"old 5", b"OLD 5"),
        GOOD.replace(b"old 5\n", b""),
        GOOD.replace(b"old 5\n", b"old 5\nAAAA\n"),
        GOOD.replace(b"old 5\n", b"old 5\nnot base64\n"),
        GOOD.replace(b"old 5\n", "old 5\nä\n".encode()),
        GOOD.replace(b"old 5\n", b"old 5\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 60),
        GOOD + b"\n",
        GOOD[:-1],
        b"old 5\n\nno checkpoint\n",
        b"x" * 1_010_000,
    ],
)
def test_what_is_no_request_is_a_bad_request(octets: bytes) -> None:
    assert status(octets, known(5)) == 400
    with pytest.raises(MalformedError):
        request_origin(octets)


@given(st.binary(max_size=100))
def test_any_octets_are_decided(octets: bytes) -> None:
    assert status(octets, NOTHING_KNOWN) == 400


TEXT = Checkpoint(ORIGIN, 9, root(9)).text


def test_a_witness_s_answer_is_verified_before_it_is_used() -> None:
    signature = WITNESS.cosign(TEXT, timestamp=7)
    unknown = Cosigner.from_seed("witness.test/x", b"x" * 32).cosign(TEXT, timestamp=8)

    answer = f"{unknown.line}{signature.line}".encode()
    [(found, cosignature)] = cosignatures_in(answer, TEXT, [WITNESS.verifier_key])

    assert (found, cosignature.timestamp) == (signature, 7)


def test_a_useless_answer_of_a_witness_is_refused() -> None:
    other = WITNESS.cosign("another\n", timestamp=7).line.encode()
    with pytest.raises(BadSignatureError):
        cosignatures_in(other, TEXT, [WITNESS.verifier_key])
    with pytest.raises(UnsignedError):
        cosignatures_in(other, TEXT, [])
    for answer in (b"", b"\xff\n", b"x\n", other[:-1]):
        with pytest.raises(MalformedError):
            cosignatures_in(answer, TEXT, [WITNESS.verifier_key])


def test_the_size_in_a_conflict_has_one_form() -> None:
    assert known_size_in(b"20\n") == 20
    for answer in (b"", b"20", b"020\n", b"20\n\n", "\u0662\n".encode(), b"x\n"):
        with pytest.raises(MalformedError):
            known_size_in(answer)

"""A witness, without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.flockctl.audit.witness import Witness, logs_of
from deploy.flockctl.audit.witness_state import WitnessState, origin_hash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.tlog.note import VerifierKey
from shared.tlog.witness import AddCheckpoint, cosignatures_in, known_size_in
from tests.unit.tlog import reference
from tests.unit.tlog.log_folder import LOG_KEY, OLD_LOG_KEY, ORIGIN, WITNESS_KEY, head

DATA = [bytes([number]) for number in range(30)]
FORK = [*DATA[:3], b"other", *DATA[4:]]
NOW = 1_700_000_000.9


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    made = new_witness(tmp_path)
    yield made
    made.state.close()


def new_witness(folder: Path) -> Witness:
    state = WitnessState(folder)
    cosigner = state.cosigner("witness.test/w", fresh_seed=b"s" * 32)
    return Witness(state, cosigner, logs_of([VerifierKey.parse(LOG_KEY.vkey)]), lambda: NOW)


def request(old: int, size: int, data: list[bytes] = DATA) -> bytes:
    note = head(size, reference.tree_hash(data[:size]), LOG_KEY).encode()
    proof = reference.proof(old, data[:size]) if 0 < old <= size else []
    return AddCheckpoint(old, tuple(proof), note).octets


def text_of(body: bytes) -> str:
    return body.decode().partition("\n\n")[2].partition("\n\n")[0] + "\n"


def test_a_log_that_grows_is_cosigned_and_remembered(witness: Witness) -> None:
    for old, size in [(0, 3), (3, 3), (3, 20)]:
        body = request(old, size)
        answer = witness.add_checkpoint(body)

        assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8")
        [(signature, cosignature)] = cosignatures_in(answer.body, text_of(body), [witness.cosigner.verifier_key])
        assert cosignature.timestamp == int(NOW)
        kept = witness.newest(origin_hash(ORIGIN))
        assert kept.body == body.partition(b"\n\n")[2] + signature.line.encode()


def test_two_roots_of_one_size_are_never_both_cosigned(witness: Witness) -> None:
    assert witness.add_checkpoint(request(0, 9)).status == 200

    assert witness.add_checkpoint(request(9, 9, FORK)).status == 422
    assert witness.add_checkpoint(request(0, 9, FORK)).status == 409
    assert witness.add_checkpoint(request(9, 20, FORK)).status == 422
    assert witness.add_checkpoint(request(9, 20)).status == 200


def test_a_conflict_tells_the_size_in_its_own_type(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 9))

    answer = witness.add_checkpoint(request(0, 20))

    assert (answer.status, answer.content_type, known_size_in(answer.body)) == (409, "text/x.tlog.size", 9)


def test_strangers_are_told_apart(witness: Witness) -> None:
    root = reference.tree_hash(DATA[:3])

    assert witness.add_checkpoint(b"nonsense").status == 400
    other = head(3, root, LOG_KEY, origin="other.test/log").encode()
    assert witness.add_checkpoint(AddCheckpoint(0, (), other).octets).status == 404
    unsigned = head(3, root, OLD_LOG_KEY).encode()
    assert witness.add_checkpoint(AddCheckpoint(0, (), unsigned).octets).status == 403
    assert witness.newest(origin_hash(ORIGIN)).status == 404


def test_what_could_not_be_kept_is_not_cosigned(witness: Witness, tmp_path: Path) -> None:
    (tmp_path / "heads").rename(tmp_path / "moved")

    answer = witness.add_checkpoint(request(0, 3))

    assert answer.status == 500
    assert "—".encode() not in answer.body


def test_a_witness_whose_memory_is_lost_cosigns_nothing(witness: Witness, tmp_path: Path) -> None:
    witness.add_checkpoint(request(0, 3))
    (tmp_path / "heads" / origin_hash(ORIGIN)).write_bytes(b"")

    assert witness.add_checkpoint(request(0, 9, FORK)).status == 500
    (tmp_path / "heads" / origin_hash(ORIGIN)).unlink()
    (tmp_path / "heads" / origin_hash(ORIGIN)).mkdir()
    assert witness.newest(origin_hash(ORIGIN)).status == 500


def test_logs_are_known_by_all_their_keys() -> None:
    keys = [VerifierKey.parse(key.vkey) for key in (LOG_KEY, OLD_LOG_KEY, WITNESS_KEY)]

    assert logs_of(keys) == {ORIGIN: tuple(keys[:2])}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=12))
def test_whatever_is_asked_all_that_is_cosigned_is_one_history(
    asked: list[tuple[int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    witness = new_witness(tmp_path_factory.mktemp("w"))
    cosigned: list[tuple[int, bytes]] = []
    for old, size, is_fork in asked:
        data = FORK if is_fork else DATA
        if witness.add_checkpoint(request(old, size, data)).status == 200:
            cosigned.append((size, reference.tree_hash(data[:size])))
    witness.state.close()

    assert [size for size, _ in cosigned] == sorted(size for size, _ in cosigned)
    histories = [{(size, reference.tree_hash(data[:size])) for size in range(31)} for data in (DATA, FORK)]
    assert any(set(cosigned) <= history for history in histories)

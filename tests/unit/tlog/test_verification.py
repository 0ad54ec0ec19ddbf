"""Verifying a whole log and a part of it, good or tampered with."""

from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.findings import Code, Report
from shared.tlog.heads import Trust
from shared.tlog.note import SignedNote, VerifierKey
from shared.tlog.verification import verify_log, verify_range
from tests.unit.tlog.folder_reader import FolderReader
from tests.unit.tlog.log_folder import LOG_KEY, WITNESS_KEY, LogFolder
from tests.unit.tlog.tampering import LOGS, Tampering

KEYS = [VerifierKey.parse(LOG_KEY.vkey), VerifierKey.parse(WITNESS_KEY.vkey)]


@frozen
class Case:
    """A log to verify, and what is believed beforehand."""

    reader: FolderReader
    trust: Trust


def head_of(note: str) -> Checkpoint:
    return Checkpoint.parse(SignedNote.parse(note.encode()).text)


def prepared(case: Tampering, folder: Path) -> Case:
    log = LogFolder(folder).add(case.last or 0)
    kept = case.kept if case.last is None else log.head()
    log.add(case.size - log.size).write()
    case.tamper(log)
    return Case(FolderReader(folder), Trust(KEYS, head_of(kept) if kept else None, case.witnesses))


def found(report: Report) -> tuple[tuple[str, int | None], ...]:
    return tuple((finding.code.value, finding.index) for finding in report.findings)


BIG: Final = 10_000  # of a log so big, two verifiers tell the same in tests/unit/verifier


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.soak) if case.size > BIG else case for case in LOGS],
    ids=lambda case: case.name,
)
def test_a_whole_log_is_well_or_what_is_wrong_is_named(case: Tampering, tmp_path: Path) -> None:
    prepared_case = prepared(case, tmp_path)

    report = verify_log(prepared_case.reader, prepared_case.trust)

    assert found(report) == case.expected
    assert report.is_well == (not case.expected)
    assert all(finding.sentence for finding in report.findings)


def test_a_good_report_tells_what_was_verified(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(300).write(LOG_KEY, WITNESS_KEY)
    last = LogFolder(tmp_path).add(200).head()

    report = verify_log(FolderReader(tmp_path), Trust(KEYS, head_of(last), 1))

    assert report.head == head_of(log.head())
    assert (report.entries, report.continues_last_head) == (300, True)
    assert [each.key.name for each in report.cosignatures] == [WITNESS_KEY.name]
    assert report.note == log.head(LOG_KEY, WITNESS_KEY).encode()


def test_without_a_trusted_head_nothing_is_well(tmp_path: Path) -> None:
    LogFolder(tmp_path).add(3).write()

    report = verify_log(FolderReader(tmp_path), Trust([]))

    assert found(report) == (("unsigned_head", None),)
    assert report.head is None
    assert not report.is_well


RANGES = {
    "entry_altered": (("wrong_commitment", 3),),
    "entries_swapped": (("wrong_commitment", 10),),
    "bundle_gone": (),
    "tile_gone": (),
    "good_600_0": (),
    "good_600_257": (),
    "good_600_512": (),
    "good_600_600": (),
    "good_65836_65536": (),
    "tile_above_altered": (("first_difference", None),),
    "tile_above_gone": (("missing_entry", 0),),
    "all_tiles_follow_but_the_head": (("first_difference", None),),
    "entry_and_leaf_altered": (),
    "history_rewritten": (("forked", None),),
    "two_heads_of_one_size": (("forked", None),),
    "newest_cut_off": (("older_than_last_head", None),),
    "last_entry_cut_off": (),
    "leaf_of_the_border_altered": (("first_difference", None),),
    "no_head": (("unsigned_head", None),),
    "partial_tiles_replaced_by_full_ones": (),
}


@pytest.mark.parametrize("case", [case for case in LOGS if case.name in RANGES], ids=lambda case: case.name)
def test_of_a_range_what_concerns_it_is_named(case: Tampering, tmp_path: Path) -> None:
    prepared_case = prepared(case, tmp_path)

    report = verify_range(prepared_case.reader, prepared_case.trust, start=0, end=min(50, case.size))

    assert found(report) == RANGES[case.name]


def test_entries_outside_the_range_are_not_read(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(600).write()
    log.remove("tile/entries/000")
    log.remove("tile/0/000")

    assert verify_range(FolderReader(tmp_path), Trust(KEYS), start=256, end=600).is_well


def test_a_tile_in_the_range_that_the_head_does_not_vouch_for_is_found(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(600).write()
    log.alter("tile/0/001", lambda octets: b"x" + octets[1:])

    report = verify_range(FolderReader(tmp_path), Trust(KEYS), start=250, end=300)

    assert found(report) == (("first_difference", 256),)


def test_in_a_range_the_first_entry_that_differs_is_named(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(600).write()
    log.alter("tile/entries/001", lambda octets: octets[: 34 * 5 + 2] + b"x" * 32 + octets[34 * 6 :])

    reader, trust = FolderReader(tmp_path), Trust(KEYS)

    assert found(verify_range(reader, trust, start=200, end=300)) == (("wrong_commitment", 261),)
    assert verify_range(reader, trust, start=262, end=300).is_well
    assert verify_range(reader, trust, start=200, end=261).is_well


@pytest.mark.parametrize(("start", "end", "missing"), [(590, 601, 600), (600, 601, 600), (5, 5, 600), (700, 800, 700)])
def test_a_range_that_the_log_does_not_have_is_missing(tmp_path: Path, start: int, end: int, missing: int) -> None:
    LogFolder(tmp_path).add(600).write()

    report = verify_range(FolderReader(tmp_path), Trust(KEYS), start=start, end=end)

    assert found(report) == (("missing_entry", missing),)


@given(st.data())
def test_every_flipped_bit_of_a_log_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = LogFolder(folder).add(300).write()
    file = data.draw(st.sampled_from(sorted(each for each in folder.rglob("*") if each.is_file())))
    octets = bytearray(file.read_bytes())
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(bytes(octets))

    assert log.size == 300
    assert not verify_log(FolderReader(folder), Trust(KEYS)).is_well


def test_the_codes_are_pinned() -> None:
    assert sorted(code.value for code in Code) == [
        "bad_signature",
        "first_difference",
        "forked",
        "malformed",
        "missing_entry",
        "older_than_last_head",
        "unsigned_head",
        "wrong_commitment",
    ]

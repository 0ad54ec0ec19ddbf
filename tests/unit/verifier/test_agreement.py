# ruff: noqa: E501 - one case a line
"""Two verifiers, written apart from each other, say the same of every log and export, good or tampered with."""

from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from deploy.verifier import ironflock_audit_verify as alone
from shared.tlog.export import verify_export
from shared.tlog.heads import Trust
from shared.tlog.verification import verify_log, verify_range
from tests.unit.tlog.folder_reader import FolderReader
from tests.unit.tlog.log_folder import LOG_KEY, WITNESS_KEY, LogFolder
from tests.unit.tlog.tampering import EXPORTS, LOGS, BadExport, Tampering, made
from tests.unit.tlog.test_verification import KEYS, head_of
from tests.unit.verifier.agreement import assert_same

OTHER_KEYS = (alone.Key.from_text(LOG_KEY.vkey), alone.Key.from_text(WITNESS_KEY.vkey))


def both(note: str | None, witnesses: int) -> tuple[Trust, alone.Trust]:
    ours = Trust(KEYS, head_of(note) if note else None, witnesses)
    return ours, alone.Trust(OTHER_KEYS, alone.head_in(alone.split_note(note.encode())[0]) if note else None, witnesses)


def prepared(case: Tampering, folder: Path) -> tuple[Trust, alone.Trust]:
    log = LogFolder(folder).add(case.last or 0)
    kept = case.kept if case.last is None else log.head()
    log.add(case.size - log.size).write()
    case.tamper(log)
    return both(kept, case.witnesses)


@pytest.mark.parametrize("case", LOGS, ids=lambda case: case.name)
def test_they_agree_on_whole_logs(case: Tampering, tmp_path: Path) -> None:
    trust, other = prepared(case, tmp_path)

    report = verify_log(FolderReader(tmp_path), trust)

    assert report.is_well == (not case.expected)
    assert_same(report, alone.verify_log(alone.Folder(tmp_path), other))


@pytest.mark.parametrize("case", [case for case in LOGS if case.size < 1000], ids=lambda case: case.name)
@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (0, 300), (250, 260), (256, 512), (500, 600), (599, 600), (600, 601), (3, 3)]
)
def test_they_agree_on_ranges(case: Tampering, start: int, end: int, tmp_path: Path) -> None:
    trust, other = prepared(case, tmp_path)

    report = verify_range(FolderReader(tmp_path), trust, start=start, end=end)
    verdict = alone.verify_range(alone.Folder(tmp_path), other, start, end)

    assert {finding.code.value for finding in report.findings} == {complaint.code for complaint in verdict.complaints}
    assert verdict.compared == report.continues_last_head


def test_they_agree_on_a_log_of_three_levels(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(65_536 + 300)
    head = log.head()
    log.add(300).write()
    reader, folder = FolderReader(tmp_path), alone.Folder(tmp_path)
    trust, other = both(head, 0)
    for start, end in [(0, 1), (255, 257), (65_535, 65_537), (66_100, 66_136)]:
        assert_same(verify_range(reader, trust, start=start, end=end), alone.verify_range(folder, other, start, end))

    log.alter("tile/1/001.p/2", lambda octets: b"x" + octets[1:])

    for start, end in [(0, 1), (65_535, 65_537), (66_100, 66_136)]:
        report = verify_range(reader, trust, start=start, end=end)
        assert not report.is_well
        assert {each.code for each in alone.verify_range(folder, other, start, end).complaints} == {"first_difference"}


@pytest.mark.parametrize("case", EXPORTS, ids=lambda case: case.name)
def test_they_agree_on_exports(case: BadExport, tmp_path: Path) -> None:
    lines = made(case, LogFolder(tmp_path).add(9))
    flavour = "other" if case.fork else "plain"
    note = None if case.last is None else LogFolder(tmp_path).add(case.last, flavour=flavour).head()
    trust, other = both(note, case.witnesses)

    assert_same(verify_export(lines, trust), alone.verify_export(lines, other))


@given(st.data())
def test_they_agree_on_any_flipped_octet(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("log")
    last = LogFolder(folder).add(data.draw(st.sampled_from([0, 3, 256, 259]))).head()
    LogFolder(folder).add(260).write()
    file = data.draw(st.sampled_from(sorted(each for each in folder.rglob("*") if each.is_file())))
    octets = bytearray(file.read_bytes())
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(bytes(octets))
    trust, other = both(last, 0)

    assert_same(verify_log(FolderReader(folder), trust), alone.verify_log(alone.Folder(folder), other))


LINES = made(EXPORTS[0], LogFolder(Path("/nowhere")).add(9))


@given(st.data())
def test_they_agree_on_any_changed_octet_of_an_export(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(LINES) - 1))
    octets = bytearray(LINES[number])
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    lines = [*LINES[:number], bytes(octets), *LINES[number + 1 :]]
    trust, other = both(None, 0)

    assert_same(verify_export(lines, trust), alone.verify_export(lines, other))


values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(values)
def test_their_canonical_json_is_the_same(value: Any) -> None:
    assert alone.canonical(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (5e-324, "5e-324"), (-5e-324, "-5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"), (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"), (9.999999999999997e22, "9.999999999999997e+22"), (1e23, "1e+23"), (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"), (0.000001, "0.000001"), (333333333.3333332, "333333333.3333332"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"), (0.0, "0"), (-0.0, "0"), (1424953923781206.2, "1424953923781206.2"),
    ],
)  # fmt: skip
def test_numbers_are_those_of_rfc_8785_appendix_b(number: float, text: str) -> None:
    assert alone.canonical(number) == text

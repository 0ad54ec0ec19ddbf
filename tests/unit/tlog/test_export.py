"""Verifying an export file."""

from pathlib import Path

import pytest

from shared.tlog.export import verify_export
from shared.tlog.heads import Trust
from tests.unit.tlog.log_folder import LogFolder, as_lines
from tests.unit.tlog.tampering import EXPORTS, BadExport, made
from tests.unit.tlog.test_verification import KEYS, found, head_of


def last_head(case: BadExport, folder: Path) -> str | None:
    if case.last is None:
        return None
    return LogFolder(folder).add(case.last, flavour="other" if case.fork else "plain").head()


@pytest.mark.parametrize("case", EXPORTS, ids=lambda case: case.name)
def test_an_export_is_well_or_what_is_wrong_is_named(case: BadExport, tmp_path: Path) -> None:
    lines = made(case, LogFolder(tmp_path).add(9))
    last = last_head(case, tmp_path)

    report = verify_export(lines, Trust(KEYS, head_of(last) if last else None, case.witnesses))

    assert found(report) == case.expected
    assert report.is_well == (not case.expected)


def test_a_good_report_tells_what_was_verified(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(9)
    lines = as_lines(log.export(redacted=(1, 2)))

    report = verify_export(lines, Trust(KEYS, head_of(log.head())))

    assert (report.entries, report.redacted, report.continues_last_head) == (9, 2, True)
    assert report.head == head_of(log.head())


def test_a_larger_head_is_not_said_to_continue_the_last_one(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).add(4)
    last = head_of(log.head())

    report = verify_export(as_lines(log.add(5).export()), Trust(KEYS, last))

    assert report.is_well
    assert not report.continues_last_head

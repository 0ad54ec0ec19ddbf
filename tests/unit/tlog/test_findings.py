"""Reports."""

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.findings import Code, Finding, Report


def test_a_report_is_well_with_a_head_and_without_findings() -> None:
    head = Checkpoint("o", 0, b"r" * 32)

    assert Report(head=head).is_well
    assert not Report().is_well
    assert not Report(head=head, findings=(Finding(Code.FORKED, "it was"),)).is_well

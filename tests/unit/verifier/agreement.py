"""What it is for two verifiers to say the same."""

from deploy.verifier import ironflock_audit_verify as alone
from shared.tlog.findings import Report


def assert_same(report: Report, verdict: alone.Verdict) -> None:
    """Codes, places and counts are the same."""
    ours = [(finding.code.value, finding.index) for finding in report.findings]
    assert [(complaint.code, complaint.index) for complaint in verdict.complaints] == ours
    assert verdict.is_well == report.is_well
    assert verdict.compared == report.continues_last_head
    if report.is_well:
        assert (verdict.entries, verdict.redacted) == (report.entries, report.redacted)

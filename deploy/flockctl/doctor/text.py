"""Findings for people."""

from collections.abc import Mapping, Sequence

from deploy.flockctl.doctor.records import Finding, Severity
from deploy.flockctl.text import printable


def as_text(findings: Sequence[Finding], checked: int, unseen: Mapping[str, str]) -> str:
    """What, why, what to do; and what was not looked at, and why not."""
    if not findings:
        return "\n".join([f"{checked} checks: all is well.", *_unseen(unseen)])
    lines: list[str] = []
    for finding in findings:
        mark = "PROBLEM" if finding.severity is Severity.PROBLEM else "warning"
        what = " ".join(printable(word) for word in finding.what.split())
        lines += [f"{mark}: {what} ({finding.code})", f"    {finding.why}", f"    To do: {finding.remedy}."]
    return "\n".join([*lines, f"{checked} checks, {len(findings)} findings.", *_unseen(unseen)])


def _unseen(unseen: Mapping[str, str]) -> list[str]:
    return [f"not looked at: {what}, because {why}" for what, why in unseen.items()]

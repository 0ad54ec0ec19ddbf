"""Findings, for people and for programs."""

from collections.abc import Sequence
from typing import Any

from attrs import asdict

from deploy.flockctl.doctor.records import Finding, Severity
from deploy.flockctl.text import printable


def payload(findings: Sequence[Finding], checked: int) -> dict[str, Any]:
    """For programs."""
    rows = [{**asdict(finding), "severity": finding.severity.name.lower()} for finding in findings]
    return {"well": not findings, "checked": checked, "findings": rows}


def as_text(findings: Sequence[Finding], checked: int) -> str:
    """For people: what, why, what to do."""
    if not findings:
        return f"{checked} checks: all is well."
    lines: list[str] = []
    for finding in findings:
        mark = "PROBLEM" if finding.severity is Severity.PROBLEM else "warning"
        what = " ".join(printable(word) for word in finding.what.split())
        lines += [f"{mark}: {what} ({finding.code})", f"    {finding.why}", f"    To do: {finding.remedy}."]
    return "\n".join([*lines, f"{checked} checks, {len(findings)} findings."])

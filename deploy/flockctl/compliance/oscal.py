"""A report as OSCAL assessment results (NIST OSCAL 1.1, JSON): a result a framework, a finding a control."""

import re
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid5

from deploy.flockctl.compliance.records import Evidence, Report, Status, Verdict

OSCAL_VERSION: Final = "1.1.2"
NAMESPACE: Final = UUID("9d3c3f5e-8a0b-4f0e-9f5c-6d6a2f0c7b11")
_METHODS: Final = {"check": "EXAMINE", "test": "TEST"}


def assessment_results(report: Report) -> dict[str, Any]:
    """The document; the same report gives the same octets, identifiers included."""
    moment = datetime.fromtimestamp(report.made_at, UTC).isoformat()
    by_framework = groupby(report.verdicts, key=lambda verdict: verdict.control.framework)
    content = {
        "uuid": _uuid(report, "report"),
        "metadata": {
            "title": "What an IronFlock installation shows of its controls",
            "last-modified": moment,
            "version": report.release,
            "oscal-version": OSCAL_VERSION,
            "remarks": "; ".join(f"{name}: {said}" for name, said in report.facts.items()) or "no facts",
        },
        "import-ap": {
            "href": "#plan",
            "remarks": "No plan of its own: the controls are those of the frameworks named.",
        },
        "results": [_result(report, framework, list(verdicts), moment) for framework, verdicts in by_framework],
    }
    return {"assessment-results": content}


def _result(report: Report, framework: str, verdicts: list[Verdict], moment: str) -> dict[str, Any]:
    observations = [
        _observation(report, verdict, evidence, moment) for verdict in verdicts for evidence in verdict.evidence
    ]
    result = {
        "uuid": _uuid(report, framework),
        "title": framework,
        "description": f"What was seen for {len(verdicts)} controls",
        "start": moment,
        "reviewed-controls": {
            "control-selections": [
                {"include-controls": [{"control-id": token(each.control.control)} for each in verdicts]}
            ]
        },
        "findings": [_finding(report, verdict) for verdict in verdicts],
    }
    return result | ({"observations": observations} if observations else {})


def _observation(report: Report, verdict: Verdict, evidence: Evidence, moment: str) -> dict[str, Any]:
    return {
        "uuid": _observation_uuid(report, verdict, evidence),
        "title": f"{evidence.kind} {evidence.name}",
        "description": evidence.says,
        "methods": [_METHODS[evidence.kind]],
        "collected": moment,
    }


def _finding(report: Report, verdict: Verdict) -> dict[str, Any]:
    control = verdict.control
    satisfied = verdict.status in (Status.SHOWN, Status.PARTLY)
    related = [{"observation-uuid": _observation_uuid(report, verdict, each)} for each in verdict.evidence]
    finding: dict[str, Any] = {
        "uuid": _uuid(report, control.framework, control.control),
        "title": f"{control.control} {control.title}",
        "description": control.does or control.gap,
        "target": {
            "type": "objective-id",
            "target-id": token(control.control),
            "status": {"state": "satisfied" if satisfied else "not-satisfied", "reason": token(verdict.status)},
        },
    }
    if control.gap:
        finding["remarks"] = f"Not done here: {control.gap}"
    return finding | ({"related-observations": related} if related else {})


def token(text: str) -> str:
    """`text` as an OSCAL token: letters, digits, dots, hyphens and underscores, a letter first."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-")


def _observation_uuid(report: Report, verdict: Verdict, evidence: Evidence) -> str:
    return _uuid(report, verdict.control.framework, verdict.control.control, evidence.kind, evidence.name)


def _uuid(report: Report, *names: str) -> str:
    return str(uuid5(NAMESPACE, "/".join((f"{report.made_at:.3f}", *names))))

"""A report as OSCAL assessment results (NIST OSCAL 1.2, JSON): a result a framework, a finding a control."""

import re
from base64 import b64encode
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid5

from deploy.flockctl.compliance.records import Evidence, Report, Status, Verdict

OSCAL_VERSION: Final = "1.2.1"
NAMESPACE: Final = UUID("9d3c3f5e-8a0b-4f0e-9f5c-6d6a2f0c7b11")
_METHODS: Final = {"check": "EXAMINE", "test": "TEST"}
_PLAN: Final = "plan"
_HEAD: Final = "head of the audit log"


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
            "href": f"#{_uuid(report, _PLAN)}",
            "remarks": "No OSCAL plan: the file of controls, which says what is looked at for each.",
        },
        "results": [_result(report, framework, list(verdicts), moment) for framework, verdicts in by_framework],
        "back-matter": {"resources": _resources(report)},
    }
    return {"assessment-results": content}


def _result(report: Report, framework: str, verdicts: list[Verdict], moment: str) -> dict[str, Any]:
    reviewed = [each for each in verdicts if each.status is not Status.ELSEWHERE]
    observations = [
        _observation(report, verdict, evidence, moment) for verdict in reviewed for evidence in verdict.evidence
    ]
    result = {
        "uuid": _uuid(report, framework),
        "title": framework,
        "description": f"{len(reviewed)} of {len(verdicts)} controls were looked at; the others are not the platform's",
        "start": moment,
        "reviewed-controls": {"control-selections": [_selection(verdicts)]},
        "findings": [_finding(report, verdict) for verdict in reviewed],
    }
    return result | ({"observations": observations} if observations else {})


def _selection(verdicts: list[Verdict]) -> dict[str, Any]:
    """Which controls were reviewed, and which were not, since they are for others to fulfil, with the reasons."""
    controls = [each.control for each in verdicts if each.status is not Status.ELSEWHERE]
    others = [each.control for each in verdicts if each.status is Status.ELSEWHERE]
    selection: dict[str, Any] = {"include-controls": [{"control-id": token(each.control)} for each in controls]}
    if others:
        selection["exclude-controls"] = [{"control-id": token(each.control)} for each in others]
        selection["remarks"] = "\n".join(
            f"- {each.control} {each.title}, for the {each.whose}: {each.because}" for each in others
        )
    return selection


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
    related = [{"observation-uuid": _observation_uuid(report, verdict, each)} for each in verdict.evidence]
    # What is shown in part is not satisfied: whoever reads states alone is told nothing that is not so.
    state = "satisfied" if verdict.status is Status.SHOWN else "not-satisfied"
    finding: dict[str, Any] = {
        "uuid": _uuid(report, control.framework, control.control),
        "title": f"{control.control} {control.title}",
        "description": control.does or control.gap,
        "target": {
            "type": "objective-id",
            "target-id": token(control.control),
            "status": {"state": state, "reason": token(verdict.status)},
        },
    }
    if control.gap:
        finding["remarks"] = f"Not done here: {control.gap}"
    return finding | ({"related-observations": related} if related else {})


def _resources(report: Report) -> list[dict[str, Any]]:
    resources = [_resource(report, _PLAN, "The controls, and what is looked at for each", "controls.yaml", report.plan)]
    if report.head is not None:
        note = report.head.note.encode()
        resources.append(_resource(report, _HEAD, "The newest signed head of the audit log", "checkpoint", note))
    return resources


def _resource(report: Report, name: str, title: str, file: str, content: bytes) -> dict[str, Any]:
    return {
        "uuid": _uuid(report, name),
        "title": title,
        "base64": {"filename": file, "media-type": "text/plain", "value": b64encode(content).decode("ascii")},
    }


def token(text: str) -> str:
    """`text` as an OSCAL token: letters, digits, dots, hyphens and underscores, a letter first."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-")


def _observation_uuid(report: Report, verdict: Verdict, evidence: Evidence) -> str:
    return _uuid(report, verdict.control.framework, verdict.control.control, evidence.kind, evidence.name)


def _uuid(report: Report, *names: str) -> str:
    return str(uuid5(NAMESPACE, "/".join((f"{report.made_at:.3f}", *names))))

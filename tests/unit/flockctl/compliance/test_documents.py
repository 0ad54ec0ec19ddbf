"""The report, as OSCAL and as a page."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import evolve

from deploy.flockctl.compliance.controls import FILE, controls
from deploy.flockctl.compliance.judging import judge
from deploy.flockctl.compliance.oscal import assessment_results, token
from deploy.flockctl.compliance.page import html
from deploy.flockctl.compliance.records import Control, LogHead, Report, Seen, Status, TestFile, Whose
from tests.harness.oscal import needs_trestle, refusals

SEEN = Seen(
    {"old_tls": ("router <script> takes TLS 1.1",)},
    frozenset({"old_tls", "superuser"}),
    {"tests/security/test_listeners.py": TestFile(3, 0, 0)},
    "2026-11-30 sha256:00",
)
HEAD = LogHead(7, "cm9vdA==", "ironflock.example/audit\n7\ncm9vdA==\n\n\u2014 ironflock.example/audit c2lnbmVk\n")
UNSEEN = Seen({}, frozenset(), None)
FACTS = {"size of the audit log": "7"}
REPORT = Report(1_796_000_000.0, "0.1.0", FACTS, FILE.read_bytes(), HEAD, SEEN, judge(controls(), SEEN))


def results(report: Report = REPORT) -> list[dict[str, Any]]:
    content = assessment_results(report)["assessment-results"]
    found: list[dict[str, Any]] = content["results"]
    return found


def report_on(*some: Control, seen: Seen = UNSEEN) -> Report:
    return evolve(REPORT, head=None, seen=seen, verdicts=judge(some, seen))


def changed(document: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {"assessment-results": {**document["assessment-results"], **changes}}


def written(folder: Path, **documents: dict[str, Any]) -> list[Path]:
    files = {folder / f"{name}.json": document for name, document in documents.items()}
    for file, document in files.items():
        file.write_text(json.dumps(document), encoding="utf-8")
    return list(files)


def test_each_framework_is_a_result_and_each_control_a_finding_or_left_out_with_its_reason() -> None:
    assert [result["title"] for result in results()] == list(dict.fromkeys(each.framework for each in controls()))
    for result in results():
        (selection,) = result["reviewed-controls"]["control-selections"]
        targets = [finding["target"]["target-id"] for finding in result["findings"]]
        assert targets == [each["control-id"] for each in selection["include-controls"]]
        ours = [each for each in controls() if each.framework == result["title"]]
        others = [each for each in ours if each.whose is not Whose.PLATFORM]
        assert [token(each.control) for each in others] == [
            each["control-id"] for each in selection.get("exclude-controls", [])
        ]
        assert all(each.because in selection["remarks"] for each in others)
        assert len(targets) + len(others) == len(ours)


def test_identifiers_are_unique_and_references_lead_somewhere() -> None:
    content = assessment_results(REPORT)["assessment-results"]
    found, resources = content["results"], content["back-matter"]["resources"]
    uuids = [each["uuid"] for result in found for each in (result, *result["findings"], *result["observations"])]
    uuids += [content["uuid"], *(each["uuid"] for each in resources)]
    observed = {each["uuid"] for result in found for each in result["observations"]}
    related = [
        each["observation-uuid"]
        for result in found
        for finding in result["findings"]
        for each in finding.get("related-observations", [])
    ]

    assert len(set(uuids)) == len(uuids)
    assert all(UUID(uuid).version == 5 for uuid in uuids)
    assert set(related) == observed
    assert content["import-ap"]["href"] in {f"#{each['uuid']}" for each in resources}


def test_the_plan_and_the_signed_head_of_the_log_are_in_it() -> None:
    def content_of(report: Report) -> dict[str, bytes]:
        resources = assessment_results(report)["assessment-results"]["back-matter"]["resources"]
        return {each["base64"]["filename"]: base64.b64decode(each["base64"]["value"]) for each in resources}

    assert content_of(REPORT) == {"controls.yaml": FILE.read_bytes(), "checkpoint": HEAD.note.encode()}
    assert content_of(evolve(REPORT, head=None)).keys() == {"controls.yaml"}


def test_names_of_controls_are_tokens_and_stay_apart() -> None:
    pattern = re.compile(r"[a-z_][a-z0-9._-]*")

    for control in controls():
        assert pattern.fullmatch(token(control.control)), control
    assert len({(each.framework, token(each.control)) for each in controls()}) == len(controls())
    assert token("Art. 5(1)(f)") == "art.-5-1-f"


def test_what_failed_is_not_satisfied_and_says_why() -> None:
    by_id = {finding["target"]["target-id"]: finding for finding in results()[0]["findings"]}

    assert by_id["cr-3.1"]["target"]["status"] == {"state": "not-satisfied", "reason": "failed"}
    assert by_id["cr-1.12"]["remarks"].startswith("Not done here: ")


def test_nothing_is_satisfied_of_which_something_is_not_done() -> None:
    checks, seen = ("old_tls",), Seen({}, frozenset({"old_tls"}), None)
    whole = Control("SOC 2", "CC6.7", "On its way", does="TLS", checks=checks)
    part = Control("SOC 2", "CC6.6", "From outside", does="TLS", checks=checks, gap="All else")
    report = report_on(whole, part, seen=seen)
    (result,) = results(report)

    assert [verdict.status for verdict in report.verdicts] == [Status.SHOWN, Status.PARTLY]
    assert [finding["target"]["status"] for finding in result["findings"]] == [
        {"state": "satisfied", "reason": "shown"},
        {"state": "not-satisfied", "reason": "partly-shown"},
    ]


def test_the_same_report_gives_the_same_document() -> None:
    assert assessment_results(REPORT) == assessment_results(evolve(REPORT))


@needs_trestle
def test_trestle_takes_every_document_and_nothing_else(tmp_path: Path) -> None:
    full = assessment_results(REPORT)
    blind = evolve(REPORT, head=None, facts={}, seen=UNSEEN, verdicts=judge(controls(), UNSEEN))
    gap = report_on(Control("SOC 2", "CC6.8", "Software", gap="All of it"))
    (result, *_) = full["assessment-results"]["results"]
    no_token = {**result, "findings": [{**result["findings"][0], "uuid": "7"}]}

    good = written(tmp_path, full=full, blind=assessment_results(blind), gap=assessment_results(gap))
    bad = written(
        tmp_path,
        strange=changed(full, surprise="x"),
        empty=changed(full, results=None),
        unfit=changed(full, results=[no_token]),
        older=changed(full, metadata={**full["assessment-results"]["metadata"], "oscal-version": "1.1.2"}),
    )
    said = refusals(*good, *bad)

    assert said[:3] == ["", "", ""]
    assert all(said[3:])


def test_the_page_has_every_control_and_no_markup_of_others() -> None:
    page = html(REPORT)

    assert all(f"<strong>{control.control}</strong>" in page for control in controls())
    assert "For the organization: it hires them." in page
    assert "router &lt;script&gt; takes TLS 1.1" in page
    assert f"<pre>{HEAD.note}</pre>" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)


def test_a_report_without_results_of_tests_says_so() -> None:
    report = report_on(Control("SOC 2", "CC6.7", "Transmission", "TLS", tests=("tests/x.py",)))

    assert "No results of tests were handed over" in html(report)
    assert "<pre>" not in html(report)
    assert "observations" in results(report)[0]

"""The report, as OSCAL and as a page."""

import re
from typing import Any
from uuid import UUID

from attrs import evolve

from deploy.flockctl.compliance.controls import controls
from deploy.flockctl.compliance.judging import judge
from deploy.flockctl.compliance.oscal import assessment_results, token
from deploy.flockctl.compliance.page import html
from deploy.flockctl.compliance.records import Control, Report, Seen, TestFile

SEEN = Seen(
    {"old_tls": ("router <script> takes TLS 1.1",)},
    frozenset({"old_tls", "superuser"}),
    {"tests/security/test_listeners.py": TestFile(3, 0, 0)},
    "2026-11-30 sha256:00",
)
REPORT = Report(1_796_000_000.0, "0.1.0", {"size of the audit log": "7"}, SEEN, judge(controls(), SEEN))


def results() -> list[dict[str, Any]]:
    content = assessment_results(REPORT)["assessment-results"]
    found: list[dict[str, Any]] = content["results"]
    return found


def test_each_framework_is_a_result_and_each_control_a_finding() -> None:
    assert [result["title"] for result in results()] == list(dict.fromkeys(each.framework for each in controls()))
    assert sum(len(result["findings"]) for result in results()) == len(controls())


def test_identifiers_are_unique_and_references_lead_somewhere() -> None:
    found = results()
    uuids = [each["uuid"] for result in found for each in (result, *result["findings"], *result["observations"])]
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


def test_names_of_controls_are_tokens() -> None:
    pattern = re.compile(r"[a-z_][a-z0-9._-]*")

    for control in controls():
        assert pattern.fullmatch(token(control.control)), control
    assert token("Art. 5(1)(f)") == "art.-5-1-f"


def test_what_failed_is_not_satisfied_and_says_why() -> None:
    by_id = {finding["target"]["target-id"]: finding for finding in results()[0]["findings"]}

    assert by_id["cr-3.1"]["target"]["status"] == {"state": "not-satisfied", "reason": "failed"}
    assert by_id["cr-1.12"]["remarks"].startswith("Not done here: ")


def test_the_same_report_gives_the_same_document() -> None:
    assert assessment_results(REPORT) == assessment_results(evolve(REPORT))


def test_the_page_has_every_control_and_no_markup_of_others() -> None:
    page = html(REPORT)

    assert all(f"<strong>{control.control}</strong>" in page for control in controls())
    assert "router &lt;script&gt; takes TLS 1.1" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)


def test_a_report_without_results_of_tests_says_so() -> None:
    seen = Seen({}, frozenset(), None)
    control = Control("SOC 2", "CC6.7", "Transmission", "TLS", tests=("tests/x.py",))
    report = Report(0.0, "0.1.0", {}, seen, judge([control], seen))

    assert "No results of tests were handed over" in html(report)
    assert "observations" in assessment_results(report)["assessment-results"]["results"][0]

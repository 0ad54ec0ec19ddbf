"""From evidence to a verdict: pure. A control is shown by what was seen, never by what is said of it."""

from collections.abc import Iterable, Iterator
from typing import Final

from deploy.flockctl.compliance.records import Control, Evidence, Seen, Status, Verdict, Whose

ON_MANIFESTS: Final = "tests/unit/kubernetes/"
"""Tests in it look at manifests: their results say something of those alone."""


def judge(controls: Iterable[Control], seen: Seen) -> tuple[Verdict, ...]:
    """A verdict on each control."""
    return tuple(_verdict(control, tuple(_evidence(control, seen))) for control in controls)


def _verdict(control: Control, evidence: tuple[Evidence, ...]) -> Verdict:
    if any(each.is_good is False for each in evidence):
        status = Status.FAILED
    elif not evidence:
        status = Status.GAP if control.whose is Whose.PLATFORM else Status.ELSEWHERE
    elif any(each.is_good is None for each in evidence):
        status = Status.UNSEEN
    else:
        status = Status.PARTLY if control.gap else Status.SHOWN
    return Verdict(control, status, evidence)


def _evidence(control: Control, seen: Seen) -> Iterator[Evidence]:
    for code in control.checks:
        found = seen.findings.get(code, ())
        if code not in seen.checked:
            yield Evidence("check", code, None, "was not looked at")
        else:
            yield Evidence("check", code, not found, "; ".join(found) or "nothing found")
    for file in control.tests:
        yield _tested(file, seen)


def _tested(file: str, seen: Seen) -> Evidence:
    if seen.tests is None:
        return Evidence("test", file, None, "no results of tests were handed over")
    if seen.are_of_others:
        return Evidence("test", file, None, "the results are of other sources than these, or do not say of which")
    if seen.are_of_other_manifests and file.startswith(ON_MANIFESTS):
        return Evidence("test", file, None, "the results are of other manifests than these, or do not say of which")
    result = seen.tests.get(file)
    if result is None or not (result.passed or result.failed):
        return Evidence("test", file, None, "did not run")
    skipped = f", {result.skipped} skipped" if result.skipped else ""
    return Evidence("test", file, not result.failed, f"{result.passed} passed, {result.failed} failed{skipped}")

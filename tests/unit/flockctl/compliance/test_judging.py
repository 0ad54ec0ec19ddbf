"""From evidence to verdicts."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.compliance.judging import judge
from deploy.flockctl.compliance.records import Control, Seen, Status, TestFile, Whose

TESTS = "tests/security/test_listeners.py"
REACH = "tests/unit/kubernetes/test_reach.py"
CHECKED = frozenset({"old_tls", "superuser"})
GOOD = Seen({}, CHECKED, {TESTS: TestFile(3, 0, 1), REACH: TestFile(9, 0, 0)}, "results")


def control(**more: object) -> Control:
    return Control("SOC 2", "CC6.7", "Transmission", **{"does": "TLS", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "seen", "status"),
    [
        (control(checks=("old_tls",), tests=(TESTS,)), GOOD, Status.SHOWN),
        (control(checks=("old_tls",), gap="more"), GOOD, Status.PARTLY),
        (control(does="", gap="all of it"), GOOD, Status.GAP),
        (control(checks=("unknown",)), GOOD, Status.UNSEEN),
        (control(tests=("tests/absent.py",)), GOOD, Status.UNSEEN),
        (control(tests=(TESTS,)), Seen({}, CHECKED, None), Status.UNSEEN),
        (control(tests=(TESTS,)), Seen({}, CHECKED, {TESTS: TestFile(0, 0, 4)}), Status.UNSEEN),
        (control(tests=(TESTS,)), Seen({}, CHECKED, {TESTS: TestFile(9, 1, 0)}), Status.FAILED),
        (control(tests=(TESTS,)), evolve(GOOD, are_of_others=True), Status.UNSEEN),
        (control(tests=(TESTS,)), evolve(GOOD, are_of_other_manifests=True), Status.SHOWN),
        (control(tests=(REACH,)), GOOD, Status.SHOWN),
        (control(tests=(REACH,)), evolve(GOOD, are_of_other_manifests=True), Status.UNSEEN),
        (control(does="", whose=Whose.SITE, because="of buildings"), GOOD, Status.ELSEWHERE),
        (control(checks=("old_tls", "unknown")), Seen({"old_tls": ("x",)}, CHECKED, None), Status.FAILED),
    ],
)
def test_a_control_is_as_its_evidence_is(one: Control, seen: Seen, status: Status) -> None:
    (verdict,) = judge([one], seen)

    assert verdict.status is status
    assert len(verdict.evidence) == len(one.checks) + len(one.tests)


CONTROLS = st.builds(
    Control,
    framework=st.just("SOC 2"),
    control=st.just("CC6.7"),
    title=st.just("Transmission"),
    checks=st.lists(st.sampled_from(["old_tls", "superuser", "unknown"]), unique=True).map(tuple),
    tests=st.lists(st.sampled_from([TESTS, "tests/absent.py"]), unique=True).map(tuple),
    gap=st.sampled_from(["", "more"]),
)
SEEN = st.builds(
    Seen,
    findings=st.dictionaries(st.sampled_from(["old_tls", "superuser"]), st.just(("found",))),
    checked=st.just(CHECKED),
    tests=st.none() | st.just({TESTS: TestFile(1, 0, 0)}) | st.just({TESTS: TestFile(1, 1, 0)}),
)


@given(CONTROLS, SEEN)
def test_whatever_is_shown_was_seen_and_nothing_bad_is_passed_over(one: Control, seen: Seen) -> None:
    (verdict,) = judge([one], seen)
    how = [each.is_good for each in verdict.evidence]

    assert (verdict.status in (Status.SHOWN, Status.PARTLY)) == (bool(how) and all(how))
    assert (verdict.status is Status.FAILED) == (False in how)

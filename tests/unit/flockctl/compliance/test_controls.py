"""The controls name evidence that there is, and no other; and all of a framework stand there, done or not."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from deploy.flockctl.compliance.controls import controls
from deploy.flockctl.compliance.records import Whose
from deploy.flockctl.doctor.checks import CHECKS

ROOT = Path(__file__).parents[4]


def numbered(prefix: str, numbers: Iterable[int | str]) -> set[str]:
    return {f"{prefix}{number}" for number in numbers}


# What IEC 62443-4-2 asks at SL 2 of applications, and of devices, hosts and network devices alone. Its 2.3, 5.4 and
# 7.5 ask nothing of a component; CR 2.7 is of SL 3, and there all the same.
AT_SL_2 = (
    numbered("CCSC ", range(1, 5))
    | numbered("CR 1.", [1, "1 RE(1)", 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14])
    | numbered("NDR 1.", [6, "6 RE(1)", 13])
    | numbered("CR 2.", [1, "1 RE(1)", "1 RE(2)", 2, 5, 6, 7, 8, 9, 10, 11, "11 RE(1)", 12])
    | numbered("SAR ", ["2.4", "2.4 RE(1)", "3.2"])
    | numbered("CR 3.", [1, "1 RE(1)", 3, 4, "4 RE(1)", 5, 6, 7, 8, 9])
    | {"HDR 3.2 RE(1)"}
    | numbered("EDR/HDR/NDR ", ["2.13", "3.10", "3.10 RE(1)", "3.11", "3.12", "3.13", "3.14", "3.14 RE(1)"])
    | numbered("CR 4.", range(1, 4))
    | {"CR 5.1", "NDR 5.2", "NDR 5.2 RE(1)", "NDR 5.3"}
    | numbered("CR 6.", range(1, 3))
    | numbered("CR 7.", [1, "1 RE(1)", 2, 3, "3 RE(1)", 4, 6, 7, 8])
)
ANNEX_A = {
    f"A.{theme}.{number}" for theme, last in {5: 37, 6: 8, 7: 14, 8: 34}.items() for number in range(1, last + 1)
}
CRITERIA = {"CC1": 5, "CC2": 3, "CC3": 4, "CC4": 2, "CC5": 3, "CC6": 8, "CC7": 5, "CC8": 1, "CC9": 2, "A1": 3, "C1": 2}


def test_every_test_that_a_control_names_is_there() -> None:
    named = {file for control in controls() for file in control.tests}

    assert {file for file in named if not (ROOT / file).is_file()} == set()
    assert len(named) > 50


def test_every_check_that_a_control_names_is_one() -> None:
    assert {code for control in controls() for code in control.checks} <= {check.code for check in CHECKS}


def test_nothing_is_claimed_without_evidence() -> None:
    for control in controls():
        assert bool(control.does) == bool(control.checks or control.tests), control
        assert control.does or control.gap or control.whose is not Whose.PLATFORM, control


def test_of_what_is_for_others_to_fulfil_nothing_is_said_but_why() -> None:
    for control in controls():
        assert bool(control.because) == (control.whose is not Whose.PLATFORM), control
        assert not control.because or not (control.does or control.gap), control


def test_people_are_the_organizations_premises_the_sites_and_development_the_products() -> None:
    whose = {control.control: control.whose for control in controls()}

    assert {whose[f"A.6.{number}"] for number in range(1, 9)} == {Whose.ORGANIZATION}
    assert {whose[f"A.7.{number}"] for number in range(1, 15)} == {Whose.SITE}
    assert whose["CCSC 4"] is Whose.LIFECYCLE


def test_each_control_stands_once() -> None:
    names = [(control.framework, control.control) for control in controls()]

    assert len(set(names)) == len(names)
    assert len({framework for framework, _ in names}) == 4


@pytest.mark.parametrize(
    ("framework", "all_of_them"),
    [
        ("IEC 62443-4-2", AT_SL_2),
        ("ISO/IEC 27001", ANNEX_A),
        ("SOC 2", {f"{name}.{number}" for name, last in CRITERIA.items() for number in range(1, last + 1)}),
    ],
)
def test_nothing_that_a_framework_asks_is_passed_over(framework: str, all_of_them: set[str]) -> None:
    found = {control.control for control in controls() if control.framework.startswith(framework)}

    assert found == all_of_them

"""The controls name evidence that there is, and no other."""

from pathlib import Path

from deploy.flockctl.compliance.controls import controls
from deploy.flockctl.doctor.checks import CHECKS

ROOT = Path(__file__).parents[4]


def test_every_test_that_a_control_names_is_there() -> None:
    named = {file for control in controls() for file in control.tests}

    assert {file for file in named if not (ROOT / file).is_file()} == set()
    assert len(named) > 50


def test_every_check_that_a_control_names_is_one() -> None:
    assert {code for control in controls() for code in control.checks} <= {check.code for check in CHECKS}


def test_nothing_is_claimed_without_evidence() -> None:
    for control in controls():
        assert control.checks or control.tests or control.gap, control
        assert bool(control.does) == bool(control.checks or control.tests), control


def test_each_control_stands_once() -> None:
    names = [(control.framework, control.control) for control in controls()]

    assert len(set(names)) == len(names)
    assert len({framework for framework, _ in names}) == 4

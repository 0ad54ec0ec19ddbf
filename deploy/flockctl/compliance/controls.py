"""The controls, out of `controls.yaml`."""

from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.flockctl.compliance.records import Control, Whose

FILE: Final = Path(__file__).with_name("controls.yaml")


class _Control(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    title: str
    does: str = ""
    checks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    gap: str = ""
    whose: Whose = Whose.PLATFORM
    because: str = ""


class _Framework(msgspec.Struct, forbid_unknown_fields=True):
    framework: str
    controls: list[_Control]


def controls() -> tuple[Control, ...]:
    """All of them, in the order of the file."""
    frameworks: list[Any] = msgspec.yaml.decode(FILE.read_bytes(), type=list[_Framework])
    return tuple(
        Control(
            framework=each.framework,
            control=one.id,
            title=one.title,
            does=one.does,
            checks=one.checks,
            tests=one.tests,
            gap=one.gap,
            whose=one.whose,
            because=one.because,
        )
        for each in frameworks
        for one in each.controls
    )

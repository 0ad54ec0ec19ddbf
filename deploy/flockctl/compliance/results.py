"""Results of tests, as pytest's `--junitxml` writes them."""

import xml.etree.ElementTree as ET
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import evolve

from deploy.flockctl.compliance.records import Results, TestFile
from deploy.flockctl.compliance.sources import MANIFESTS_PROPERTY, PROPERTY
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.text import printable

MAX_OCTETS: Final = 64 << 20


def read(path: Path) -> Results:
    """How the tests of each file ended.

    Raises:
        CommandError: The file cannot be read, or has no results.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_OCTETS + 1)
        # Own results; expat bounds what entities come to.
        suites = ET.fromstring(content) if len(content) <= MAX_OCTETS else None  # noqa: S314
    except (OSError, ET.ParseError, ValueError) as error:
        raise _refusal(path) from error
    if suites is None or not any(True for _ in suites.iter("testcase")):
        raise _refusal(path)
    found: dict[str, TestFile] = {}
    for case in suites.iter("testcase"):
        name = _file_of(case.get("classname", ""))
        found[name] = _counted(found.get(name, TestFile(0, 0, 0)), case)
    made = next((each.get("timestamp", "") for each in suites.iter("testsuite")), "")
    told = {each.get("name"): each.get("value") for each in suites.iter("property")}
    origin = f"{made} sha256:{sha256(content).hexdigest()}".strip()
    return Results(found, origin, told.get(PROPERTY), told.get(MANIFESTS_PROPERTY))


def _file_of(classname: str) -> str:
    """`tests.unit.test_x` or `tests.unit.test_x.TestY` as the path of its file."""
    parts = classname.split(".")
    last = next((index for index, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
    return "/".join(parts[: last + 1]) + ".py"


def _counted(so_far: TestFile, case: ET.Element) -> TestFile:
    if case.find("failure") is not None or case.find("error") is not None:
        return evolve(so_far, failed=so_far.failed + 1)
    if case.find("skipped") is not None:
        return evolve(so_far, skipped=so_far.skipped + 1)
    return evolve(so_far, passed=so_far.passed + 1)


def _refusal(path: Path) -> CommandError:
    said = f"{printable(path)} has no results of tests: make them with `make test ARGS=--junitxml=results.xml`"
    return CommandError("unreadable_results", said, ExitStatus.USAGE, argument="tests")

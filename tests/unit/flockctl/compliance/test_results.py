"""Results of tests are read as pytest writes them."""

from pathlib import Path

import pytest

from deploy.flockctl.compliance.records import TestFile
from deploy.flockctl.compliance.results import read
from deploy.flockctl.compliance.sources import MANIFESTS_PROPERTY, PROPERTY
from deploy.flockctl.errors import CommandError

XML = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" timestamp="2026-11-30T09:00:00">
<testcase classname="tests.unit.test_a" name="test_1" time="0.1" />
<testcase classname="tests.unit.test_a.TestModels" name="runTest" time="0.1"><failure message="x">y</failure></testcase>
<testcase classname="tests.unit.test_a" name="test_2"><skipped message="none here" /></testcase>
<testcase classname="tests.unit.test_b" name="test_1"><error message="x">y</error></testcase>
</testsuite></testsuites>
"""


def test_they_are_counted_by_file(tmp_path: Path) -> None:
    file = tmp_path / "results.xml"
    file.write_text(XML)

    found = read(file)

    assert found.by_file == {"tests/unit/test_a.py": TestFile(1, 1, 1), "tests/unit/test_b.py": TestFile(0, 1, 0)}
    assert found.origin.startswith("2026-11-30T09:00:00 sha256:")
    assert (found.sources, found.manifests) == (None, None)


def test_they_say_of_which_sources_and_manifests_they_are(tmp_path: Path) -> None:
    file = tmp_path / "results.xml"
    properties = "".join(
        f'<property name="{name}" value="{value}" />'
        for name, value in ((PROPERTY, "abc"), (MANIFESTS_PROPERTY, "def"))
    )
    said = f'<properties>{properties}</properties><testcase classname="tests.unit.test_a"'
    file.write_text(XML.replace('<testcase classname="tests.unit.test_a"', said, 1))

    assert (read(file).sources, read(file).manifests) == ("abc", "def")


@pytest.mark.parametrize("content", ["", "<testsuites/>", "no xml", "<a>" * 100_000])
def test_what_has_none_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "results.xml"
    file.write_text(content)

    for path in (file, tmp_path / "absent"):
        with pytest.raises(CommandError) as refused:
            read(path)
        assert refused.value.code == "unreadable_results"

"""Which advisories concern a version, by the rules of the OSV schema."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from deploy.supply_chain.advisories import DatabaseError, concerns, findings, records

# The schema's own example of a range, and what it says of it.
EVENTS = [{"introduced": "1.0.0"}, {"fixed": "1.0.2"}, {"introduced": "3.0.0"}, {"fixed": "3.2.5"}]


def ranged(*events: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}], **more}


def record(name: str = "Some.Package", **more: Any) -> dict[str, Any]:
    affected = {"package": {"ecosystem": "PyPI", "name": name}, **ranged({"introduced": "0"}, {"fixed": "2.0"})}
    return {"id": "GHSA-1", "aliases": ["CVE-1"], "summary": "breaks", "affected": [affected], **more}


@pytest.mark.parametrize(
    ("version", "is_in"),
    [
        ("0.9", False),
        ("1.0.0", True),
        ("1.0.1", True),
        ("1.0.2", False),
        ("2.9", False),
        ("3.0.0", True),
        ("3.2.5rc1", True),
        ("3.2.5", False),
        ("no version", True),
    ],
)
def test_a_version_is_in_a_range_or_not(version: str, *, is_in: bool) -> None:
    assert concerns(ranged(*EVENTS), version) is is_in
    assert concerns(ranged(*reversed(EVENTS)), version) is is_in


def test_from_the_beginning_up_to_and_with_a_last_one() -> None:
    affected = ranged({"introduced": "0"}, {"last_affected": "1.4"})

    assert [concerns(affected, version) for version in ("0.0.1a1", "1.4", "1.4.1")] == [True, True, False]


def test_a_list_counts_besides_ranges_and_commits_do_not() -> None:
    affected = {"versions": ["1.1"], "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}

    assert concerns(affected, "1.1")
    assert not concerns(affected, "1.2")


VERSIONS = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda parts: f"{parts[0]}.{parts[1]}")


@given(VERSIONS, VERSIONS, VERSIONS)
def test_a_range_is_from_its_begin_to_before_its_fix(introduced: str, fixed: str, version: str) -> None:
    is_in = Version(introduced) <= Version(version) < Version(fixed)
    if Version(introduced) < Version(fixed):
        assert concerns(ranged({"introduced": introduced}, {"fixed": fixed}), version) is is_in


def test_names_are_compared_as_the_index_does_and_withdrawn_records_are_none() -> None:
    pinned = [("some-package", "1.9"), ("some-package", "2.0"), ("other", "1.0")]
    known = [record(), record("unpinned"), record(withdrawn="2026-01-01T00:00:00Z"), {"id": "without anything"}]

    (found,) = findings(pinned, known)

    assert (found.name, found.version, found.advisory, found.fixed_in) == ("some-package", "1.9", "GHSA-1", ("2.0",))
    assert found.identifiers == {"GHSA-1", "CVE-1"}


def test_another_ecosystem_has_the_name_too() -> None:
    other = record()
    other["affected"][0]["package"]["ecosystem"] = "npm"

    assert findings([("some-package", "1.9")], [other]) == []


def test_a_database_is_an_archive_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "GHSA-1.json").write_text(json.dumps(record()))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("GHSA-1.json", json.dumps(record()))
        archive.writestr("README", "no record")

    assert list(records(tmp_path)) == list(records(tmp_path / "all.zip")) == [record()]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_database_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.json").write_bytes(content)

    for database in (tmp_path, tmp_path / "broken.json", tmp_path / "absent"):
        with pytest.raises(DatabaseError):
            list(records(database))


def test_an_empty_folder_is_no_database_that_finds_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="has no record"):
        list(records(tmp_path))

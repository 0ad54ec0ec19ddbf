"""Which advisories concern a version: OSV records (OSV schema 1.6), from a database that was handed over as files.

The records of an ecosystem come as one archive with a JSON file each; how old it may be is the caller's business.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ECOSYSTEM: Final = "PyPI"
MAX_RECORD_OCTETS: Final = 16 << 20


class DatabaseError(Exception):
    """The files are no database of advisories."""


@frozen
class Finding:
    """An advisory that concerns a version which we pin; `fixed_in` has the versions that end it."""

    name: str
    version: str
    advisory: str
    aliases: tuple[str, ...]
    summary: str
    fixed_in: tuple[str, ...]

    @property
    def identifiers(self) -> frozenset[str]:
        """Everything that it is called."""
        return frozenset((self.advisory, *self.aliases))


def records(database: Path) -> Iterator[dict[str, Any]]:
    """Every record of an archive, or of a folder.

    Raises:
        DatabaseError: It is neither, a record is no JSON object, or there is none at all.
    """
    count = 0
    try:
        for name, content in _files(database):
            record = json.loads(content)
            if not isinstance(record, dict):
                raise DatabaseError(f"{name} is no OSV record")
            count += 1
            yield record
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise DatabaseError(f"{database} cannot be read: {error}") from error
    if not count:
        raise DatabaseError(f"{database} has no record")


def findings(pinned: Iterable[tuple[str, str]], known: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """What of `known` concerns the pinned names and versions."""
    versions: dict[str, set[str]] = {}
    for name, version in pinned:
        versions.setdefault(name, set()).add(version)
    found = {
        _finding(record, affected, name, version)
        for record in known
        if not record.get("withdrawn")
        for affected in record.get("affected") or ()
        for name in [_name(affected)]
        for version in versions.get(name, ())
        if concerns(affected, version)
    }
    return sorted(found, key=lambda finding: (finding.name, finding.version, finding.advisory))


def concerns(affected: Mapping[str, Any], version: str) -> bool:
    """Whether `affected`, an entry of a record, has `version`: by its list or by a range (OSV schema, evaluation)."""
    if version in (affected.get("versions") or ()):
        return True
    ranges = [each for each in affected.get("ranges") or () if each.get("type") == "ECOSYSTEM"]
    return any(_is_in(each.get("events") or [], version) for each in ranges)


def _is_in(events: list[Mapping[str, str]], version: str) -> bool:
    try:
        ours = Version(version)
        points = sorted((_point(kind, said) for event in events for kind, said in event.items()), key=_order)
    except InvalidVersion:
        return True  # what cannot be compared is looked at by a person
    is_in = False
    for kind, point in points:
        if kind == "introduced" and point <= ours:
            is_in = True
        elif (kind in ("fixed", "limit") and point <= ours) or (kind == "last_affected" and point < ours):
            is_in = False
    return is_in


def _point(kind: str, said: str) -> tuple[str, Version]:
    return kind, Version("0.dev0") if said == "0" else Version(said)


def _order(point: tuple[str, Version]) -> tuple[Version, bool]:
    kind, version = point
    return version, kind == "introduced"  # a range that begins where another ends begins anew


def _finding(record: Mapping[str, Any], affected: Mapping[str, Any], name: str, version: str) -> Finding:
    events = (event for each in affected.get("ranges") or () for event in each.get("events") or ())
    return Finding(
        name,
        version,
        str(record.get("id", "?")),
        tuple(str(alias) for alias in record.get("aliases") or ()),
        str(record.get("summary") or ""),
        tuple(sorted({str(event["fixed"]) for event in events if "fixed" in event})),
    )


def _name(affected: Mapping[str, Any]) -> str:
    package = affected.get("package") or {}
    return canonicalize_name(str(package.get("name", ""))) if package.get("ecosystem") == ECOSYSTEM else ""


def _files(database: Path) -> Iterator[tuple[str, bytes]]:
    if database.is_dir():
        for path in sorted(database.glob("*.json")):
            yield path.name, path.read_bytes()
        return
    with zipfile.ZipFile(database) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".json") and entry.file_size <= MAX_RECORD_OCTETS:
                yield entry.filename, archive.read(entry)

"""Lock files as `uv pip compile` writes them: `name==version ; marker`, hashes behind it."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen
from packaging.utils import canonicalize_name

_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)

Pin = tuple[str, str]
"""A name and a version."""


@frozen
class Change:
    """One package of two lock files; a version is None where that file does not have it."""

    name: str
    before: str | None
    after: str | None


def pins(text: str) -> frozenset[Pin]:
    """Every name, normalised as the package index does, with its version; one may be there for two Pythons."""
    return frozenset((canonicalize_name(found["name"]), found["version"]) for found in _PIN.finditer(text))


def pins_in(paths: list[Path]) -> dict[Pin, list[str]]:
    """By name and version: in which of the files it is."""
    found: dict[Pin, list[str]] = {}
    for path in paths:
        for pin in pins(path.read_text(encoding="utf-8")):
            found.setdefault(pin, []).append(path.stem)
    return found


def changes(before: Iterable[Pin], after: Iterable[Pin]) -> list[Change]:
    """What differs, by name."""
    was, now = _by_name(before), _by_name(after)
    found = (Change(name, was.get(name), now.get(name)) for name in sorted(was.keys() | now.keys()))
    return [change for change in found if change.before != change.after]


def _by_name(found: Iterable[Pin]) -> dict[str, str]:
    versions: dict[str, list[str]] = {}
    for name, version in sorted(found):
        versions.setdefault(name, []).append(version)
    return {name: ", ".join(each) for name, each in versions.items()}

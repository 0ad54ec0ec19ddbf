"""Under which licences our parts are: each is allowed by its kind, or was looked at by a person (`licences.toml`)."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Final

import msgspec
from attrs import frozen

_CLASSIFIER: Final = "License :: "
UNKNOWN: Final = "none said"


@frozen
class Policy:
    """`allowed`: licences that ask for nothing that we do not do. `reviewed`: packages, each with why it may stay."""

    allowed: frozenset[str]
    reviewed: Mapping[str, str]


@frozen
class Licensed:
    """A package and its licence, as its own metadata says it."""

    name: str
    licence: str


def read(path: Path) -> Policy:
    """The policy in the file.

    Raises:
        msgspec.ValidationError, tomllib.TOMLDecodeError: It is malformed.
    """
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Policy)


def licensed(names: Iterable[str]) -> list[Licensed]:
    """Those of `names` that are installed here, with their licences (PEP 639, else what was usual before)."""
    found = []
    for name in sorted(names):
        try:
            found.append(Licensed(name, _licence(name)))
        except PackageNotFoundError:  # for another platform
            continue
    return found


def refused(packages: Iterable[Licensed], policy: Policy) -> list[Licensed]:
    """Those that are neither allowed nor reviewed."""
    return [each for each in packages if each.name not in policy.reviewed and not is_allowed(each.licence, policy)]


def is_allowed(licence: str, policy: Policy) -> bool:
    """Whether a licence expression is allowed: of alternatives one has to be, of what holds together all."""
    return any(
        all(part.strip() in policy.allowed for part in alternative.split(" AND "))
        for alternative in licence.split(" OR ")
    )


def _licence(name: str) -> str:
    said = metadata(name)
    if "License-Expression" in said:
        return said["License-Expression"]
    classifiers = [each for each in said.get_all("Classifier") or () if each.startswith(_CLASSIFIER)]
    if classifiers:
        return " AND ".join(each.rpartition(" :: ")[2] for each in classifiers)
    lines = said["License"].splitlines() if "License" in said else []
    return lines[0].strip() if lines else UNKNOWN

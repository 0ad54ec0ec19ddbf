"""What is known and accepted for a while (`accepted.toml`): each with its reason and the day on which that ends."""

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import msgspec
from attrs import frozen

from deploy.supply_chain.advisories import Finding


@frozen
class Accepted:
    """One advisory about one package; from `until` on it counts again."""

    advisory: str
    package: str
    reason: str
    until: date


@frozen
class Judged:
    """Findings that count, those that were accepted, and acceptances that are over or that nothing needs any more."""

    open: list[Finding]
    accepted: list[Finding]
    stale: list[Accepted]


def read(path: Path) -> list[Accepted]:
    """What the file has.

    Raises:
        msgspec.ValidationError, tomllib.TOMLDecodeError: It is malformed; a mistake in it accepts nothing.
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return msgspec.convert(content.get("accepted", []), list[Accepted])


def judge(findings: Iterable[Finding], accepted: Iterable[Accepted], today: date) -> Judged:
    """What of `findings` counts today."""
    valid = {(each.package, each.advisory): each for each in accepted if today < each.until}
    counting: list[Finding] = []
    covered: list[Finding] = []
    used: set[tuple[str, str]] = set()
    for finding in findings:
        by = {(finding.name, identifier) for identifier in finding.identifiers} & valid.keys()
        used |= by
        (covered if by else counting).append(finding)
    stale = [each for each in accepted if (each.package, each.advisory) not in used]
    return Judged(counting, covered, stale)

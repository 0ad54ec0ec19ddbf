"""What a doctor found, as values: printed for programs, and read again where a report is made of it."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import asdict, frozen

from deploy.flockctl.compliance.heads import newest_head
from deploy.flockctl.compliance.looking import looked_at
from deploy.flockctl.compliance.records import LogHead
from deploy.flockctl.compliance.sources import digest
from deploy.flockctl.doctor.checks import Check, diagnose
from deploy.flockctl.doctor.gathering import gather
from deploy.flockctl.doctor.records import Facts, Finding, Severity
from deploy.flockctl.doctor.within import AUDIT_HEAD, AUDIT_KEYS, Within, gather_within, is_within, read_within
from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.release import release
from deploy.flockctl.text import printable
from deploy.local.state import REPOSITORY, StateFolder
from shared.settings import SettingsError

MAX_OCTETS: Final = 4 << 20


@frozen
class Examined:
    """What was found, and by which checks.

    Args:
        made_at: In Unix seconds.
        sources: The digest of the sources that run there.
        looked_at: The codes of the checks that had something to look at; `checked` is how many were asked for.
        unseen: Why something was not looked at, by the code of a check or in words.
        facts: What the installation is besides, in words.
        head: The newest head of its audit log; None where there is none that the log's keys vouch for.
    """

    made_at: float
    release: str
    sources: str
    checked: int
    findings: tuple[Finding, ...]
    looked_at: frozenset[str]
    unseen: Mapping[str, str]
    facts: Mapping[str, str]
    head: LogHead | None


class _Finding(msgspec.Struct):
    code: str
    severity: str
    what: str
    why: str
    remedy: str


class _File(msgspec.Struct):
    made_at: float
    release: str
    sources: str
    checked: int
    findings: list[_Finding]
    looked_at: list[str]
    not_looked_at: dict[str, str]
    facts: dict[str, str]
    log_head: LogHead | None


def seen_from_here(state: Path | None, now: float) -> Facts:
    """Of a cluster that this process is in, where its settings say so; else of the installation on this machine.

    Raises:
        CommandError: There is none, or it is another user's; or a setting is wrong.
    """
    within = _within(state)
    if within is not None:
        return gather_within(within, os.environ, now)
    return gather(installed_state(state, dict(os.environ), Path.cwd()), now)


def head_from_here(state: Path | None) -> LogHead | None:
    """The newest head of the audit log there, as its own keys vouch for it; errors as `seen_from_here`."""
    within = _within(state)
    if within is not None:
        return newest_head(within.audit / AUDIT_HEAD, within.audit / AUDIT_KEYS)
    folder = StateFolder(installed_state(state, dict(os.environ), Path.cwd()))
    return newest_head(folder.audit_head, folder.audit_public_keys)


def examined(facts: Facts, checks: Sequence[Check], head: LogHead | None) -> Examined:
    """What `checks` find in `facts`."""
    return Examined(
        made_at=facts.now,
        release=release(),
        sources=digest(REPOSITORY),
        checked=sum(check.code not in facts.unseen for check in checks),
        findings=tuple(diagnose(facts, checks)),
        looked_at=looked_at(facts, checks),
        unseen=facts.unseen,
        facts=_in_words(facts, head),
        head=head,
    )


def payload(found: Examined) -> dict[str, Any]:
    """For programs."""
    return {
        "well": not found.findings,
        "checked": found.checked,
        "findings": [{**asdict(each), "severity": each.severity.name.lower()} for each in found.findings],
        "looked_at": sorted(found.looked_at),
        "not_looked_at": dict(found.unseen),
        "made_at": found.made_at,
        "release": found.release,
        "sources": found.sources,
        "facts": dict(found.facts),
        "log_head": None if found.head is None else asdict(found.head),
    }


def read_examined(path: Path) -> Examined:
    """What `payload` made, out of a file.

    Raises:
        CommandError: The file cannot be read, or is something else.
    """
    try:
        with path.open("rb") as file:
            said = msgspec.json.decode(file.read(MAX_OCTETS), type=_File)
        findings = tuple(
            Finding(each.code, Severity[each.severity.upper()], each.what, each.why, each.remedy)
            for each in said.findings
        )
    except (OSError, msgspec.DecodeError, KeyError) as error:
        text = f"{printable(path)} is nothing that `flockctl doctor --json` of this release has written"
        raise CommandError("unreadable_findings", text, ExitStatus.USAGE, argument="seen") from error
    looked = frozenset(said.looked_at)
    return Examined(
        made_at=said.made_at,
        release=said.release,
        sources=said.sources,
        checked=said.checked,
        findings=findings,
        looked_at=looked,
        unseen=said.not_looked_at,
        facts=said.facts,
        head=said.log_head,
    )


def _within(state: Path | None) -> Within | None:
    if state is not None or not is_within(os.environ):
        return None
    try:
        return read_within(os.environ)
    except SettingsError as error:
        raise CommandError("usage", str(error), ExitStatus.USAGE) from error


def _in_words(facts: Facts, head: LogHead | None) -> dict[str, str]:
    log, backups = facts.log, facts.backups
    return {
        "size of the audit log": "not known" if head is None else str(head.size),
        "root of the audit log": "not known" if head is None else head.root,
        "witnesses of the audit log": "not known" if log is None else str(log.witnesses),
        "newest backup": _moment(backups.made_at),
        "newest drill": _moment(backups.drilled_at),
    }


def _moment(unix_s: float | None) -> str:
    return "none" if unix_s is None else datetime.fromtimestamp(unix_s, UTC).isoformat(" ", "seconds")

"""Both verifiers, one after the other, on what was served: they must agree, and the one report stands for both."""

from collections.abc import Iterable
from pathlib import Path

from deploy.verifier import ironflock_audit_verify as alone
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.export import verify_export
from shared.tlog.findings import Report
from shared.tlog.heads import Trust
from shared.tlog.note import VerifierKey
from shared.tlog.verification import verify_log
from tests.integration.audit.world import SavedLog
from tests.unit.verifier.agreement import assert_same


def log_verified(saved: SavedLog, keys: Iterable[VerifierKey], last: Checkpoint | None, folder: Path) -> Report:
    """What both say of the whole log, served from `folder` to the stand-alone one."""
    for path, content in saved.served.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    trust = Trust(list(keys), last)
    report = verify_log(saved, trust)
    assert_same(report, alone.verify_log(alone.Folder(folder), _other(trust)))
    return report


def export_verified(lines: list[bytes], keys: Iterable[VerifierKey]) -> Report:
    """What both say of an export."""
    trust = Trust(list(keys))
    report = verify_export(lines, trust)
    assert_same(report, alone.verify_export(lines, _other(trust)))
    return report


def _other(trust: Trust) -> alone.Trust:
    last = None if trust.last_head is None else alone.head_in(trust.last_head.text)
    return alone.Trust(tuple(alone.Key.from_text(key.text) for key in trust.keys), last, trust.witnesses)

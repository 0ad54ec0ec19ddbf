"""The newest head of the audit log counts as it was signed, and not otherwise."""

from pathlib import Path

from deploy.flockctl.compliance.heads import newest_head
from deploy.flockctl.compliance.records import LogHead
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.note import Signer, encode_base64

ORIGIN = "ironflock.example/audit"
OURS, ANOTHER = Signer.from_seed(ORIGIN, bytes(32)), Signer.from_seed(ORIGIN, bytes(31) + b"1")
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))


def files(folder: Path, head: bytes, keys: str) -> tuple[Path, Path]:
    (folder / "audit-head").write_bytes(head)
    (folder / "audit-keys").write_text(keys, encoding="utf-8")
    return folder / "audit-head", folder / "audit-keys"


def test_it_is_told_with_its_root_and_its_signatures(tmp_path: Path) -> None:
    note = CHECKPOINT.signed([OURS]).octets

    head = newest_head(*files(tmp_path, note, f"{OURS.verifier_key.text}\n"))

    assert head == LogHead(7, encode_base64(bytes(range(32))), note.decode())


def test_one_that_no_key_of_the_log_vouches_for_is_none(tmp_path: Path) -> None:
    note = CHECKPOINT.signed([ANOTHER]).octets
    forged = note.replace(b"\n7\n", b"\n8\n")

    assert newest_head(*files(tmp_path, note, OURS.verifier_key.text)) is None
    assert newest_head(*files(tmp_path, forged, ANOTHER.verifier_key.text)) is None
    assert newest_head(*files(tmp_path, b"", OURS.verifier_key.text)) is None
    assert newest_head(*files(tmp_path, note, "")) is None
    assert newest_head(tmp_path / "absent", tmp_path / "audit-keys") is None
    assert newest_head(tmp_path / "audit-head", tmp_path / "absent") is None

"""Go's implementations read the log of the running platform: its note, its tiles, its proofs."""

import base64
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.hashing import commitment, leaf_hash
from shared.tlog.note import SignedNote
from tests.harness.clients import Account
from tests.harness.published_log import PublishedLog
from tests.harness.recorded import wait_until_integrated
from tests.harness.running import RunningPlatform
from tests.interop.asking import Ask, b64

pytestmark = [pytest.mark.real, pytest.mark.soak]  # a platform of its own; files are verified in every run


def head_of(note: str | bytes) -> Checkpoint:
    octets = note.encode() if isinstance(note, str) else note
    return Checkpoint.parse(SignedNote.parse(octets).text)


def downloaded(platform: RunningPlatform, folder: Path) -> PublishedLog:
    """Every tile and bundle of the newest head, in `folder`."""
    log = PublishedLog(platform)
    assert log.verified().findings == ()
    for path, content in log.served.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return log


def proof_of(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of `entry.proof` as Go takes it; the leaf is computed from what the person was shown."""
    committed = commitment(base64.b64decode(answer["salt"]), rfc8785.dumps(answer["entry"]))
    return {
        "index": answer["leaf_index"],
        "size": answer["size"],
        "leaf": b64(leaf_hash(committed)),
        "proof": answer["inclusion_proof"],
        "root": b64(head_of(answer["checkpoint"]).root),
    }


def test_go_reads_the_log_of_a_running_platform(
    ask: Ask, ironflock: RunningPlatform, owner: Account, tmp_path: Path
) -> None:
    older = owner.call("ironflock.audit.head.show")
    device = owner.device()
    owner.flash(device["device_key"])
    wait_until_integrated(ironflock)

    log = downloaded(ironflock, tmp_path)
    note = log.checkpoint().decode()
    head = head_of(note)
    (created, *_) = owner.call("ironflock.audit.entry.list", device=device["device_key"])["entries"]
    proved = owner.call("ironflock.audit.entry.proof", entry_id=created["id"])
    continued = owner.call("ironflock.audit.head.consistency", from_size=older["size"])
    first = {"size1": older["size"], "root1": b64(head_of(older["checkpoint"]).root)}
    second = {"size2": continued["size"], "root2": continued["root"], "proof": continued["consistency_proof"]}

    answer = ask(
        notes=[{"note": note, "log_keys": [key.text for key in log.trust.keys], "witnesses": []}],
        tiles=[{"folder": str(tmp_path), "size": head.size, "root": b64(head.root)}],
        inclusion=[proof_of(proved), {**proof_of(proved), "leaf": b64(bytes(32))}],
        consistency=[{**first, **second}],
    )

    assert answer["notes"] == ["1 verified"]
    assert answer["tiles"] == [""]
    assert answer["inclusion"][0] == ""
    assert answer["inclusion"][1] != ""
    assert answer["consistency"] == [""]

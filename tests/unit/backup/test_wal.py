"""The spool: what is in a backup goes, what came since stays."""

from pathlib import Path

import pyrage

from deploy.backup.wal import SPOOL, forget, seal_spooled, spooled

RECIPIENTS = [pyrage.x25519.Identity.generate().to_public()]
NAMES = [f"{number:024X}" for number in range(1, 5)]


def test_only_what_was_sealed_or_is_older_is_forgotten(tmp_path: Path) -> None:
    spool, folder = tmp_path / SPOOL, tmp_path / "backup"
    spool.mkdir()
    folder.mkdir()
    for name in NAMES[:3]:
        (spool / name).write_bytes(b"x")

    parts = seal_spooled(tmp_path, folder, RECIPIENTS, NAMES[0])
    (spool / NAMES[3]).write_bytes(b"x")
    forget(tmp_path, NAMES[2])

    assert [part.name.removeprefix("wal-").partition(".")[0] for part in parts] == NAMES[1:3]
    assert [path.name for path in spooled(tmp_path)] == NAMES[3:]

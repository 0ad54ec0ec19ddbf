"""With which settings the processes of a platform were started."""

import os
from pathlib import Path

from deploy.local.records import PlatformRecord

PREFIX = "IRONFLOCK_"


def settings_told(record: PlatformRecord) -> dict[str, str]:
    """Every `IRONFLOCK_` variable, as the kernel tells it of what runs now; secrets are in files, none is in there."""
    found: dict[str, str] = {}
    for process in record.processes:
        try:
            octets = Path(f"/proc/{process.pid}/environ").read_bytes() if process.pid else b""
        except OSError:
            continue
        pairs = (os.fsdecode(each).partition("=") for each in octets.split(b"\0"))
        found |= {name: value for name, _, value in pairs if name.startswith(PREFIX)}
    return found

"""What a run that was killed outright leaves: the whole installation in clear, for whoever comes next to remove."""

import shutil
from pathlib import Path
from typing import Final

from deploy.backup.locking import held_if_free

DRILLING: Final = ".drilling"
RESTORING: Final = ".restoring"
REVIVING: Final = ".reviving"


def remove_left(room: Path) -> None:
    """Remove what is left in `room`, the folder that such a run has for itself while it is there (`locking.held`).

    Raises:
        OSError: `room` is not there.
    """
    with held_if_free(room) as is_free:
        if is_free:
            for name in (DRILLING, RESTORING, REVIVING):
                shutil.rmtree(room / name, ignore_errors=True)

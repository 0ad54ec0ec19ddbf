"""`make up` from a bare clone: the environment is made, everything installed, the platform started and healthy.

What pip keeps of earlier downloads on this machine, it uses: measured is our part, not the network.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from deploy.local.state import REPOSITORY
from tests.bench.figures import Row, at_most, plain_row
from tests.bench.scale import Scale
from tests.harness.ports import free_port_base

NAME: Final = "clone"
BAR: Final = at_most(120.0)
TIMEOUT_S: Final = 280.0


def run(scale: Scale, folder: Path) -> list[Row]:
    """The one row, of one round: a second one would find nothing bare."""
    del scale, folder
    with tempfile.TemporaryDirectory(prefix="ironflock-bench-") as place:
        Path(place).chmod(0o711)  # PostgreSQL has a user of its own, who must get to the state
        seconds = _took(Path(place))
    return [plain_row(NAME, "make up from a bare clone", "s", [seconds], BAR)]


def _took(place: Path) -> float:
    clone = place / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(REPOSITORY), str(clone)], check=True)  # noqa: S607
    own = {name: value for name, value in os.environ.items() if not name.startswith(("IRONFLOCK_", "PYTHON"))}
    settings = {"STATE": str(place / "state"), "PORT_BASE": str(free_port_base())}
    environment = own | {f"IRONFLOCK_LOCAL_{name}": value for name, value in settings.items()}
    try:
        began = time.perf_counter()
        _make("up", clone, environment)
        return time.perf_counter() - began
    finally:
        _make("down", clone, environment)


def _make(target: str, clone: Path, environment: dict[str, str]) -> None:
    command = ["make", target]
    subprocess.run(command, cwd=clone, env=environment, timeout=TIMEOUT_S, check=True, stdout=subprocess.DEVNULL)

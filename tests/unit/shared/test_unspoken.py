"""What is kept out of a service stays out of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.unspoken import UNSPOKEN

ROOT = Path(__file__).parents[3]
PROGRAM = "import sys, {}; print(*(name for name, module in sys.modules.items() if module is not None))"


@pytest.mark.parametrize("module", ["services.fleetdb.__main__", "services.realms.provisioner.__main__"])
def test_a_process_loads_nothing_of_it(module: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(module)]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60, text=True)
    loaded = set(finished.stdout.split())

    assert "structlog" in loaded
    assert loaded.isdisjoint({*UNSPOKEN, "rich", "numpy"})


def test_the_command_line_loads_nothing_of_it_for_a_command() -> None:
    program = "import sys; from deploy.flockctl.__main__ import make_app; make_app('device'); print(*sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", program]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60, text=True)
    loaded = set(finished.stdout.split())

    assert "autobahn.twisted.wamp" in loaded
    assert loaded.isdisjoint({"numpy", "hpack", "psycopg", "structlog"})


def test_who_prints_tables_has_rich_all_the_same() -> None:
    command = [sys.executable, "-W", "ignore", "-c", "import shared.unspoken, rich.table"]
    subprocess.run(command, env=dict(os.environ) | {"PYTHONPATH": str(ROOT)}, check=True, timeout=60)

"""What the router leaves out stays out, of the process as it is started."""

import os
import subprocess
import sys
from pathlib import Path

from ironflock_router.absent import ABSENT, WITHOUT

ROOT = Path(__file__).parents[3]
HEAVY = frozenset(
    {
        "web3",
        "eth_abi",
        "numpy",
        "rich",
        "h2",
        "xbr",
        "txtorcon",
        "zlmdb",
        "cfxdb",
        "aiohttp",
        "pydantic",
        "jinja2",
        "docker",
    }
)
PROGRAM = """
import sys
import ironflock_router.__main__
from ironflock_router.absent import Absent
print(*(name for name, module in sys.modules.items() if module is not None and not isinstance(module, Absent)))
"""


def test_the_router_loads_nothing_of_what_it_does_not_use() -> None:
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "router-config")])}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    finished = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60, text=True)
    loaded = set(finished.stdout.split())

    assert "crossbar.router.session" in loaded
    assert loaded.isdisjoint({*ABSENT, *WITHOUT})
    assert {name.partition(".")[0] for name in loaded}.isdisjoint(HEAVY)

"""One test for each private name of Crossbar, autobahn and Twisted; see `private_names.py`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("private_names.py")
NAMES = re.findall(r'^@check\(\s*"(.*)"\s*\)$', PROGRAM.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def results() -> dict[str, str | None]:
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "router-config")])}
    command = [sys.executable, "-W", "ignore", str(PROGRAM)]
    finished = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    answer: dict[str, str | None] = json.loads(finished.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("name", NAMES)
def test_the_name_means_what_we_take_it_for(results: dict[str, str | None], name: str) -> None:
    assert results[name] is None


def test_every_check_is_run(results: dict[str, str | None]) -> None:
    assert sorted(results) == sorted(NAMES)

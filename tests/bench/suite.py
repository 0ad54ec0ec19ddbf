"""How long `make test` takes: a whole run says it itself, since nothing may be run for as long to measure it."""

from pathlib import Path
from typing import Final

import pytest

from deploy.local.state import REPOSITORY
from tests.bench.figures import at_most, plain_row
from tests.bench.machine import describe
from tests.bench.table import write_json

NAME: Final = "suite"
BAR: Final = at_most(15.0)
MINUTE_S: Final = 60.0
ENDED: Final = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
OUTCOMES: Final = ("passed", "failed", "skipped", "error")


def is_whole(session: pytest.Session) -> bool:
    """Whether it is `make test` that has come to its end: all tests, by their markers alone."""
    config = session.config
    is_worker = hasattr(config, "workerinput")
    of_all = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    chosen = [config.getoption(name, default=None) for name in ("keyword", "lf", "collectonly", "deselect")]
    is_usual = config.getoption("markexpr") == "not soak" and not any(chosen)
    return of_all and is_usual and not is_worker and session.exitstatus in ENDED


def write_whole_run(session: pytest.Session, seconds: float, folder: Path = REPOSITORY / ".bench") -> Path:
    """What it took, as a run of the bench."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    tests = sum(len(reporter.stats.get(outcome, ())) for outcome in OUTCOMES) if reporter is not None else 0
    row = plain_row(NAME, "make test", "min", [seconds / MINUTE_S], BAR, note=f"{tests} tests")
    return write_json([row], [], describe(), folder)

"""Only a run of all tests that came to its end says how long the suite takes."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import Factory, define

from tests.bench.suite import is_whole, write_whole_run

SOURCES = pytest.Config.ArgsSource


@define
class Config:
    """A run's configuration, as far as it is asked."""

    args_source: SOURCES = SOURCES.TESTPATHS
    options: dict[str, Any] = Factory(lambda: {"markexpr": "not soak"})

    def getoption(self, name: str, default: Any = None) -> Any:
        """What was said."""
        return self.options.get(name, default)

    @property
    def pluginmanager(self) -> "Config":
        """Itself."""
        return self

    def get_plugin(self, name: str) -> "Reporter":
        """The one that there is."""
        assert name == "terminalreporter"
        return Reporter({"passed": [1, 2], "failed": [3], "warnings": [4]})


@define
class Reporter:
    """What came of the tests."""

    stats: dict[str, list[int]]


@define
class Session:
    """A run."""

    config: Config = Factory(Config)
    exitstatus: int = pytest.ExitCode.OK


def session(
    exitstatus: int = pytest.ExitCode.OK, source: SOURCES = SOURCES.TESTPATHS, **options: Any
) -> pytest.Session:
    config = Config(source, {"markexpr": "not soak", **options})
    return cast("pytest.Session", Session(config, exitstatus))


def test_a_run_of_all_tests_is_whole_also_when_some_fail() -> None:
    assert is_whole(session())
    assert is_whole(session(pytest.ExitCode.TESTS_FAILED))


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(session(pytest.ExitCode.INTERRUPTED), id="given up"),
        pytest.param(session(source=SOURCES.ARGS), id="some files"),
        pytest.param(session(keyword="name"), id="by a word"),
        pytest.param(session(lf=True), id="what failed last"),
        pytest.param(session(markexpr="soak"), id="the soak"),
    ],
)
def test_a_part_is_not(part: pytest.Session) -> None:
    assert not is_whole(part)


def test_it_is_written_as_a_figure_with_its_bar(tmp_path: Path) -> None:
    file = write_whole_run(session(), 1_200.0, tmp_path)
    (row,) = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert (row["value"], row["unit"], row["verdict"], row["note"]) == (20.0, "min", "missed", "3 tests")

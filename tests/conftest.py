"""The running platform, one for all tests that need it; it is started by the first of them.

A run of all tests leaves in `.bench/` how long it took, as a figure of the bench.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.suite import is_whole, write_whole_run
from tests.harness.accounts import Stranger, add_stranger
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform

BEGAN = pytest.StashKey[float]()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[BEGAN] = time.monotonic()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if is_whole(session):
        write_whole_run(session, time.monotonic() - session.config.stash[BEGAN])


@pytest.fixture(scope="session")
def ironflock() -> Iterator[RunningPlatform]:
    running = RunningPlatform()
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def flockctl(ironflock: RunningPlatform, tmp_path: Path) -> Flockctl:
    return Flockctl(ironflock, tmp_path)


@pytest.fixture
def owner(ironflock: RunningPlatform) -> Account:
    return Account(ironflock, ironflock.owner_key)


@pytest.fixture
def stranger(ironflock: RunningPlatform) -> Stranger:
    return add_stranger(ironflock)

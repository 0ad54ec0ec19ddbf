"""The running platform, one for all tests that need it; it is started by the first of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.accounts import Stranger, add_stranger
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform


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

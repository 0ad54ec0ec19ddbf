"""The running platform, one for all tests that need it; it is started by the first of them.

A run of all tests leaves in `.bench/` how long it took, as a figure of the bench.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.junitxml import xml_key  # pytest has no other way to a property of all, with several workers
from xdist.remote import Producer

from deploy.flockctl.compliance.sources import MANIFESTS_PROPERTY, PROPERTY, digest, manifests_digest
from deploy.local.state import REPOSITORY
from tests.bench.suite import is_whole, write_whole_run
from tests.harness.accounts import Stranger, add_stranger
from tests.harness.both_ends import BothEnds, order
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.integration.flockctl.certificates import make_certificates

BEGAN = pytest.StashKey[float]()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[BEGAN] = time.monotonic()
    results = session.config.stash.get(xml_key, None)
    if results is not None:
        results.add_global_property(PROPERTY, digest(REPOSITORY))
        results.add_global_property(MANIFESTS_PROPERTY, manifests_digest(REPOSITORY))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BothEnds:
    return BothEnds(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order(items)


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


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that nobody here is signed by, for a bus that never connects."""
    return make_certificates(tmp_path_factory.mktemp("authority")).ca


@pytest.fixture
def flockctl(ironflock: RunningPlatform, tmp_path: Path) -> Flockctl:
    return Flockctl(ironflock, tmp_path)


@pytest.fixture
def owner(ironflock: RunningPlatform) -> Account:
    return Account(ironflock, ironflock.owner_key)


@pytest.fixture
def stranger(ironflock: RunningPlatform) -> Stranger:
    return add_stranger(ironflock)

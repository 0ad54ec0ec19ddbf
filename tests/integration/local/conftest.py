"""Platforms for these tests: PostgreSQL alone, or everything with stand-ins for the router and the services."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.state import StateFolder
from tests.harness.ports import free_port_base
from tests.harness.scratch import new_folder
from tests.integration.local.sites import DATABASE, STUBS, Site, end, wait_until


@pytest.fixture(name="new_site", scope="module")
def fixture_new_site() -> Iterator[Callable[[], Site]]:
    """Makes sites, and removes them afterwards with all that is left of them."""
    folders: list[Path] = []

    def make() -> Site:
        folders.append(new_folder())
        return Site(StateFolder(folders[-1] / "state"), free_port_base())

    yield make
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture(name="database", scope="module")
def fixture_database(new_site: Callable[[], Site]) -> Iterator[Site]:
    """PostgreSQL alone, running."""
    site = new_site()
    launcher = site.start(*DATABASE)
    try:
        wait_until(lambda: site.runs(launcher))
        yield site
    finally:
        end(launcher)


@pytest.fixture(name="platform")
def fixture_platform(new_site: Callable[[], Site]) -> Iterator[tuple[Site, subprocess.Popen[str]]]:
    """Everything, running, with stand-ins for the router and the services."""
    site = new_site()
    launcher = site.start(str(STUBS))
    try:
        wait_until(lambda: site.runs(launcher))
        yield site, launcher
    finally:
        if launcher.poll() is None:
            end(launcher)

"""Platforms for these tests: PostgreSQL alone, or everything with stand-ins for the router and the services."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.state import StateFolder
from tests.harness.ports import free_port_base
from tests.harness.scratch import new_folder
from tests.integration.local.sites import DATABASE, STUBS, TWO_CELLS, Site, end, wait_until


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


class Kept:
    """A platform that is started where none runs: a first start costs three times what one with a state folder does."""

    def __init__(self, site: Site) -> None:
        """Nothing runs on `site` yet."""
        self.site = site
        self._launcher: subprocess.Popen[str] | None = None

    def running(self) -> tuple[Site, subprocess.Popen[str]]:
        """It, healthy."""
        launcher = self._launcher
        if launcher is None or launcher.poll() is not None:
            self._launcher = launcher = self.site.start(str(STUBS), **TWO_CELLS)
            wait_until(lambda: self.site.runs(launcher))
        for mark in self.site.state.root.glob("unready-*"):
            mark.unlink()
        wait_until(lambda: not self.site.unready())
        return self.site, launcher

    def end(self) -> None:
        """End it, if it runs."""
        if self._launcher is not None and self._launcher.poll() is None:
            end(self._launcher)


@pytest.fixture(name="kept", scope="module")
def fixture_kept(new_site: Callable[[], Site]) -> Iterator[Kept]:
    kept = Kept(new_site())
    try:
        yield kept
    finally:
        kept.end()


@pytest.fixture(name="platform")
def fixture_platform(kept: Kept) -> tuple[Site, subprocess.Popen[str]]:
    """Everything, running, with stand-ins for two routers and services; whatever becomes of it, the next is well."""
    return kept.running()

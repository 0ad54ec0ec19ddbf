"""A platform with two database servers is rotated, backed up, destroyed and brought back; a project goes elsewhere."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests.e2e.test_backups import Safe
from tests.e2e.test_fleetdb_killed import TABLE, Writer, served
from tests.e2e.test_moving_projects import stored
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.placed_apps import PlacedApp, place_apps
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

# Soak: two platforms of its own, of which one has two servers.
pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.asyncio, pytest.mark.timeout(900)]
COUNT = "SELECT count(*) FROM pg_database WHERE starts_with(datname, 'd_')"


def platform(clusters: int) -> RunningPlatform:
    """One with so many database servers; it is not started."""
    made = RunningPlatform()
    made.environment["IRONFLOCK_LOCAL_CLUSTERS"] = str(clusters)
    return made


@pytest.fixture(name="two")
def fixture_two() -> Iterator[RunningPlatform]:
    """A platform with a second PostgreSQL."""
    made = platform(2)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(name="elsewhere")
def fixture_elsewhere() -> Iterator[RunningPlatform]:
    """Another installation."""
    made = platform(1)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(name="safe")
def fixture_safe(tmp_path: Path) -> Safe:
    """A safe with an identity in it."""
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity.txt").write_text(f"{identity}\n")
    return Safe(tmp_path, str(identity.to_public()))


async def asked(flockctl: Flockctl, *words: str) -> dict[str, Any]:
    """What the command answers."""
    answer: dict[str, Any] = await asyncio.to_thread(flockctl.json, *words)
    return answer


async def moved_there(two: RunningPlatform, flockctl: Flockctl) -> PlacedApp:
    """An app whose project is on the second server."""
    await asked(flockctl, "placement", "cluster", "add", "second", "--region", "south", "--capacity", "9")
    (app,) = await place_apps(two, Account(two, two.owner_key), 1, [TABLE])
    await served([Writer(app)])

    def reached() -> bool:
        listed = flockctl.json("placement", "cluster", "list")["clusters"]
        return listed[1]["reached_at"] is not None

    await asyncio.to_thread(wait_until, reached, 60, "the provisioner is at work there")
    await asked(flockctl, "placement", "move", str(app.project_key), "--to", "second", "--until-done")
    return app


async def write(app: PlacedApp, seconds: float = 2.0) -> Writer:
    """Some rows, each acknowledged."""
    writer = Writer(app)
    await served([writer])
    await writer.write(asyncio.get_running_loop().time() + seconds)
    return writer


async def come_elsewhere(here: Flockctl, there: Flockctl, app: PlacedApp, safe: Safe) -> None:
    """The project is taken out and brought into another installation; and comes back beside itself, where it is."""
    project, key = str(app.project_key), ("--key-file", str(safe.folder / "backup-key"))
    folder = str(safe.folder / "plant")
    await asked(here, "project", "export", project, "--to", folder, "--recipient", safe.recipient)
    opened = ("--identity-file", str(safe.folder / "identity.txt"), *key)
    brought = await asked(there, "project", "import", folder, *opened)
    beside = await asked(here, "restore", *safe.opened, *key, "--project", project, "--cluster", "second")
    assert (brought["imported"]["devices"], beside["imported"]["devices"]) == (1, 1)


async def test_both_servers_are_rotated_and_come_back_and_the_project_goes_elsewhere(
    two: RunningPlatform, elsewhere: RunningPlatform, safe: Safe, tmp_path: Path
) -> None:
    flockctl = Flockctl(two, tmp_path)
    app = await moved_there(two, flockctl)
    passwords = {path: path.read_text() for path in two.state.second_secrets.iterdir()}
    await asyncio.to_thread(two.local, "rotate", "database-passwords")
    assert {path for path, text in passwords.items() if path.read_text() != text} == set(passwords)
    writer = await write(app)

    taken = await asked(flockctl, "backup", "create", *safe.to)
    log = await asked(flockctl, "backup", "wal", *safe.to)
    drilled = await asked(flockctl, "backup", "drill", *safe.opened)
    (safe.folder / "backup-key").write_text((await asked(flockctl, "backup", "key"))["key"])
    found = await asyncio.to_thread(flockctl.run, "doctor")
    assert (taken["backup"]["servers"], log["backup"]["absent"]) == (["first", "second"], [])
    assert (drilled["drill"]["failures"], drilled["drill"]["backends"]) == ([], 1)
    assert "cluster_away" not in found.out
    await asyncio.to_thread(two.end)
    shutil.rmtree(two.state.root)
    key = ("--key-file", str(safe.folder / "backup-key"))
    restored = await asked(flockctl, "restore", *safe.opened, *key, "--into", str(two.state.root), "--yes")
    await asyncio.to_thread(two.start)

    assert restored["restored"]["missing"] == []
    assert set(stored(two)) == writer.answered
    shown = (await asked(flockctl, "project", "show", str(app.project_key)))["project"]
    assert shown["cluster"] == "second"
    await come_elsewhere(flockctl, Flockctl(elsewhere, tmp_path), app, safe)
    with elsewhere.database() as connection:
        assert connection.execute(COUNT).fetchall() == [(1,)]

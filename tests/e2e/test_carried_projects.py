"""A project is taken out and brought in, or comes back beside itself: whole, and with nobody's rights."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pyrage
import pytest
import pytest_asyncio
from attrs import frozen

from deploy.backup.sealing import identities_of
from deploy.backup.signing import signer_of
from deploy.backup.wal import SLOT
from deploy.carrying import importing
from deploy.carrying.databases import living
from deploy.carrying.manifest import read_carried
from tests.harness.accounts import add_stranger, make_members
from tests.harness.clients import Account, join_device, new_name
from tests.harness.commands import Flockctl
from tests.harness.placed_apps import PlacedApp, place_apps
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PATIENCE_S: Final = 30.0
VAULT: Final = {
    "tablename": "vault",
    "columns": [
        {"id": "tsp", "dataType": "timestamp"},
        {"id": "name", "dataType": "string"},
        {"id": "pin", "dataType": "string", "secret": True},
    ],
}
VARIABLES: Final = {"TOKEN": "open sesame"}


def row(second: int) -> dict[str, Any]:
    """A row of the vault."""
    return {"tsp": f"2026-03-01T00:00:{second:02}Z", "name": f"door {second}", "pin": f"hunter{second}"}


async def store(app: PlacedApp, second: int) -> None:
    """Have the row stored, as soon as the tables are served and the app's session is known there."""

    async def is_stored() -> bool:
        async with await app.join() as container:
            try:
                await container.call(app.uri("append", "vault"), row(second))
            except WampError as error:
                if error.uri != "wamp.error.no_such_procedure" and "join again" not in str(error):
                    raise
                return False
        return True

    assert await eventually(is_stored, PATIENCE_S, "fleetdb serves the table")


@frozen
class Plant:
    """A project with an app that has written, a group, and a member; and where it is kept when it is taken out."""

    platform: RunningPlatform
    owner: Account
    app: PlacedApp
    device: dict[str, Any]
    member: str
    safe: Path
    recipient: str

    @property
    def opened(self) -> tuple[str, ...]:
        """How somebody who may open it does."""
        return ("--identity-file", str(self.safe / "identity.txt"), "--key-file", str(self.safe / "backup-key"))

    async def append(self, *seconds: int) -> None:
        """The app stores these rows."""
        for second in seconds:
            await store(self.app, second)

    async def call(self, procedure: str, **arguments: Any) -> Any:
        """A call of the owner."""
        return await asyncio.to_thread(self.owner.call, procedure, **arguments)


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(
    ironflock: RunningPlatform, owner: Account, flockctl: Flockctl, tmp_path: Path
) -> AsyncIterator[Plant]:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity.txt").write_text(str(identity))
    (tmp_path / "backup-key").write_text((await asyncio.to_thread(flockctl.json, "backup", "key"))["key"])
    (app,) = await place_apps(ironflock, owner, 1, [VAULT])
    stranger = await asyncio.to_thread(add_stranger, ironflock)
    listed = await asyncio.to_thread(owner.call, "ironflock.devices.device.list", project=app.project_key)
    (device,) = listed["devices"]
    flag = ("device", device["device_key"], "OPERATE")
    await asyncio.to_thread(make_members, ironflock, app.project_key, [stranger], [flag])
    plant = Plant(ironflock, owner, app, device, stranger.login_name, tmp_path, str(identity.to_public()))
    group = await plant.call("ironflock.devices.group.create", project=app.project_key, name="line")
    await plant.call("ironflock.devices.group.add_device", group=group["group_key"], device=device["device_key"])
    where = {"device": device["device_key"], "app": app.app_key, "stage": "PROD"}
    await plant.call("ironflock.devices.app.set_environment", **where, values=VARIABLES, secrets=["TOKEN"])
    yield plant


@pytest.fixture
def no_slot(ironflock: RunningPlatform) -> Iterator[None]:
    """The shared platform keeps no log for backups afterwards."""
    yield
    with ironflock.database() as connection, contextlib.suppress(Exception):
        connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])


async def look(plant: Plant, brought: dict[str, Any], *, same_serial: bool = False) -> list[dict[str, Any]]:
    """What must be there is, under new keys; returns the rows as the app reads them there."""
    project = brought["project"]
    assert project != plant.app.project_key
    assert brought["review"]["member"] == [{"login_name": plant.member}]

    async def is_shown() -> bool:
        listed = await plant.call("ironflock.realms.project.list")
        return project in [each["project_key"] for each in listed["projects"]]

    assert await eventually(is_shown, PATIENCE_S, "privileges knows of it")
    (device,) = (await plant.call("ironflock.devices.device.list", project=project))["devices"]
    assert device["name"] == plant.device["name"]
    assert device["device_key"] != plant.device["device_key"]
    assert (device["serial_number"] == plant.device["serial_number"]) is same_serial
    assert device["state"] == "registered"
    members = await plant.call("ironflock.privileges.member.list", project=project)
    assert plant.member not in str(members)
    where = {"device": device["device_key"], "app": plant.app.app_key, "stage": "PROD"}

    async def is_known() -> bool:
        groups = (await plant.call("ironflock.devices.group.list", project=project))["groups"]
        return [each["name"] for each in groups] == ["line"]

    assert await eventually(is_known, PATIENCE_S, "privileges knows of its group")
    flock = await asyncio.to_thread(plant.owner.flash, device["device_key"])
    async with await join_device(plant.platform, flock) as agent:
        cred_key = await agent.call("reswarm.devices.get_app_cred_key")
    environment = await plant.call("ironflock.devices.app.environment", **where)
    assert "open sesame" in str(environment)
    app = PlacedApp(plant.platform, project, plant.app.app_key, device["serial_number"], cred_key)
    await store(app, 59)
    async with await app.join() as container:
        revealed = await container.call("secret.reveal.vault", {"limit": 50})
    assert {each["device_key"] for each in revealed} == {device["device_key"]}
    return sorted(revealed, key=lambda each: str(each["tsp"]))


@pytest.mark.usefixtures("no_slot")
async def test_a_project_comes_back_beside_itself_as_of_a_moment(plant: Plant, flockctl: Flockctl) -> None:
    backups = str(plant.safe / "backups")
    await plant.append(1, 2)
    await asyncio.to_thread(flockctl.json, "backup", "create", "--to", backups, "--recipient", plant.recipient)
    await plant.append(3)

    words = ("restore", "--from", backups, *plant.opened, "--project", str(plant.app.project_key))
    brought = (await asyncio.to_thread(flockctl.json, *words))["imported"]

    assert " restored 20" in brought["name"]
    rows = await look(plant, brought)
    assert [each["pin"] for each in rows] == ["hunter1", "hunter2", "hunter59"]
    async with await plant.app.join() as container:
        living = await container.call("secret.reveal.vault", {"limit": 50})
    assert [each["name"] for each in sorted(living, key=lambda each: str(each["tsp"]))] == [
        "door 1",
        "door 2",
        "door 3",
    ]
    assert list(plant.platform.state.postgres.glob(".reviving*")) == []


class DiedError(Exception):
    """An import died before its last step."""


def die(plant: Plant, folder: Path, name: str, patch: pytest.MonkeyPatch) -> None:
    """Bring the project in, up to the last step."""

    def dies(*_: Any) -> None:
        raise DiedError

    state = plant.platform.state
    carried = read_carried(folder, [signer_of(state).verifier_key])
    identities = tuple(identities_of((plant.safe / "identity.txt").read_text()))
    wanted = importing.Wanted(folder, carried, identities, living(state), state, None, name, is_beside=False)
    with patch.context() as patched:
        patched.setattr(importing, "_take", dies)
        with pytest.raises(DiedError):
            importing.bring_in(wanted)


BEGUN: Final = (
    "SELECT import_id, database_name FROM realms.project_import JOIN realms.project_database USING (project_key)"
    " WHERE name = %s"
)


def rows_of(plant: Plant, query: str, value: str) -> list[tuple[Any, ...]]:
    """What the superuser of the platform's database sees."""
    with plant.platform.database() as connection:
        return connection.execute(query.encode(), [value]).fetchall()


async def test_a_project_is_taken_out_and_brought_in(
    plant: Plant, flockctl: Flockctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plant.safe / "plant"
    await plant.append(1, 2)

    where = ("--to", str(folder), "--recipient", plant.recipient)
    exported = await asyncio.to_thread(flockctl.json, "project", "export", str(plant.app.project_key), *where)

    assert exported["export"]["backends"] == 1
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    for clear in (b"hunter1", b"open sesame", plant.member.encode(), b"door 1"):
        assert clear not in everything
    name = new_name("moved")
    bring = ("project", "import", str(folder), *plant.opened)
    refused = await asyncio.to_thread(flockctl.run, *bring)
    assert "is a project called" in refused.error["message"]
    await asyncio.to_thread(die, plant, folder, name, monkeypatch)
    assert name not in str(await plant.call("ironflock.realms.project.list"))
    other = await asyncio.to_thread(flockctl.run, *bring, "--name", new_name("other"))
    assert "is being brought in as" in other.error["message"]
    ((begun, database),) = rows_of(plant, BEGUN, name)
    listed = (await asyncio.to_thread(flockctl.json, "project", "imports"))["imports"]
    assert [each["name"] for each in listed if each["import_id"] == begun] == [name]
    gone = await asyncio.to_thread(flockctl.json, "project", "imports", "--forget", begun, "--yes")
    assert begun not in [each["import_id"] for each in gone["imports"]]
    assert rows_of(plant, BEGUN, name) == []
    assert rows_of(plant, "SELECT datname FROM pg_database WHERE datname = %s", database) == []
    brought = (await asyncio.to_thread(flockctl.json, *bring, "--name", name))["imported"]
    rows = await look(plant, brought)
    assert [each["pin"] for each in rows] == ["hunter1", "hunter2", "hunter59"]
    again = await asyncio.to_thread(flockctl.run, *bring, "--name", name)
    assert "brought in already" in again.error["message"]
    entries = (await asyncio.to_thread(flockctl.json, "audit", "list", "--project", str(brought["project"])))["entries"]
    assert "project.imported" in [each["action"] for each in entries]

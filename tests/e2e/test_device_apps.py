"""Apps on devices, on a running platform: what lets them in, and that they are out when it ends."""

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from attrs import frozen

from tests.harness.clients import Account, connect, join_device, join_person, new_name
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.wire import AbortedError, Peer

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ENDS_S: Final = 2.0
NO_SUCH_REALM: Final = "wamp.error.no_such_realm"
IMAGE: Final = f"registry.example.com/press@sha256:{'0' * 64}"


@frozen
class Place:
    """An app in a project, and a flashed device of the project."""

    platform: RunningPlatform
    owner: Account
    project: int
    app: int
    name: str
    device: int
    serial: str
    key: str

    @property
    def realm(self) -> str:
        return f"realm-{self.project}-{self.app}-dev"

    async def call(self, procedure: str, **arguments: Any) -> Any:
        """A call of the owner."""
        async with await join_person(self.platform, self.owner.api_key) as person:
            return await person.call(procedure, **arguments)

    async def on_device(self, verb: str) -> Any:
        """A call about the app on the device."""
        return await self.call(f"ironflock.devices.app.{verb}", device=self.device, app=self.app, stage="DEV")

    def credential(self, epoch: int = 1) -> tuple[str, str]:
        """As the agent derives it."""
        message = f"ironflock/app-cred/v1|{self.serial}|{self.app}|DEV|{epoch}".encode()
        secret = base64.b64encode(hmac.digest(self.key.encode(), message, "sha256")).decode()
        return f"app-{self.app}-dev-e{epoch}@{self.serial}", secret

    @asynccontextmanager
    async def joined(self, epoch: int = 1, realm: str | None = None) -> AsyncIterator[Peer]:
        """A session of the app."""
        async with await connect(self.platform, "/ws-ua-usr") as peer:
            yield await peer.join_cra(realm or self.realm, *self.credential(epoch))

    async def refusal(self, epoch: int = 1, realm: str | None = None) -> str:
        """Why the app does not come in."""
        with pytest.raises(AbortedError) as refused:
            async with self.joined(epoch, realm):
                pass
        return refused.value.reason


async def place_of(platform: RunningPlatform, owner: Account) -> Place:
    """Everything is there but the app on the device."""
    async with await join_person(platform, owner.api_key) as person:
        project = (await person.call("ironflock.realms.project.create", name=new_name("plant")))["project_key"]
        made = await person.call("ironflock.devices.device.create", project=project, name=new_name("press"))
        flock = (await person.call("ironflock.devices.device.flash", device=made["device_key"]))["flock"]
        name = new_name("Monitor")
        app = (await person.call("ironflock.realms.app.create", name=name))["app_key"]
        await person.call("ironflock.realms.release.create", app=app, version="1.0.0", image=IMAGE)
        await person.call("ironflock.realms.install.create", project=project, app=app, stage="DEV")
    async with await join_device(platform, flock) as agent:
        key = await agent.call("reswarm.devices.get_app_cred_key")
    return Place(platform, owner, project, app, name, made["device_key"], made["serial_number"], key)


@pytest_asyncio.fixture
async def place(ironflock: RunningPlatform, owner: Account) -> Place:
    return await place_of(ironflock, owner)


async def is_out(peer: Peer) -> bool:
    """Whether the session ends now."""
    await asyncio.wait_for(peer.closed.wait(), ENDS_S)
    return True


async def test_an_app_comes_in_once_it_is_on_the_device_and_is_out_when_it_is_not(place: Place) -> None:
    assert await place.refusal() == NO_SUCH_REALM
    await place.on_device("install")

    async with place.joined() as app:
        assert (app.details["authid"], app.details["authrole"]) == (place.serial, "app")
        await place.on_device("uninstall")
        assert await is_out(app)

    assert await place.refusal() == NO_SUCH_REALM


async def test_an_app_is_out_when_the_project_has_it_no_more_and_leaves_the_device(place: Place) -> None:
    await place.on_device("install")
    async with place.joined() as app:
        await place.call("ironflock.realms.install.delete", project=place.project, app=place.app, stage="DEV")
        assert await is_out(app)

    async def has_left() -> bool:
        return not (await place.call("ironflock.devices.app.list", device=place.device))["apps"]

    await eventually(has_left, 10, "the app has left the device")
    assert await place.refusal() == NO_SUCH_REALM


ENDINGS: Final[dict[str, Callable[[Place], Any]]] = {
    "flash": lambda place: place.call("ironflock.devices.device.flash", device=place.device),
    "delete": lambda place: place.call("ironflock.devices.device.delete", device=place.device),
    "lock": lambda place: place.call("ironflock.privileges.lock.create", kind="device", key=str(place.device)),
}


@pytest.mark.parametrize("what", ENDINGS)
async def test_an_app_is_out_when_its_device_is(place: Place, what: str) -> None:
    await place.on_device("install")
    async with place.joined() as app:
        await ENDINGS[what](place)
        assert await is_out(app)

    assert await place.refusal() != NO_SUCH_REALM


async def test_a_rotated_credential_opens_beside_the_new_one(place: Place) -> None:
    await place.on_device("install")
    async with place.joined() as app:
        rotated = await place.on_device("rotate_credential")
        assert rotated["epoch"] == 2
        async with place.joined(2), place.joined(1):
            assert not app.closed.is_set()
    assert await place.refusal(3) != NO_SUCH_REALM


async def test_what_flockctl_prints_lets_a_program_in(place: Place, flockctl: Flockctl) -> None:
    await place.on_device("install")
    words = ["--device", str(place.device), "--app", place.name, "--stage", "dev", "--out", "-"]
    printed = (await asyncio.to_thread(flockctl.run, "app", "env", *words)).json

    realm = f"realm-{printed['SWARM_KEY']}-{printed['APP_KEY']}-{printed['ENV'].lower()}"
    async with await connect(place.platform, "/ws-ua-usr") as peer:
        await peer.join_cra(realm, printed["APP_AUTH_ID"], printed["APP_AUTH_SECRET"])

        assert peer.details["authid"] == printed["DEVICE_SERIAL_NUMBER"]
    assert printed["APP_NAME"] == place.name
    assert printed["DEVICE_ENDPOINT_URL"].endswith("/ws-re-dev")


async def test_a_foreign_project_s_app_comes_in_nowhere(
    place: Place, ironflock: RunningPlatform, owner: Account
) -> None:
    other = await place_of(ironflock, owner)
    await place.on_device("install")
    await other.on_device("install")

    assert await place.refusal(realm=other.realm) != NO_SUCH_REALM
    assert await other.refusal(realm=f"realm-{other.project}-{place.app}-dev") != NO_SUCH_REALM


async def test_an_older_sdk_comes_in_where_the_project_s_owner_lets_it(place: Place) -> None:
    await place.on_device("install")

    async def joins() -> bool:
        async with await connect(place.platform, "/ws-ua-usr") as peer:
            try:
                await peer.join_cra(place.realm, place.serial, place.serial)
            except AbortedError:
                return False
            return bool(peer.details["authrole"] == "app")

    assert not await joins()
    ends_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()  # noqa: TID251 - a date of a wish
    mode = {"project": place.project, "mode": "own_realm_only", "ends_at": ends_at}
    await place.call("ironflock.realms.project.set_legacy_mode", **mode)
    assert await joins()


async def test_an_app_reads_another_one_by_the_grant_of_the_project_s_owner(place: Place) -> None:
    name = new_name("weather")
    other = (await place.call("ironflock.realms.app.create", name=name))["app_key"]
    await place.call("ironflock.realms.install.create", project=place.project, app=other, stage="DEV")
    consuming = {"consumes": [{"app": name, "reason": "the forecast"}], "data": {"tables": []}}
    release = {"app": place.app, "version": "1.1.0", "image": IMAGE, "data_template": consuming}
    await place.call("ironflock.realms.release.create", **release)
    install = {"project": place.project, "app": place.app, "stage": "DEV", "version": "1.1.0"}
    await place.call("ironflock.realms.install.create", **install)
    await place.on_device("install")
    realm = f"realm-{place.project}-{other}-dev"
    assert await place.refusal(realm=realm) != NO_SUCH_REALM

    access = {"project": place.project, "app": place.app, "provider": name}
    await place.call("ironflock.realms.access.grant", **access)
    async with place.joined(realm=realm) as reader:
        assert (reader.details["authid"], reader.details["authrole"]) == (place.serial, "app_reader")
        await place.call("ironflock.realms.access.revoke", **access)
        assert await is_out(reader)

    assert await place.refusal(realm=realm) != NO_SUCH_REALM

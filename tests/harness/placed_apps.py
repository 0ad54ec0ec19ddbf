"""Apps on a device of a running platform: installed, with tables, and joined as the agent's containers would."""

import base64
import hmac
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen

from tests.harness.clients import Account, connect, join_device, join_person, new_name
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import Peer

IMAGE: Final = f"registry.example.com/press@sha256:{'0' * 64}"


@frozen
class PlacedApp:
    """One app on one device, at stage PROD."""

    platform: RunningPlatform
    project_key: int
    app_key: int
    serial: str
    cred_key: str
    port: int | None = None
    """What its device dials; the first cell's where it is left out."""

    @property
    def realm(self) -> str:
        """Where it meets its other instances."""
        return f"realm-{self.project_key}-{self.app_key}-prod"

    def uri(self, verb: str, table: str) -> str:
        """As `append.3.7.measurements`."""
        return f"{verb}.{self.project_key}.{self.app_key}.{table}"

    @property
    def credential(self) -> tuple[str, str]:
        """Authid and secret of epoch 1 (wire-sdk.md section 3)."""
        said = f"ironflock/app-cred/v1|{self.serial}|{self.app_key}|PROD|1".encode()
        secret = base64.b64encode(hmac.digest(self.cred_key.encode(), said, "sha256")).decode()
        return f"app-{self.app_key}-prod-e1@{self.serial}", secret

    async def join(self) -> Peer:
        """A session in its realm."""
        peer = await connect(self.platform, "/ws-ua-usr", port=self.port)
        try:
            return await peer.join_cra(self.realm, *self.credential)
        except BaseException:
            await peer.drop()
            raise


async def place_apps(platform: RunningPlatform, owner: Account, count: int, tables: list[Any]) -> list[PlacedApp]:
    """`count` apps with these tables, in a new project and on a new device of it."""
    async with await join_person(platform, owner.api_key) as person:
        project = (await person.call("ironflock.realms.project.create", name=new_name("plant")))["project_key"]
        device = await person.call("ironflock.devices.device.create", project=project, name=new_name("press"))
        flock = (await person.call("ironflock.devices.device.flash", device=device["device_key"]))["flock"]
        apps = [await _place_app(person, project, device["device_key"], tables) for _ in range(count)]
    port = urlsplit(flock["device_endpoint_url"]).port or platform.ports.router_public
    async with await join_device(platform, flock, port=port) as agent:
        cred_key = await agent.call("reswarm.devices.get_app_cred_key")
    return [PlacedApp(platform, project, app, device["serial_number"], cred_key, port) for app in apps]


async def _place_app(person: Peer, project_key: int, device_key: int, tables: list[Any]) -> int:
    app_key: int = (await person.call("ironflock.realms.app.create", name=new_name("Monitor")))["app_key"]
    template = {"data": {"tables": tables}}
    await person.call(
        "ironflock.realms.release.create", app=app_key, version="1.0.0", image=IMAGE, data_template=template
    )
    await person.call("ironflock.realms.install.create", project=project_key, app=app_key, stage="PROD")
    await person.call("ironflock.devices.app.install", device=device_key, app=app_key, stage="PROD")
    return app_key

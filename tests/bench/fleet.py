"""Devices of the running platform: made and flashed as an operator would, by several sessions at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from tests.bench.rounds import say
from tests.bench.wamp_socket import Address, WampSocket
from tests.harness.running import RunningPlatform

REALM: Final = "realm1"
FLASHING_AT_ONCE: Final = 8


@frozen
class Device:
    """A flashed device and the file that it was given."""

    key: int
    project_key: int
    name: str
    authid: str
    secret: str
    file: Path


def people(platform: RunningPlatform) -> WampSocket:
    """A session of the first owner."""
    address = Address(platform.ports.router_public, "/ws-usr", platform.tls)
    return WampSocket.connect(address).join_by_ticket(REALM, platform.owner_key)


def devices_address(platform: RunningPlatform) -> Address:
    """Where devices join."""
    return Address(platform.ports.router_public, "/ws-re-dev", platform.tls)


def flash(platform: RunningPlatform, number: int, folder: Path, name: str = "bench") -> list[Device]:
    """`number` new devices of a new project called `name`, their files in `folder`."""
    say(f"flashing {number} devices")
    folder.mkdir(parents=True)
    with people(platform) as person:
        project = person.call("ironflock.realms.project.create", name=name)["project_key"]
    shares = [range(at, number, FLASHING_AT_ONCE) for at in range(FLASHING_AT_ONCE)]

    def work(share: range) -> list[Device]:
        with people(platform) as person:
            return [_flash(person, project, f"bench-{at:05}", folder) for at in share]

    with ThreadPoolExecutor(FLASHING_AT_ONCE) as pool:
        return sorted((device for made in pool.map(work, shares) for device in made), key=lambda device: device.key)


def _flash(person: WampSocket, project: int, name: str, folder: Path) -> Device:
    key = person.call("ironflock.devices.device.create", project=project, name=name)["device_key"]
    flock: dict[str, Any] = person.call("ironflock.devices.device.flash", device=key)["flock"]
    file = folder / f"{name}.flock"
    file.write_text(json.dumps(flock), encoding="utf-8")
    return Device(key, project, name, f"{project}-{key}", flock["secret"], file)

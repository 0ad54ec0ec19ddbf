"""Clients of the running platform on bare sockets: devices, people, services, and the first owner's short calls."""

import asyncio
import itertools
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from tests.harness.running import RunningPlatform
from tests.integration.router_node.node import new_address
from tests.integration.router_node.wire import ABORT, CHALLENGE, AbortedError, Peer, sign

Flock = Mapping[str, Any]
Result = TypeVar("Result")
PATIENCE_S: Final = 10.0
PAUSE_S: Final = 0.2
_numbers = itertools.count(1)


def new_name(what: str) -> str:
    """A name that no other test of this run uses."""
    return f"{what}-{next(_numbers)}"


def authid_of(flock: Flock) -> str:
    """The authid under which the device of `flock` joins."""
    return f"{flock['swarm_key']}-{flock['device_key']}"


async def connect(platform: RunningPlatform, path: str, *, source: str | None = None, port: int | None = None) -> Peer:
    """An open WebSocket without a session, from the address `source` of this machine, to the first cell, or `port`."""
    first = platform.ports.router_services if path == "/ws-svc" else platform.ports.router_public
    return await Peer.connect(port or first, path, platform.tls, source=source)


async def join_device(
    platform: RunningPlatform, flock: Flock, *, source: str | None = None, port: int | None = None
) -> Peer:
    """A device's session, in the first cell, or at `port`."""
    peer = await connect(platform, "/ws-re-dev", source=source, port=port)
    return await _or_drop(peer, peer.join_cra("realm1", authid_of(flock), flock["secret"]))


async def join_person(platform: RunningPlatform, api_key: str | None = None, *, source: str | None = None) -> Peer:
    """A person's session, the first owner's where no key is given."""
    peer = await connect(platform, "/ws-usr", source=source)
    return await _or_drop(peer, peer.join_ticket(platform.owner_key if api_key is None else api_key))


async def join_service(platform: RunningPlatform, name: str, realm: str = "realm1") -> Peer:
    """One more session of service `name`."""
    peer = await connect(platform, "/ws-svc")
    role = f"svc_{name}"
    return await _or_drop(peer, peer.join_cra(realm, role, platform.secret(f"bus/{role}")))


async def refusal(
    platform: RunningPlatform, path: str, realm: str, authid: str, secret: str, *, port: int | None = None
) -> tuple[str, str | None, float]:
    """How an attempt to join by WAMP-CRA from a new address is refused, and after how many seconds."""
    loop = asyncio.get_running_loop()
    async with await connect(platform, path, source=new_address(), port=port) as peer:
        challenge = await peer.hello(realm, authid, ["wampcra"])
        assert challenge[0] == CHALLENGE, challenge
        began = loop.time()
        answer = await peer.authenticate(sign(secret, challenge[2]["challenge"]))
        assert answer[0] == ABORT, answer
        return answer[2], answer[1].get("message"), loop.time() - began


class Account:
    """Short calls of one person, each over a session of its own, for tests that are plain functions."""

    def __init__(self, platform: RunningPlatform, api_key: str) -> None:
        """Speak with `api_key`."""
        self._platform = platform
        self.api_key = api_key

    def call(self, procedure: str, **arguments: Any) -> Any:
        """The result of `procedure`; WampError where it is refused."""
        return run_aside(self._call(procedure, arguments))

    def project(self) -> int:
        """A new project's key."""
        key: int = self.call("ironflock.realms.project.create", name=new_name("plant"))["project_key"]
        return key

    def device(self, project: int | None = None) -> dict[str, Any]:
        """A new device, in a new project where none is given."""
        where = project or self.project()
        made: dict[str, Any] = self.call("ironflock.devices.device.create", project=where, name=new_name("press"))
        return made

    def flash(self, device_key: int) -> Flock:
        """A new `.flock` of that device."""
        flock: Flock = self.call("ironflock.devices.device.flash", device=device_key)["flock"]
        return flock

    def flashed(self, project: int | None = None) -> Flock:
        """The `.flock` of a new device."""
        return self.flash(self.device(project)["device_key"])

    def status(self, device_key: int) -> str:
        """What the registry says of the device."""
        status: str = self.call("ironflock.devices.device.show", device=device_key)["status"]
        return status

    async def _call(self, procedure: str, arguments: dict[str, Any]) -> Any:
        async with await self._join() as person:
            return await person.call(procedure, **arguments)

    async def _join(self) -> Peer:
        """A session; the platform's `try again` is obeyed, since the test before may have killed the database."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await join_person(self._platform, self.api_key)
            except AbortedError as error:
                if error.reason != "ironflock.error.unavailable" or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE_S)


def run_aside(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, on a loop of its own, wherever this is called from."""
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, work).result()


async def _or_drop(peer: Peer, joining: Coroutine[Any, Any, Peer]) -> Peer:
    try:
        return await joining
    except BaseException:
        await peer.drop()
        raise


async def flashed_devices(platform: RunningPlatform, number: int) -> list[Flock]:
    """The `.flock`s of `number` new devices of one new project."""
    async with await join_person(platform) as person:
        project = (await person.call("ironflock.realms.project.create", name=new_name("plant")))["project_key"]

        async def provide() -> Flock:
            made = await person.call("ironflock.devices.device.create", project=project, name=new_name("press"))
            answer = await person.call("ironflock.devices.device.flash", device=made["device_key"])
            flock: Flock = answer["flock"]
            return flock

        return list(await asyncio.gather(*(provide() for _ in range(number))))

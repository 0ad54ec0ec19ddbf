"""The ports of apps, as devices tells them: each a private tunnel, gone with the port, whatever comes late."""

from typing import Any

import pytest

from services.tunnels.procedures import devices as procedures
from services.tunnels.procedures.devices import DeviceProcedures
from services.tunnels.records.tunnels import AppPort, NameTunnel, PublishTunnel, SettledPorts, SettlePorts
from shared.errors import NotAuthorizedError
from shared.identities import ServiceIdentity
from tests.integration.tunnels.rooms import ANNA, PLANT, PRESS, Rooms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICES = ServiceIdentity("devices", 1)
WEB, SSH, LOG = AppPort(80, "http"), AppPort(22, "tcp"), AppPort(514, "udp")


async def settle(rooms: Rooms, *ports: AppPort, revision: int, app: str = "Press", by: int | None = 5) -> list[int]:
    """Devices tells the ports of an app; those without a tunnel."""
    request = SettlePorts(PRESS, PLANT, app, list(ports), revision, by)
    answer: SettledPorts = await DeviceProcedures(rooms.parts).tunnel_settle(DEVICES, request)
    return answer.left_out


def known(rooms: Rooms) -> list[tuple[Any, ...]]:
    return rooms.postgres.rows(
        "SELECT app, port, protocol, declared_by, public_since IS NULL FROM tunnels.tunnel ORDER BY app, port"
    )


async def test_each_port_is_a_private_tunnel_and_goes_with_it(rooms: Rooms) -> None:
    assert await settle(rooms, WEB, SSH, revision=1) == []
    assert known(rooms) == [("press", 22, "tcp", 5, True), ("press", 80, "http", 5, True)]

    assert await settle(rooms, WEB, SSH, revision=1) == []  # told twice
    assert await settle(rooms, WEB, LOG, revision=2, by=6) == []
    assert known(rooms) == [("press", 80, "http", 5, True), ("press", 514, "udp", 6, True)]
    assert await settle(rooms, revision=3, by=None) == []

    assert known(rooms) == []
    entries = [(action, actor["kind"]) for action, _, actor in actors(rooms)]
    assert entries == [
        ("tunnel.declared", "person"), ("tunnel.declared", "person"), ("tunnel.withdrawn", "person"),
        ("tunnel.declared", "person"), ("tunnel.withdrawn", "service"), ("tunnel.withdrawn", "service"),
    ]  # fmt: skip


def actors(rooms: Rooms) -> list[tuple[Any, ...]]:
    return rooms.postgres.rows("SELECT action, outcome, actor FROM audit.queue ORDER BY id")


async def test_what_is_told_late_undoes_nothing(rooms: Rooms) -> None:
    await settle(rooms, WEB, revision=8)
    await settle(rooms, SSH, revision=7)
    assert [port for _, port, *_ in known(rooms)] == [80]
    await settle(rooms, SSH, revision=1, app="other")

    assert [(app, port) for app, port, *_ in known(rooms)] == [("other", 22), ("press", 80)]


async def test_what_people_declared_stays_and_what_is_public_is_so_still(rooms: Rooms) -> None:
    mine = await rooms.declare("press-1", "press", 22, "tcp")
    await settle(rooms, WEB, SSH, revision=1)
    web = rooms.postgres.rows("SELECT tunnel_key FROM tunnels.tunnel WHERE port = 80")[0][0]
    await rooms.people.tunnel_publish(ANNA, PublishTunnel(web))

    await settle(rooms, WEB, revision=2)
    assert known(rooms) == [("press", 22, "tcp", 5, True), ("press", 80, "http", 5, False)]
    await rooms.people.tunnel_withdraw(ANNA, NameTunnel(mine.tunnel_key))
    await settle(rooms, revision=3)

    assert known(rooms) == []


async def test_what_people_declare_once_it_is_a_port_stays_too(rooms: Rooms) -> None:
    await settle(rooms, SSH, WEB, revision=1, by=6)
    first = await rooms.declare("press-1", "press", 22, "tcp")
    assert await rooms.declare("press-1", "press", 22, "tcp") == first  # which changes nothing
    assert known(rooms) == [("press", 22, "tcp", 5, True), ("press", 80, "http", 6, True)]

    await settle(rooms, revision=2)

    assert known(rooms) == [("press", 22, "tcp", 5, True)]
    assert [action for action, *_ in actors(rooms)] == [*["tunnel.declared"] * 3, "tunnel.withdrawn"]


async def test_ports_that_can_have_none_are_named(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await settle(rooms, WEB, SSH, revision=1, app="with_underscore") == [80]
    assert await settle(rooms, WEB, revision=1, app="ä") == [80]
    monkeypatch.setattr(procedures, "MAX_OF_A_DEVICE", 2)
    assert await settle(rooms, SSH, LOG, revision=2) == [514]

    assert [(app, port) for app, port, *_ in known(rooms)] == [("press", 22), ("with_underscore", 22)]


async def test_nobody_but_devices_tells(rooms: Rooms) -> None:
    request = SettlePorts(PRESS, PLANT, "press", [WEB], 1, 5)
    with pytest.raises(NotAuthorizedError):
        await DeviceProcedures(rooms.parts).tunnel_settle(ServiceIdentity("realms", 1), request)

    assert known(rooms) == []

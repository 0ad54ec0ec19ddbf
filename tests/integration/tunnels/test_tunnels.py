"""Tunnels of people: who may declare, see, publish and withdraw them, and what of it is recorded."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from services.tunnels.records.offers import Offer
from services.tunnels.records.tunnels import (
    DeclareTunnel,
    ListTunnels,
    NameTunnel,
    PublicTunnel,
    PublishTunnel,
)
from services.tunnels.rules.names import proxy_name
from services.tunnels.rules.tunnels import name_of
from shared.errors import (
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    UnavailableError,
)
from shared.flags import FLAGS, AssetKind
from shared.identities import Person
from shared.scopes import parse_scopes
from tests.integration.tunnels.rooms import ANNA, BERT, CRANE, DRILL, PLANT, PRESS, Rooms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
Act = Callable[[Rooms, Person, int], Awaitable[Any]]
STRANGER = Person(77, 99)

ON_A_TUNNEL: dict[str, tuple[str, Act]] = {
    "declare": ("UPDATE", lambda rooms, person, _: rooms.declare("press-1", "ssh", 22, "tcp", by=person)),
    "publish": ("UPDATE", lambda rooms, person, key: rooms.people.tunnel_publish(person, PublishTunnel(key))),
    "unpublish": ("UPDATE", lambda rooms, person, key: rooms.people.tunnel_unpublish(person, NameTunnel(key))),
    "withdraw": ("UPDATE", lambda rooms, person, key: rooms.people.tunnel_withdraw(person, NameTunnel(key))),
}


def offer(tunnel: PublicTunnel, remote_port: int | None = None) -> Offer:
    name = name_of(tunnel.device_key, tunnel.app, tunnel.port, tunnel.protocol)
    return Offer(name.device_key, PLANT, name.app, name.port, name.protocol, proxy_name(name), remote_port)


def offered(rooms: Rooms, tunnel: PublicTunnel, remote_port: int | None = None) -> None:
    name = name_of(tunnel.device_key, tunnel.app, tunnel.port, tunnel.protocol)
    rooms.offered.offers[name] = offer(tunnel, remote_port)


async def test_a_tunnel_is_declared_once_and_recorded_once(rooms: Rooms) -> None:
    made = await rooms.declare(app="Cam")

    assert (made.app, made.device_name, made.project_key, made.state) == ("cam", "press-1", PLANT, "declared")
    assert await rooms.declare(PRESS) == made
    [entry] = rooms.entries()
    assert entry[:2] == ("tunnel.declared", "done")
    assert (entry[2]["kind"], entry[2]["key"], entry[2]["credential"]) == ("person", 5, "key-1")
    assert entry[3] == {"tunnel_key": made.tunnel_key, "app": "cam", "port": 8080, "protocol": "http"}


@pytest.mark.parametrize("verb", ON_A_TUNNEL)
async def test_it_takes_exactly_its_flag(rooms: Rooms, verb: str) -> None:
    flag, act = ON_A_TUNNEL[verb]
    tunnel = (await rooms.declare()).tunnel_key
    nearly = rooms.member(*(set(FLAGS[AssetKind.DEVICE]) - {flag}))
    recorded = len(rooms.entries())

    with pytest.raises(NotAuthorizedError, match=flag):
        await act(rooms, nearly, tunnel)
    for outsider in (BERT, STRANGER, rooms.member("READ", flag, device=CRANE, account=8)):
        with pytest.raises(NotFoundError):
            await act(rooms, outsider, tunnel)
    assert len(rooms.entries()) == recorded

    await act(rooms, rooms.member("READ", flag, account=9), tunnel)


async def test_a_second_factor_is_asked_for_where_the_project_does(rooms: Rooms) -> None:
    rooms.others.factors = False

    with pytest.raises(NotAuthorizedError, match="second factor"):
        await rooms.declare()


async def test_what_there_is_not_is_found_by_nobody(rooms: Rooms) -> None:
    for refused in (PublishTunnel(4711), NameTunnel(4711)):
        with pytest.raises(NotFoundError, match="no such tunnel"):
            await (
                rooms.people.tunnel_publish(ANNA, refused)
                if isinstance(refused, PublishTunnel)
                else rooms.people.tunnel_withdraw(ANNA, refused)
            )


async def test_a_name_that_makes_no_host_is_refused_and_changes_nothing(rooms: Rooms) -> None:
    with pytest.raises(InvalidArgumentError, match="DNS label"):
        await rooms.declare(app="my_app")

    assert await rooms.listed() == []
    assert rooms.entries() == []


async def test_everybody_sees_what_they_may_see(rooms: Rooms) -> None:
    press, crane = await rooms.declare(), await rooms.declare("crane")
    drill = await rooms.declare("drill", by=BERT)

    assert [each.tunnel_key for each in await rooms.listed()] == [press.tunnel_key, crane.tunnel_key]
    assert [each.tunnel_key for each in await rooms.listed(BERT)] == [drill.tunnel_key]
    assert [each.device_name for each in await rooms.listed(rooms.member("READ", device=CRANE))] == ["crane"]
    assert await rooms.listed(STRANGER) == []
    assert await rooms.listed(rooms.member("UPDATE", account=8)) == []


async def test_a_list_can_be_of_a_device_or_of_a_project(rooms: Rooms) -> None:
    await rooms.declare()
    crane = await rooms.declare("crane")

    assert [each.tunnel_key for each in await rooms.listed(device="crane")] == [crane.tunnel_key]
    assert len(await rooms.listed(project="plant")) == 2
    for device, project in (("drill", None), (None, "yard"), ("nothing", None)):
        with pytest.raises(NotFoundError):
            await rooms.listed(device=device, project=project)


async def test_a_list_comes_in_pages(rooms: Rooms) -> None:
    made = [(await rooms.declare(port=port)).tunnel_key for port in range(1, 6)]
    seen, cursor = [], None
    while True:
        page = await rooms.people.tunnel_list(ANNA, ListTunnels(limit=2, cursor=cursor))
        seen += [each.tunnel_key for each in page.tunnels]
        if (cursor := page.next) is None:
            break

    assert seen == made


async def test_a_credential_reaches_no_further_than_its_scopes(rooms: Rooms) -> None:
    await rooms.declare()
    await rooms.declare("crane")
    narrow = attrs.evolve(ANNA, scopes=parse_scopes([f"all@device/{PRESS}"]))

    assert [each.device_key for each in await rooms.listed(narrow)] == [PRESS]
    with pytest.raises(NotFoundError):
        await rooms.declare("crane", port=1, by=narrow)


async def test_a_tunnel_is_shown_as_it_stands(rooms: Rooms) -> None:
    made = await rooms.declare(app="ssh", port=22, protocol="tcp")
    name = name_of(PRESS, "ssh", 22, "tcp")
    rooms.offered.problems[name] = "the remote port is another device's"
    [refused] = await rooms.listed()
    offered(rooms, made, 7500)
    [there] = await rooms.listed()

    assert (refused.state, refused.error) == ("error", "the remote port is another device's")
    assert (there.state, there.error, there.remote_port, there.visits, there.url) == ("offered", None, 7500, 0, None)


async def test_a_tunnel_is_public_until_its_end_or_until_it_is_not(rooms: Rooms) -> None:
    made = await rooms.declare(app="ssh", port=22, protocol="tcp")
    offered(rooms, made, 7500)
    until = rooms.now() + timedelta(hours=1)
    rooms.parts.open_ports.stand([made.tunnel_key], [])

    public = await rooms.people.tunnel_publish(ANNA, PublishTunnel(made.tunnel_key, until))

    assert (public.state, public.public_until, public.url) == ("public", until, "tcp://tunnels.example:7500")
    rooms.later_s = 3_601.0
    [over] = await rooms.listed()
    assert (over.state, over.public_until) == ("offered", None)
    rooms.later_s = 0.0
    for_good = await rooms.people.tunnel_publish(ANNA, PublishTunnel(made.tunnel_key))
    assert (for_good.state, for_good.public_until) == ("public", None)
    private = await rooms.people.tunnel_unpublish(ANNA, NameTunnel(made.tunnel_key))
    assert (private.state, private.url) == ("offered", None)
    await rooms.people.tunnel_unpublish(ANNA, NameTunnel(made.tunnel_key))

    said = [(action, (after or {}).get("public_until")) for action, _, _, after in rooms.entries()[1:]]
    assert said == [
        ("tunnel.published", until.isoformat(timespec="microseconds").replace("+00:00", "Z")),
        ("tunnel.published", None),
        ("tunnel.unpublished", None),
    ]


async def test_an_end_that_is_over_publishes_nothing(rooms: Rooms) -> None:
    made = await rooms.declare()

    with pytest.raises(InvalidArgumentError):
        await rooms.people.tunnel_publish(ANNA, PublishTunnel(made.tunnel_key, rooms.now()))

    assert [action for action, *_ in rooms.entries()] == ["tunnel.declared"]


async def test_what_is_withdrawn_is_gone(rooms: Rooms) -> None:
    made = await rooms.declare()

    await rooms.people.tunnel_withdraw(ANNA, NameTunnel(made.tunnel_key))

    assert await rooms.listed() == []
    assert [action for action, *_ in rooms.entries()] == ["tunnel.declared", "tunnel.withdrawn"]
    with pytest.raises(NotFoundError):
        await rooms.people.tunnel_withdraw(ANNA, NameTunnel(made.tunnel_key))


async def test_a_device_that_went_elsewhere_has_no_tunnel_there_of_before(rooms: Rooms) -> None:
    made = await rooms.declare()
    rooms.others.devices[PRESS] = attrs.evolve(rooms.others.devices[PRESS], project_key=9)

    assert await rooms.listed() == []
    for by in (ANNA, BERT):
        with pytest.raises(NotFoundError):
            await rooms.people.tunnel_publish(by, PublishTunnel(made.tunnel_key))


async def test_a_device_has_only_so_many(rooms: Rooms) -> None:
    for port in range(1, 65):
        await rooms.declare(port=port)

    with pytest.raises(OverLimitError, match="at most 64"):
        await rooms.declare(port=65)
    assert len(await rooms.listed()) == 64
    await rooms.declare("drill", port=65, by=BERT)


async def test_a_change_that_cannot_be_recorded_does_not_happen(rooms: Rooms) -> None:
    made = await rooms.declare()
    rooms.postgres.run("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA audit FROM svc_tunnels")
    try:
        for change in (
            rooms.people.tunnel_declare(ANNA, DeclareTunnel("crane", "cam", 80)),
            rooms.people.tunnel_publish(ANNA, PublishTunnel(made.tunnel_key)),
            rooms.people.tunnel_withdraw(ANNA, NameTunnel(made.tunnel_key)),
        ):
            with pytest.raises(Exception, match="permission denied"):
                await change
    finally:
        rooms.postgres.run(
            "GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)"
            " TO svc_tunnels"
        )

    assert await rooms.listed() == [made]


async def test_while_devices_is_away_nobody_reaches_anything(rooms: Rooms) -> None:
    rooms.others.away.add("ironflock.devices.device.reach")

    with pytest.raises(UnavailableError):
        await rooms.declare(DRILL, by=BERT)

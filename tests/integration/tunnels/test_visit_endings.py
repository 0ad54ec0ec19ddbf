"""Visits end: cut within a second of what they rest on, by whoever may, and recorded when they are over."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from services.tunnels.records.tunnels import NameTunnel, PublicTunnel
from services.tunnels.records.visits import (
    Cause,
    ListVisits,
)
from services.tunnels.rules.visits import MAX_OF_A_PERSON, MAX_OF_AN_ADDRESS
from services.tunnels.visiting import Visiting
from shared.errors import (
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    SignInRefusedError,
    UnavailableError,
)
from shared.rights.records import LockKind
from tests.harness.rights import project
from tests.integration.tunnels.rooms import ANNA, BERT, PLANT, PRESS, Rooms
from tests.integration.tunnels.visits import ADDRESS, SSH, admit, anybody, begin, cut, published, seen, ssh, ticket

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_ticket_dies_with_what_it_was_issued_by(rooms: Rooms) -> None:
    issued = await ticket(rooms, await ssh(rooms))
    rooms.others.over.add("key-1")

    with pytest.raises(SignInRefusedError):
        await rooms.admissions.admit(issued.ticket, ADDRESS, SSH)
    with pytest.raises(NotAuthorizedError):
        await ticket(rooms, (await rooms.listed())[0])


LOST: dict[str, tuple[str, Callable[[Rooms, PublicTunnel], Any]]] = {
    "flag": ("right_ended", lambda rooms, _: rooms.rights.lose(7, project(PLANT))),
    "lock on the device": ("right_ended", lambda rooms, _: rooms.rights.lock(LockKind.DEVICE, PRESS)),
    "lock on the project": ("right_ended", lambda rooms, _: rooms.rights.lock(LockKind.PROJECT, PLANT)),
    "lock on the person": ("right_ended", lambda rooms, _: rooms.rights.lock(LockKind.PERSON, 7)),
    "credential": ("credential_ended", lambda rooms, _: rooms.others.over.add("key-7")),
    "stream of rights": ("unheard", lambda rooms, _: silence(rooms)),
}


def silence(rooms: Rooms) -> None:
    rooms.rights.is_silent = True
    rooms.later_s += 6.0


@pytest.mark.parametrize("what", LOST)
async def test_what_a_visit_rests_on_takes_it_along_and_no_other(rooms: Rooms, what: str) -> None:
    tunnel = await ssh(rooms)
    person = rooms.member("READ", "REMOTE_ACCESS")
    opened = await begin(rooms, person)
    await rooms.visiting.keep_true()
    crane = await ssh(rooms, "crane")
    neighbour = await anybody(rooms, await published(rooms, crane))
    cause, lose = LOST[what]

    lose(rooms, tunnel)

    assert await cut(rooms, opened) == cause
    assert not neighbour.cut.done()


async def test_a_second_factor_that_is_asked_for_later_ends_a_visit_of_who_has_none(rooms: Rooms) -> None:
    await ssh(rooms)
    opened = await begin(rooms)
    await rooms.visiting.keep_true()
    rooms.others.factors = False
    rooms.later_s += 3.0

    assert await cut(rooms, opened) == "right_ended"


async def test_a_device_that_goes_to_another_project_loses_its_visitors(rooms: Rooms) -> None:
    await ssh(rooms)
    opened = await begin(rooms)
    await rooms.visiting.keep_true()
    rooms.rights.own(5, 9)
    rooms.others.devices[PRESS] = attrs.evolve(rooms.others.devices[PRESS], project_key=9)

    assert await cut(rooms, opened) == "device_ended"


@pytest.mark.parametrize("away", ["ironflock.auth.credential.standing", "ironflock.devices.device.reach"])
async def test_while_nobody_can_say_a_visit_goes_on_for_five_seconds(rooms: Rooms, away: str) -> None:
    await ssh(rooms)
    opened = await begin(rooms)
    await rooms.visiting.keep_true()
    rooms.others.away.add(away)
    rooms.later_s += 4.5
    with pytest.raises(UnavailableError):
        await rooms.visiting.keep_true()
    assert not opened.cut.done()
    rooms.later_s += 1.0

    assert await cut(rooms, opened) == "unheard"


async def test_a_visit_ends_at_its_hard_end_and_when_nothing_goes(rooms: Rooms) -> None:
    await ssh(rooms)
    ended, idle = await begin(rooms), await begin(rooms, rooms.member("READ", "REMOTE_ACCESS"))
    rooms.later_s += 601.0  # the token's end
    ended.moved(rooms.visiting_clock())
    assert await cut(rooms, ended) == "hard_end"

    issued = await ticket(rooms, (await rooms.listed())[0])
    later = await rooms.visiting.begin(await rooms.admissions.admit(issued.ticket, ADDRESS, SSH))
    rooms.later_s += 900.0
    await rooms.visiting.keep_true()
    assert await cut(rooms, later) == "idle"
    assert idle.cut.done()


async def test_visits_of_a_public_tunnel_end_when_it_is_not_any_more(rooms: Rooms) -> None:
    tunnel = await published(rooms, await ssh(rooms))
    opened, mine = await anybody(rooms, tunnel), await begin(rooms)

    await rooms.people.tunnel_unpublish(ANNA, NameTunnel(tunnel.tunnel_key))

    assert opened.cut.result() is Cause.NOT_PUBLIC
    assert not mine.cut.done()
    with pytest.raises(ConflictError):
        await anybody(rooms, tunnel)
    assert [each.account_key for each in await seen(rooms)] == [5, None]


async def test_withdrawing_ends_every_visit(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    admitted, opened = await admit(rooms), await begin(rooms)

    await rooms.people.tunnel_withdraw(ANNA, NameTunnel(tunnel.tunnel_key))

    assert opened.cut.result() is Cause.WITHDRAWN
    with pytest.raises(NotFoundError):
        await rooms.visiting.begin(admitted)


async def test_closing_ends_one_s_own_visits_or_all(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    person = rooms.member("READ", "REMOTE_ACCESS")
    mine, theirs = await begin(rooms), await begin(rooms, person)

    closed = await rooms.visits.tunnel_close(person, NameTunnel(tunnel.tunnel_key))
    assert (closed.closed, mine.cut.done(), theirs.cut.result()) == (1, False, Cause.CLOSED)
    closed = await rooms.visits.tunnel_close(ANNA, NameTunnel(tunnel.tunnel_key))
    assert mine.cut.result() is Cause.CLOSED
    with pytest.raises(NotAuthorizedError):
        await rooms.visits.tunnel_close(rooms.member("READ", account=8), NameTunnel(tunnel.tunnel_key))
    only = rooms.member("REMOTE_ACCESS", account=9)
    assert (await rooms.visits.tunnel_close(only, NameTunnel(tunnel.tunnel_key))).closed == 0
    assert [after and after["is_all"] for action, _, _, after in rooms.entries() if action == "tunnel.closed"] == [
        False,
        True,
        False,
    ]


async def test_there_are_only_so_many_visits_of_one(rooms: Rooms) -> None:
    tunnel = await published(rooms, await ssh(rooms))
    mine = [await begin(rooms) for _ in range(MAX_OF_A_PERSON)]
    with pytest.raises(OverLimitError, match="you have"):
        await begin(rooms)
    await rooms.visiting.conclude(mine[0], Cause.VISITOR_LEFT)
    await begin(rooms)

    for _ in range(MAX_OF_AN_ADDRESS):
        await anybody(rooms, tunnel)
    with pytest.raises(OverLimitError, match="tunnel has"):
        await anybody(rooms, tunnel)


async def test_what_a_dead_process_left_is_ended(rooms: Rooms) -> None:
    await ssh(rooms)
    dead = await begin(rooms)
    rooms.visiting = Visiting(rooms.visiting._around)  # of the next process

    alive = await begin(rooms)
    await rooms.visiting.mend()
    await rooms.visiting.mend()

    visits = {each.visit_key: each.cause for each in await seen(rooms)}
    assert visits == {dead.visit.visit_key: "edge_restarted", alive.visit.visit_key: None}
    assert rooms.entries()[-1][3]["cause"] == "edge_restarted"  # type: ignore[index]


async def test_an_end_that_cannot_be_recorded_yet_is_recorded_later(rooms: Rooms) -> None:
    await ssh(rooms)
    opened = await begin(rooms)
    rooms.postgres.run("ALTER TABLE tunnels.visit RENAME TO hidden")
    try:
        await rooms.visiting.conclude(opened, Cause.DEVICE_LEFT)
    finally:
        rooms.postgres.run("ALTER TABLE tunnels.hidden RENAME TO visit")

    await rooms.visiting.keep_true()

    assert [each.cause for each in await seen(rooms)] == ["device_left"]


async def test_visits_are_seen_by_who_sees_the_device(rooms: Rooms) -> None:
    await ssh(rooms)
    await begin(rooms)
    await begin(rooms, rooms.member("READ", "REMOTE_ACCESS"))

    assert [each.account_key for each in await seen(rooms)] == [7, 5]
    assert [each.account_key for each in await seen(rooms, account=5, device="press-1")] == [5]
    assert await seen(rooms, BERT) == []
    assert await seen(rooms, rooms.member("UPDATE", account=8)) == []
    page = await rooms.visits.visit_list(ANNA, ListVisits(limit=1))
    rest = await rooms.visits.visit_list(ANNA, ListVisits(limit=1, cursor=page.next))
    assert [page.visits[0].account_key, rest.visits[0].account_key, rest.next] == [7, 5, None]

"""Visits: recorded before the first octet, of what is there when they are committed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import attrs
import psycopg
import pytest

from services.tunnels.admitting import Wanted
from services.tunnels.records.recordings import ChooseRecorded
from services.tunnels.records.tunnels import PublishTunnel
from services.tunnels.records.visits import (
    Cause,
)
from services.tunnels.visiting import OpenVisit
from shared.database import Database
from shared.errors import (
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    SignInRefusedError,
    UnavailableError,
)
from shared.flags import FLAGS, AssetKind
from tests.harness.waiting import eventually
from tests.integration.tunnels.rooms import ANNA, BERT, CRANE, PRESS, Rooms
from tests.integration.tunnels.visits import (
    ADDRESS,
    RECORD,
    SSH,
    WAITING,
    admit,
    begin,
    known,
    published,
    seen,
    ssh,
    stranger,
    ticket,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_visit_is_recorded_before_anything_goes_and_when_it_is_over(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    opened = await begin(rooms)
    opened.moved(rooms.visiting_clock(), octets_to=5)
    opened.moved(rooms.visiting_clock(), octets_from=7)
    [there] = await seen(rooms)
    await rooms.visiting.conclude(opened, Cause.VISITOR_LEFT)
    [over] = await seen(rooms)

    assert (there.account_key, there.credential, there.ended_at) == (5, "key-1", None)
    assert there.began_at < there.hard_end
    assert (over.cause, over.octets_to, over.octets_from) == ("visitor_left", 5, 7)
    begun, ended = rooms.entries()[1:]
    what = {
        "visit_key": there.visit_key, "tunnel_key": tunnel.tunnel_key, "app": "ssh", "port": 22, "protocol": "tcp",
        "is_public": False,
    }  # fmt: skip
    assert (begun[0], begun[3]) == ("tunnel_visit.begun", what)
    assert (ended[0], ended[3]) == (
        "tunnel_visit.ended", {**what, "cause": "visitor_left", "octets_to": 5, "octets_from": 7},
    )  # fmt: skip
    assert begun[2]["key"] == ended[2]["key"] == 5
    [(source,)] = rooms.postgres.rows("SELECT source FROM audit.queue WHERE action = 'tunnel_visit.begun'")
    assert source["address"]["personal"]["account_key"] == 5
    assert ADDRESS not in str(source)


async def test_a_visit_that_cannot_be_recorded_does_not_begin(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    admitted = await admit(rooms)
    rooms.postgres.run(f"REVOKE EXECUTE ON FUNCTION {RECORD} FROM svc_tunnels")
    try:
        with pytest.raises(psycopg.Error):
            await rooms.visiting.begin(admitted)
    finally:
        rooms.postgres.run(f"GRANT EXECUTE ON FUNCTION {RECORD} TO svc_tunnels")

    assert await seen(rooms) == []
    assert rooms.visiting.count(tunnel.tunnel_key) == 0


async def test_where_an_address_cannot_be_sealed_there_is_no_visit(rooms: Rooms) -> None:
    await ssh(rooms)
    admitted = await admit(rooms)
    rooms.others.away.add("ironflock.auth.personal.seal")

    with pytest.raises(UnavailableError):
        await rooms.visiting.begin(admitted)
    assert await seen(rooms) == []


async def test_it_takes_exactly_the_flag(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    nearly = rooms.member(*(set(FLAGS[AssetKind.DEVICE]) - {"REMOTE_ACCESS"}))

    for refused in (admit(rooms, nearly), ticket(rooms, tunnel, nearly)):
        with pytest.raises(NotAuthorizedError, match="REMOTE_ACCESS"):
            await refused
    for outsider in (BERT, rooms.member("READ", "REMOTE_ACCESS", device=CRANE, account=8)):
        with pytest.raises(NotFoundError):
            await admit(rooms, outsider)
        with pytest.raises(NotFoundError):
            await ticket(rooms, tunnel, outsider)
    just = rooms.member("READ", "REMOTE_ACCESS", account=9)
    await ticket(rooms, tunnel, just)
    await begin(rooms, just)


async def test_a_key_that_only_reads_comes_nowhere(rooms: Rooms) -> None:
    await ssh(rooms)

    with pytest.raises(NotFoundError):
        await rooms.admissions.admit(known(rooms, ANNA, "read"), ADDRESS, SSH)


async def test_what_opens_nothing_is_refused_before_anything_is_looked_for(rooms: Rooms) -> None:
    await ssh(rooms)
    for wanted in (SSH, Wanted("nothing", "x", 1)):
        for shown in ("", "wrong", "ift_wrong", "ift_" + "a" * 49):
            with pytest.raises(SignInRefusedError):
                await rooms.admissions.admit(shown, ADDRESS, wanted)


async def test_what_is_not_declared_is_not_there(rooms: Rooms) -> None:
    await ssh(rooms)
    await rooms.declare(app="dns", port=53, protocol="udp")
    for wanted in (Wanted("press-1", "ssh", 23), Wanted("press-1", "dns", 53), Wanted("crane", "ssh", 22)):
        with pytest.raises(NotFoundError):
            await admit(rooms, wanted=wanted)


async def test_a_ticket_opens_one_visit_once(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    issued = await ticket(rooms, tunnel)

    admitted = [await rooms.admissions.admit(issued.ticket, ADDRESS, Wanted(PRESS, "ssh", 22)) for _ in range(2)]
    first = await rooms.visiting.begin(admitted[0])
    with pytest.raises(SignInRefusedError, match="once"):
        await rooms.visiting.begin(admitted[1])
    with pytest.raises(SignInRefusedError):
        await rooms.admissions.admit(issued.ticket, ADDRESS, SSH)

    assert first.visit.account_key == 5
    assert rooms.visiting.count(tunnel.tunnel_key) == 1
    assert issued.ticket not in str(rooms.postgres.rows("SELECT * FROM tunnels.ticket"))
    assert [action for action, *_ in rooms.entries()].count("tunnel_ticket.issued") == 1


async def test_twenty_at_once_with_one_ticket_are_one_visit(rooms: Rooms) -> None:
    issued = await ticket(rooms, await ssh(rooms))
    admitted = [await rooms.admissions.admit(issued.ticket, ADDRESS, SSH) for _ in range(20)]

    found = await asyncio.gather(*map(rooms.visiting.begin, admitted), return_exceptions=True)

    assert sum(isinstance(each, OpenVisit) for each in found) == 1
    assert sum(isinstance(each, SignInRefusedError) for each in found) == 19
    assert len(await seen(rooms)) == 1


async def test_a_ticket_is_for_its_tunnel_and_its_minute(rooms: Rooms) -> None:
    issued = await ticket(rooms, await ssh(rooms))
    await ssh(rooms, "crane")

    with pytest.raises(SignInRefusedError, match="another tunnel"):
        await rooms.admissions.admit(issued.ticket, ADDRESS, Wanted("crane", "ssh", 22))
    rooms.postgres.run("UPDATE tunnels.ticket SET usable_until = now()")
    with pytest.raises(SignInRefusedError):
        await rooms.admissions.admit(issued.ticket, ADDRESS, SSH)


async def test_a_ticket_s_end_is_the_visit_s(rooms: Rooms) -> None:
    issued = await ticket(rooms, await ssh(rooms), hours=0.5)
    opened = await rooms.visiting.begin(await rooms.admissions.admit(issued.ticket, ADDRESS, SSH))

    assert opened.visit.hard_end == issued.visit_ends_at
    assert 1_790 < issued.visit_ends_at.timestamp() - rooms.now().timestamp() <= 1_800
    longest = await ticket(rooms, (await rooms.listed())[0], hours=24)
    assert longest.visit_ends_at.timestamp() - rooms.now().timestamp() <= 43_200


async def test_who_found_a_tunnel_public_does_not_come_once_it_is_not_or_is_recorded(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    until = rooms.now() + timedelta(hours=1)
    await rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key, until))
    late = await stranger(rooms, tunnel)
    rooms.later_s = 3_601.0
    with pytest.raises(ConflictError):
        await rooms.visiting.begin(late)
    rooms.later_s = 0.0
    await rooms.recorded.recording_choose(ANNA, ChooseRecorded("plant", ["ssh"]))
    with pytest.raises(ConflictError):
        await rooms.visiting.begin(late)
    await rooms.recorded.recording_choose(ANNA, ChooseRecorded("plant", []))

    await rooms.visiting.begin(late)


async def test_an_earlier_end_counts_for_who_found_the_tunnel_before(rooms: Rooms) -> None:
    tunnel = await published(rooms, await ssh(rooms))
    early = await stranger(rooms, tunnel)
    until = rooms.now() + timedelta(hours=1)
    await rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key, until))

    opened = await rooms.visiting.begin(early)

    assert opened.visit.hard_end == until


async def test_who_comes_while_somebody_changes_the_tunnel_comes_to_what_it_is_then(rooms: Rooms) -> None:
    tunnel = await published(rooms, await ssh(rooms))
    early, mine = await stranger(rooms, tunnel), await admit(rooms)
    with rooms.postgres.connect() as other:
        with other.transaction():
            other.execute("UPDATE tunnels.tunnel SET public_since = NULL")
            coming, person = (asyncio.ensure_future(rooms.visiting.begin(each)) for each in (early, mine))
            await eventually(lambda: both_wait(rooms), 30, "both wait for the tunnel")
        assert (await person).visit.account_key == 5
    with pytest.raises(ConflictError):
        await coming
    assert [each.account_key for each in await seen(rooms)] == [5]


async def test_who_comes_by_a_ticket_while_the_tunnel_is_withdrawn_finds_none(rooms: Rooms) -> None:
    tunnel = await ssh(rooms)
    issued = await ticket(rooms, tunnel)
    mine = await rooms.admissions.admit(issued.ticket, ADDRESS, SSH)
    with rooms.postgres.connect() as other, other.transaction():
        other.execute("SELECT 1 FROM tunnels.tunnel FOR UPDATE")
        coming = asyncio.ensure_future(rooms.visiting.begin(mine))
        await eventually(lambda: one_waits(rooms), 30, "they wait for the tunnel")
        other.execute("DELETE FROM tunnels.tunnel")  # and its tickets
    with pytest.raises(NotFoundError):
        await coming


async def one_waits(rooms: Rooms) -> bool:
    return rooms.postgres.rows(WAITING) == [(1,)]


async def both_wait(rooms: Rooms) -> bool:
    return rooms.postgres.rows(WAITING) == [(2,)]


async def test_a_visit_that_is_cut_before_it_is_committed_is_cut(rooms: Rooms) -> None:
    await ssh(rooms)
    admitted, cut_at = await admit(rooms), list[int]()
    transaction = rooms.database.transaction

    @asynccontextmanager
    async def cutting() -> AsyncIterator[Any]:
        async with transaction() as connection:
            yield connection
            cut_at.append(rooms.visiting.cut(lambda _: True, Cause.CLOSED))

    rooms.visiting._around = attrs.evolve(rooms.visiting._around, database=cast("Database", Cutting(cutting)))
    opened = await rooms.visiting.begin(admitted)

    assert (cut_at, opened.cut.result()) == ([1], Cause.CLOSED)


class Cutting:
    """A database, of which the transaction alone is asked for."""

    def __init__(self, transaction: Callable[[], Any]) -> None:
        self.transaction = transaction

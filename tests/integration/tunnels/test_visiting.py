"""Visits: recorded before the first octet, cut within a second of what they rest on, recorded when they are over."""

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
from services.tunnels.records.tunnels import NameTunnel, PublicTunnel, PublishTunnel
from services.tunnels.records.visits import (
    Admitted,
    Cause,
    IssuedTicket,
    IssueTicket,
    ListVisits,
    OpenedCredential,
    Visit,
    Visitor,
)
from services.tunnels.rules.visits import MAX_OF_A_PERSON, MAX_OF_AN_ADDRESS
from services.tunnels.store import tunnels as store
from services.tunnels.visiting import OpenVisit, Visiting
from shared.database import Database
from shared.errors import (
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    PublicError,
    SignInRefusedError,
    UnavailableError,
)
from shared.flags import FLAGS, AssetKind
from shared.identities import Person
from shared.rights.records import LockKind
from tests.harness.rights import project
from tests.harness.waiting import eventually
from tests.integration.tunnels.rooms import ANNA, BERT, CRANE, PLANT, PRESS, Rooms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ADDRESS = "192.0.2.1"
SSH = Wanted("press-1", "ssh", 22)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'svc_tunnels' AND wait_event_type = 'Lock'"
RECORD = "audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)"


async def ssh(rooms: Rooms, device: str = "press-1") -> PublicTunnel:
    return await rooms.declare(device, "ssh", 22, "tcp")


def known(rooms: Rooms, person: Person = ANNA, *scopes: str) -> str:
    """An API key of the person's."""
    text = f"key of {person.account_key}"
    rooms.others.tickets[text] = OpenedCredential(
        person.account_key, person.credential or "", list(scopes or ("all",)), rooms.now().timestamp() + 600
    )
    return text


async def admit(rooms: Rooms, person: Person = ANNA, wanted: Wanted = SSH) -> Admitted:
    return await rooms.admissions.admit(known(rooms, person), ADDRESS, wanted)


async def begin(rooms: Rooms, person: Person = ANNA, wanted: Wanted = SSH) -> OpenVisit:
    return await rooms.visiting.begin(await admit(rooms, person, wanted))


async def stranger(rooms: Rooms, tunnel: PublicTunnel, address: str = ADDRESS) -> Admitted:
    """Somebody without an account who found the tunnel as it is now."""
    found = await rooms.database.run(lambda connection: store.tunnel_find(connection, tunnel.tunnel_key))
    assert found is not None
    return Admitted(found, Visitor(None, address, None))


async def anybody(rooms: Rooms, tunnel: PublicTunnel, address: str = ADDRESS) -> OpenVisit:
    return await rooms.visiting.begin(await stranger(rooms, tunnel, address))


async def ticket(rooms: Rooms, tunnel: PublicTunnel, by: Person = ANNA, hours: float | None = None) -> IssuedTicket:
    issued: IssuedTicket = await rooms.visits.ticket_issue(by, IssueTicket(tunnel.tunnel_key, hours))
    return issued


async def seen(rooms: Rooms, by: Person = ANNA, **which: Any) -> list[Visit]:
    found: list[Visit] = (await rooms.visits.visit_list(by, ListVisits(**which))).visits
    return found


async def cut(rooms: Rooms, opened: OpenVisit) -> str:
    """Why the visit is cut, within a second of being looked after as the service does."""
    async with asyncio.timeout(1.0):
        while not opened.cut.done():
            try:
                await rooms.visiting.keep_true()
            except PublicError:
                await asyncio.sleep(0)
    return opened.cut.result().value


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


async def published(rooms: Rooms, tunnel: PublicTunnel) -> PublicTunnel:
    public: PublicTunnel = await rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key))
    return public


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

"""What tests of visits begin with: who comes in, by what, and why a visit is cut."""

import asyncio
from typing import Any

from services.tunnels.admitting import Wanted
from services.tunnels.records.tunnels import PublicTunnel, PublishTunnel
from services.tunnels.records.visits import (
    Admitted,
    IssuedTicket,
    IssueTicket,
    ListVisits,
    OpenedCredential,
    Visit,
    Visitor,
)
from services.tunnels.store import tunnels as store
from services.tunnels.visiting import OpenVisit
from shared.errors import (
    PublicError,
)
from shared.identities import Person
from tests.integration.tunnels.rooms import ANNA, Rooms

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


async def published(rooms: Rooms, tunnel: PublicTunnel) -> PublicTunnel:
    public: PublicTunnel = await rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key))
    return public

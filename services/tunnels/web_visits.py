"""Visits of web visitors: what somebody asks for with one credential of one tunnel is one visit while it is in use.

A browser's lasts until its idle end; who shows a key, or comes to a public tunnel, has left some seconds after their
last connection; a ticket opens for one connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import define, field, frozen

from services.tunnels.records.visits import Admitted, Cause
from services.tunnels.visiting import OpenVisit, Visiting
from shared.bus import Bus

LINGER_S: Final = 10.0


@frozen
class Party:
    """What makes requests those of one visit.

    Args:
        kind: `browser`, `program`, `ticket` or `public`.
        digest: Of what was shown; empty where nothing has to be.
        connection: Of a ticket alone, else 0.
    """

    label: str
    kind: str
    digest: bytes
    address: str
    connection: int = 0


@define(eq=False)
class _Group:
    beginning: "asyncio.Task[OpenVisit]"
    connections: set[int] = field(factory=set)


class WebVisits:
    """All of them."""

    def __init__(self, visiting: Visiting, bus: Bus) -> None:
        """They are visits of `visiting`; `bus` does what is done beside."""
        self._visiting = visiting
        self._bus = bus
        self._groups: dict[Party, _Group] = {}

    async def visit_of(self, party: Party, connection: int, admit: Callable[[], Awaitable[Admitted]]) -> OpenVisit:
        """The visit of the party, recorded; `admit` says whether they may come, where there is none yet.

        Raises:
            PublicError, psycopg.Error: They may not; it cannot be recorded.
        """
        group = self._groups.get(party)
        if group is None:
            group = self._groups[party] = _Group(self._bus.task(self._begin(party, admit)))
        group.connections.add(connection)
        return await asyncio.shield(group.beginning)

    def leave(self, connection: int) -> None:
        """The connection is gone."""
        for party, group in list(self._groups.items()):
            if connection in group.connections:
                group.connections.discard(connection)
                if not group.connections and party.kind != "browser":
                    self._bus.spawn(self._linger(party, group))

    async def _begin(self, party: Party, admit: Callable[[], Awaitable[Admitted]]) -> OpenVisit:
        try:
            opened = await self._visiting.begin(await admit())
        except BaseException:
            self._groups.pop(party, None)
            raise
        opened.cut.add_done_callback(lambda cut: self._over(party, opened, cut.result()))
        return opened

    def _over(self, party: Party, opened: OpenVisit, cause: Cause) -> None:
        self._groups.pop(party, None)
        self._bus.spawn(self._visiting.conclude(opened, cause))

    async def _linger(self, party: Party, group: _Group) -> None:
        await asyncio.wait([group.beginning])
        if group.beginning.exception() is not None:
            return
        opened = group.beginning.result()
        if party.kind != "ticket":
            await asyncio.wait([opened.cut], timeout=LINGER_S)  # what is cut is over at once
        if not group.connections and self._groups.get(party) is group:
            opened.end(Cause.VISITOR_LEFT)

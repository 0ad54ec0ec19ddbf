"""Whoever is erased has nothing here any more: no membership, no grant, no invitation.

Auth tells of an erasure as it happens; whatever was missed is found by asking auth about everybody who has something,
after each join of the bus and once a minute. A project that an erased person owned stays without an owner.
"""

from typing import Final

import structlog

from services.privileges.granting import take_in_txn
from services.privileges.ledger import Ledger
from services.privileges.membership import end_in_txn
from services.privileges.store import domains, grants, people
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.following import Following
from shared.rights.records import DomainKind

TOPIC: Final = "ironflock.auth.account.erased"
COMPARE_INTERVAL_S: Final = 60.0
BATCH: Final = 1_000
WHY: Final = "this account was erased"

log = structlog.get_logger()


class Erased:
    """Forgets what erased people had."""

    def __init__(self, bus: Bus, database: Database, ledger: Ledger) -> None:
        """Listen on `bus`, change rights by `ledger`."""
        self._bus = bus
        self._database = database
        self._ledger = ledger
        self.following = Following(bus, TOPIC, compare=self.compare, every_s=COMPARE_INTERVAL_S)

    async def compare(self) -> None:
        """Ask auth about everybody who has something here, and take it from those who are erased."""
        keys = await self._holders(after=0)
        while keys:
            for account_key in await self._bus.call("ironflock.auth.account.find_erased", account_keys=keys):
                await self.forget(account_key)
            keys = await self._holders(after=keys[-1])

    async def forget(self, account_key: int) -> None:
        """The person has nothing any more."""
        async with self._database.transaction() as connection:
            places = [row for kind in DomainKind for row in await domains.domain_list_of(connection, account_key, kind)]
            await people.account_forget(connection, account_key)
        for place in places:
            async with self._ledger.turn(place.domain, None, WHY) as turn:
                if place.kind is DomainKind.PROJECT:
                    await end_in_txn(turn, account_key, audit.Action.RIGHTS_ERASED)
                else:
                    await take_in_txn(turn, await grants.grant_delete_in(turn.connection, turn.domain, account_key))
        log.info("rights_erased", account_key=account_key, domains=len(places))

    async def _holders(self, *, after: int) -> list[int]:
        return await self._database.run(lambda connection: people.account_list(connection, after=after, limit=BATCH))

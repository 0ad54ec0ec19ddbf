"""Every change of rights: one transaction with its lines of history, its audit entries and its place in the stream.

A turn locks its domain first and takes the stream's next position last, so that the changes of one domain come one
after the other and positions appear in their order. What it changed is told once it is committed.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from attrs import define, field

from services.privileges.news import Announcer
from services.privileges.rows import DomainRow, Line, Place
from services.privileges.store import domains, history
from shared import audit
from shared.database import Connection, Database
from shared.errors import NotFoundError
from shared.identities import Person, ServiceIdentity
from shared.names import canonical_name
from shared.rights.records import Domain, DomainKind
from shared.rights.wire import Change

NOT_THERE: Final = "there is no such thing, or you may not see it"
SERVICE: Final = audit.Actor(audit.ActorKind.SERVICE, "privileges")


@define
class Turn:
    """One change under way, in one domain; `at` is the database's time, `is_first` where the domain is new by it."""

    connection: Connection
    row: DomainRow
    at: datetime
    by: Person | ServiceIdentity | None
    reason: str
    is_first: bool = False
    lines: list[Line] = field(factory=list)
    accounts: set[int] = field(factory=set)
    is_about_everybody: bool = False
    is_about_locks: bool = False

    @property
    def domain(self) -> Domain:
        """The domain that is changed."""
        return self.row.domain

    @property
    def by_account_key(self) -> int | None:
        """The person whose act it is; None for the platform's own."""
        return self.by.account_key if isinstance(self.by, Person) else None

    def write(self, lines: Iterable[Line]) -> None:
        """Facts that began or ended; whom they name is told of."""
        added = list(lines)
        self.lines += added
        self.accounts |= {line.account_key for line in added if line.account_key is not None}
        self.is_about_everybody |= any(line.account_key is None for line in added)

    async def again(self, place: Place) -> Place:
        """The asset as it is now that its domain is locked: before, it may have changed, gone, or moved elsewhere.

        Raises:
            NotFoundError: It is not in this domain any more.
        """
        now = await domains.place_find(self.connection, place.kind, place.key)
        if now is None or now.domain != self.domain:
            raise NotFoundError(NOT_THERE)
        return now

    async def record(
        self,
        action: audit.Action,
        asset: audit.Asset,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        """The audit entry of it."""
        await audit.record(
            self.connection,
            audit.Draft(
                action=action,
                aspect=audit.Aspect.ACCESS,
                actor=SERVICE if self.by is None else audit.actor_of(self.by),
                asset=asset,
                project_key=self.row.key if self.row.kind is DomainKind.PROJECT else None,
                before=before,
                after=after,
                reason=self.reason or None,
                session=(self.by.session or None) if self.by is not None else None,
            ),
        )


class Ledger:
    """Makes the turns."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        """Change `database`, and tell with `announcer`."""
        self._database = database
        self._announcer = announcer

    @asynccontextmanager
    async def turn(
        self,
        domain: Domain,
        by: Person | ServiceIdentity | None,
        reason: str = "",
        *,
        new: DomainRow | None = None,
        absent: str = NOT_THERE,
    ) -> AsyncIterator[Turn]:
        """A transaction in which the domain is locked; what the block wrote is committed and told at its end.

        Args:
            new: What the domain is where it is not known yet.
            absent: What the refusal says where it is not known.

        Raises:
            NotFoundError: There is no such domain.
        """
        expected, is_committed = None, False
        try:
            async with self._database.transaction() as connection:
                is_first = new is not None and await domains.domain_insert(connection, new, canonical_name(new.name))
                row = await domains.domain_lock_in_txn(connection, domain)
                if row is None:
                    raise NotFoundError(absent)
                turn = Turn(connection, row, await history.moment(connection), by, reason, is_first)
                yield turn
                if turn.lines:
                    expected = self._announcer.expect(await _close(turn))
            is_committed = True
        finally:
            if expected is not None:
                self._announcer.settle(expected, is_committed=is_committed)


async def _close(turn: Turn) -> Change:
    position = await history.position_take_in_txn(turn.connection)
    await history.line_insert_all(
        turn.connection,
        turn.row,
        turn.lines,
        at=turn.at,
        position=position,
        by_account_key=turn.by_account_key,
        reason=turn.reason,
    )
    accounts = tuple(sorted(turn.accounts))
    return Change(position, turn.domain, accounts, everybody=turn.is_about_everybody, locks=turn.is_about_locks)

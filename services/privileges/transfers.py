"""A project gets another owner: offered, accepted, carried out with realms, which keeps names unique per owner.

(1) The offer is marked as accepted. (2) Realms gives the project to the new owner, or refuses, since they have one of
that name. (3) The owner changes here. A process that dies in between leaves an accepted offer, which `repair` carries
out; each step may be repeated.
"""

from datetime import timedelta
from typing import Final

import structlog

from services.privileges import rules
from services.privileges.asking import NOT_THERE, require
from services.privileges.granting import refuse_locked, require_owner, take_in_txn
from services.privileges.ledger import Ledger
from services.privileges.people import People
from services.privileges.rows import Place, TransferRow
from services.privileges.store import domains, grants, history, people
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    NotAuthorizedError,
    NotFoundError,
    PublicError,
)
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import clean_text
from shared.rights.records import project_domain

REPAIR_AFTER: Final = timedelta(seconds=15)
NO_OFFER: Final = "this project is not offered to you"
ENDED: Final = "this offer has ended: ask for another one"
ACCEPTED: Final = "this offer is accepted and is being carried out"
IS_OWNER: Final = "this person owns the project already"

log = structlog.get_logger()


class Transfers:
    """Offers projects, and hands them over."""

    def __init__(self, bus: Bus, database: Database, ledger: Ledger, people: People) -> None:
        """Ask realms over `bus`, change rights by `ledger`."""
        self._bus = bus
        self._database = database
        self._ledger = ledger
        self._people = people

    async def offer(self, person: Person, project_key: int, account: int | str, reason: str) -> TransferRow:
        """Offer the project to somebody, for 7 days; an earlier offer falls away. Needs a step-up.

        Raises:
            StepUpRequiredError: The caller has not shown lately who they are.
            NotAuthorizedError: They do not own the project.
            NotFoundError, ConflictError: Nobody is called that; it is the caller; an offer is being carried out.
        """
        said = clean_text(reason, what="reason")
        await self._people.require_fresh(person)
        await self._require_owner(person, project_key)
        heir = (await self._people.meant(person, account)).account_key
        if heir == person.account_key:
            raise ConflictError(IS_OWNER)
        async with self._ledger.turn(project_domain(project_key), person, said) as turn:
            await require_owner(turn, person)
            standing = await people.transfer_find(turn.connection, project_key)
            if standing is not None and standing.accepted_at is not None:
                raise ConflictError(ACCEPTED)
            end = turn.at + rules.TRANSFER_LIFE
            row = TransferRow(project_key, person.account_key, heir, turn.at, end, None)
            await people.transfer_put(turn.connection, row)
            asset = audit.Asset("project", project_key)
            await turn.record(audit.Action.OWNERSHIP_OFFERED, asset, after={"account_key": heir})
        return row

    async def withdraw(self, person: Person, project_key: int) -> None:
        """The offer is no more: taken back by the owner, or declined by whom it was made to.

        Raises:
            NotFoundError: There is none that is the caller's.
            ConflictError: It is being carried out.
        """
        await self._require_offered(person, project_key)
        async with self._ledger.turn(project_domain(project_key), person, absent=NO_OFFER) as turn:
            row = await people.transfer_find(turn.connection, project_key)
            if row is None or person.account_key not in (turn.row.owner_account_key, row.to_account_key):
                raise NotFoundError(NO_OFFER)
            if row.accepted_at is not None:
                raise ConflictError(ACCEPTED)
            await people.transfer_delete(turn.connection, project_key)
            asset = audit.Asset("project", project_key)
            await turn.record(audit.Action.OWNERSHIP_WITHDRAWN, asset, before={"account_key": row.to_account_key})

    async def accept(self, person: Person, project_key: int) -> None:
        """The caller owns the project from now on; who owned it stays as a member without flags. Needs a step-up.

        Raises:
            StepUpRequiredError: The caller has not shown lately who they are.
            NotFoundError, ExpiredError: It is not offered to them; the offer has ended.
            NotAuthorizedError: A lock stands on the project.
            AlreadyExistsError: They own a project of that name.
            UnavailableError: Realms is away; the transfer is carried out by itself.
        """
        await self._people.require_fresh(person)
        await self._require_offered(person, project_key)
        async with self._ledger.turn(project_domain(project_key), person, absent=NO_OFFER) as turn:
            row = await people.transfer_find(turn.connection, project_key)
            if row is None or row.to_account_key != person.account_key:
                raise NotFoundError(NO_OFFER)
            if row.ends_at <= turn.at and row.accepted_at is None:
                raise ExpiredError(ENDED)
            await refuse_locked(turn)
            await people.transfer_accept(turn.connection, project_key, turn.at)
        await self._carry_out(row, person)

    async def repair(self) -> None:
        """Carry out what was accepted and whose process is gone."""
        async with self._database.transaction() as connection:
            before = await history.moment(connection) - REPAIR_AFTER
            rows = await people.transfer_list_accepted(connection, before)
        for row in rows:
            try:
                await self._carry_out(row, None)
            except PublicError as error:
                log.warning("transfer_not_repaired", project_key=row.project_key, reason=error.message)

    async def _require_owner(self, person: Person, project_key: int) -> None:
        row = await self._database.run(lambda connection: domains.domain_find(connection, project_domain(project_key)))
        if row is None:
            raise NotFoundError(NOT_THERE)
        if row.owner_account_key != person.account_key:
            await require(self._database, person, Place(AssetKind.PROJECT, project_key, row.domain), "READ")
            raise NotAuthorizedError(rules.OWNER_ONLY)

    async def _require_offered(self, person: Person, project_key: int) -> None:
        """Let pass whom an offer concerns: to everybody else it is as if there were no such project."""
        row = await self._database.run(lambda connection: people.transfer_find(connection, project_key))
        if row is None or person.account_key not in (row.from_account_key, row.to_account_key):
            raise NotFoundError(NO_OFFER)

    async def _carry_out(self, row: TransferRow, person: Person | None) -> None:
        try:
            await self._bus.call(
                "ironflock.realms.project.set_owner",
                project_key=row.project_key,
                owner_account_key=row.to_account_key,
            )
        except AlreadyExistsError:
            await self._undo(row)
            raise
        await self._hand_over(row, person)

    async def _hand_over(self, row: TransferRow, person: Person | None) -> None:
        async with self._ledger.turn(project_domain(row.project_key), person) as turn:
            standing = await people.transfer_find(turn.connection, row.project_key)
            if standing is None or standing.accepted_at is None or standing.to_account_key != row.to_account_key:
                return  # somebody else carried it out
            before = turn.row.owner_account_key or 0
            await domains.domain_set_owner(turn.connection, turn.domain, row.to_account_key)
            await people.transfer_delete(turn.connection, row.project_key)
            await people.invitation_delete_to(turn.connection, row.project_key, row.to_account_key)
            was_member = await people.member_delete(turn.connection, row.project_key, row.to_account_key)
            taken = await grants.grant_delete_in(turn.connection, turn.domain, row.to_account_key)
            await take_in_txn(turn, taken)
            await people.member_insert(turn.connection, row.project_key, before, turn.at)
            turn.write([rules.member_line(row.to_account_key, is_on=False)] if was_member else [])
            turn.write(
                [
                    rules.owner_line(before, is_on=False),
                    rules.member_line(before, is_on=True),
                    rules.owner_line(row.to_account_key, is_on=True),
                ]
            )
            await turn.record(
                audit.Action.OWNERSHIP_TRANSFERRED,
                audit.Asset("project", row.project_key),
                before={"owner_account_key": before},
                after={"owner_account_key": row.to_account_key},
            )

    async def _undo(self, row: TransferRow) -> None:
        async with self._database.transaction() as connection:
            await people.transfer_undo(connection, row.project_key, row.to_account_key)

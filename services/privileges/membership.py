"""Who works in a project: invited, come, gone. Whoever is gone has nothing left there, and starts with nothing anew."""

from typing import Final

from services.privileges import rules
from services.privileges.asking import NOT_THERE, case_of, require, require_taking
from services.privileges.granting import take_in_txn
from services.privileges.ledger import Ledger, Turn
from services.privileges.people import People
from services.privileges.records.members import Invitation
from services.privileges.rows import DomainRow, InvitationRow, Place
from services.privileges.store import grants, people
from shared import audit
from shared.database import Database
from shared.errors import ConflictError, ExpiredError, NotFoundError, OverLimitError
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import clean_text
from shared.rights.records import project_domain

NO_INVITATION: Final = "there is no such invitation to you"
ENDED: Final = "this invitation has ended: ask for another one"
IS_MEMBER: Final = "this person is a member of the project already"
NOT_A_MEMBER: Final = "this person is no member of the project, nor a visitor"
OWNER_STAYS: Final = "the owner cannot leave: offer the project to somebody else first"
TOO_MANY: Final = "so many invitations stand that no more can be made; revoke some"
MAX_INVITATIONS: Final = 1_000


class Membership:
    """Lets people in and out."""

    def __init__(self, database: Database, ledger: Ledger, people: People) -> None:
        """Change rights by `ledger`."""
        self._database = database
        self._ledger = ledger
        self._people = people

    async def invite(self, person: Person, project_key: int, account: int | str, reason: str) -> Invitation:
        """Ask somebody to become a member; an invitation that stands begins anew.

        Raises:
            NotFoundError, NotAuthorizedError: The caller has no GRANT on the project; nobody is called that.
            ConflictError: They are a member, or the owner.
        """
        said = clean_text(reason, what="reason")
        await require(self._database, person, place_of(project_key), "GRANT")
        guest = await self._people.meant(person, account)
        async with self._ledger.turn(project_domain(project_key), person, said) as turn:
            await require_on_project(turn, person, "GRANT")
            await _refuse_member(turn, guest.account_key)
            if len(await people.invitation_list_in(turn.connection, project_key, turn.at)) >= MAX_INVITATIONS:
                raise OverLimitError(TOO_MANY)
            row = await people.invitation_put(
                turn.connection,
                project_key,
                guest.account_key,
                invited_by=person.account_key,
                reason=said,
                created_at=turn.at,
                ends_at=turn.at + rules.INVITATION_LIFE,
            )
            await _record(turn, audit.Action.MEMBERSHIP_INVITED, guest.account_key)
        return invitation_view(row, turn.row, guest.login_name)

    async def accept(self, person: Person, invitation_key: int) -> None:
        """The caller becomes a member of the project that they are invited to.

        Raises:
            NotFoundError, ExpiredError: There is no such invitation to them; it has ended.
        """
        row = await self._invitation(invitation_key)
        if row is None or row.account_key != person.account_key:
            raise NotFoundError(NO_INVITATION)
        async with self._ledger.turn(project_domain(row.project_key), person) as turn:
            if not await people.invitation_delete(turn.connection, invitation_key):
                raise NotFoundError(NO_INVITATION)
            if row.ends_at <= turn.at:
                raise ExpiredError(ENDED)
            visits = await grants.grant_delete_in(turn.connection, turn.domain, person.account_key)
            await take_in_txn(turn, visits)
            if await people.member_insert(turn.connection, row.project_key, person.account_key, turn.at):
                turn.write([rules.member_line(person.account_key, is_on=True)])
                await _record(turn, audit.Action.MEMBERSHIP_ACCEPTED, person.account_key)

    async def decline(self, person: Person, invitation_key: int) -> None:
        """The caller does not want to. Errors as `accept`."""
        row = await self._invitation(invitation_key)
        if row is None or row.account_key != person.account_key:
            raise NotFoundError(NO_INVITATION)
        async with self._ledger.turn(project_domain(row.project_key), person) as turn:
            if not await people.invitation_delete(turn.connection, invitation_key):
                raise NotFoundError(NO_INVITATION)
            await _record(turn, audit.Action.MEMBERSHIP_DECLINED, person.account_key)

    async def revoke(self, person: Person, invitation_key: int) -> None:
        """The invitation is taken back.

        Raises:
            NotFoundError: There is none in a project on which the caller has GRANT.
        """
        row = await self._invitation(invitation_key)
        if row is None:
            raise NotFoundError(NOT_THERE)
        await require_taking(self._database, person, place_of(row.project_key))
        async with self._ledger.turn(project_domain(row.project_key), person) as turn:
            await _require_taking_in_txn(turn, person)
            if not await people.invitation_delete(turn.connection, invitation_key):
                raise NotFoundError(NOT_THERE)
            await _record(turn, audit.Action.MEMBERSHIP_WITHDRAWN, row.account_key)

    async def remove(self, person: Person, project_key: int, account: int | str, reason: str) -> None:
        """Somebody is no member any more, and no visitor; with the membership go all of their grants in the project.

        So goes an invitation that would bring them back, and, by the owner's act, an offer of the project to them.

        Raises:
            NotFoundError, NotAuthorizedError: The caller has no GRANT on the project; nobody is called that.
            ConflictError: It is the owner, or nobody of the project.
        """
        said = clean_text(reason, what="reason")
        await require_taking(self._database, person, place_of(project_key))
        account_key = account if isinstance(account, int) else (await self._people.meant(person, account)).account_key
        async with self._ledger.turn(project_domain(project_key), person, said) as turn:
            await _require_taking_in_txn(turn, person)
            if account_key == turn.row.owner_account_key:
                raise ConflictError(rules.IS_OWNER)
            is_asked = await people.invitation_delete_to(turn.connection, project_key, account_key)
            if is_asked:
                await _record(turn, audit.Action.MEMBERSHIP_WITHDRAWN, account_key)
            if person.account_key == turn.row.owner_account_key:
                await withdraw_in_txn(turn, account_key)
            if not await end_in_txn(turn, account_key, audit.Action.MEMBERSHIP_REMOVED) and not is_asked:
                raise ConflictError(NOT_A_MEMBER)

    async def leave(self, person: Person, project_key: int) -> None:
        """The caller is no member any more.

        Raises:
            NotFoundError: They have nothing to do with the project.
            ConflictError: They own it.
        """
        async with self._ledger.turn(project_domain(project_key), person) as turn:
            if person.account_key == turn.row.owner_account_key:
                raise ConflictError(OWNER_STAYS)
            if not await end_in_txn(turn, person.account_key, audit.Action.MEMBERSHIP_LEFT):
                raise NotFoundError(NOT_THERE)

    async def _invitation(self, invitation_key: int) -> InvitationRow | None:
        return await self._database.run(lambda connection: people.invitation_find(connection, invitation_key))


def place_of(project_key: int) -> Place:
    """The project itself, as an asset."""
    return Place(AssetKind.PROJECT, project_key, project_domain(project_key))


async def require_on_project(turn: Turn, person: Person, flag: str) -> None:
    """Let pass whoever has `flag` on the project itself. Errors as `Case.require`."""
    case = await case_of(turn.connection, person.account_key, place_of(turn.row.key), turn.at)
    case.require(flag)


async def _require_taking_in_txn(turn: Turn, person: Person) -> None:
    case = await case_of(turn.connection, person.account_key, place_of(turn.row.key), turn.at)
    case.taking().require("GRANT")


async def withdraw_in_txn(turn: Turn, account_key: int) -> None:
    """The project is offered to the person no more, unless they have accepted already."""
    offer = await people.transfer_find(turn.connection, turn.row.key)
    if offer is None or offer.to_account_key != account_key or offer.accepted_at is not None:
        return
    await people.transfer_delete(turn.connection, turn.row.key)
    asset = audit.Asset("project", turn.row.key)
    await turn.record(audit.Action.OWNERSHIP_WITHDRAWN, asset, before={"account_key": account_key})


async def end_in_txn(turn: Turn, account_key: int, action: audit.Action) -> bool:
    """The person has nothing in the project any more; False where they had nothing."""
    was_member = await people.member_delete(turn.connection, turn.row.key, account_key)
    taken = await grants.grant_delete_in(turn.connection, turn.domain, account_key)
    await take_in_txn(turn, taken)
    if was_member:
        turn.write([rules.member_line(account_key, is_on=False)])
    if was_member or taken:
        await _record(turn, action, account_key)
    return was_member or bool(taken)


def invitation_view(row: InvitationRow, domain: DomainRow, login_name: str) -> Invitation:
    """An invitation as people see it."""
    return Invitation(
        invitation_key=row.invitation_key,
        project_key=row.project_key,
        project_name=domain.name,
        account_key=row.account_key,
        login_name=login_name,
        invited_by=row.invited_by,
        reason=row.reason,
        created_at=row.created_at,
        ends_at=row.ends_at,
    )


async def _refuse_member(turn: Turn, account_key: int) -> None:
    is_member = turn.row.key in await people.member_list_of(turn.connection, account_key)
    if is_member or account_key == turn.row.owner_account_key:
        raise ConflictError(IS_MEMBER)


async def _record(turn: Turn, action: audit.Action, account_key: int) -> None:
    await turn.record(action, audit.Asset("project", turn.row.key), after={"account_key": account_key})

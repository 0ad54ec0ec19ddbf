"""Members of projects: invited, come, gone, listed."""

from services.privileges import rules
from services.privileges.asking import require, snapshot
from services.privileges.membership import Membership, invitation_view, place_of
from services.privileges.people import People
from services.privileges.projects import Projects
from services.privileges.records.members import (
    Invitation,
    InvitationList,
    Invite,
    ListInvitations,
    MemberList,
    NameInvitation,
    NameMember,
    NameProject,
)
from services.privileges.store import domains, grants, history, people
from shared.database import Database
from shared.identities import Person
from shared.procedures import for_people
from shared.rights.records import DomainKind, project_domain


class MemberProcedures:
    """Privileges' procedures about members."""

    def __init__(self, database: Database, membership: Membership, projects: Projects, people: People) -> None:
        """Serve from `database`."""
        self._database = database
        self._membership = membership
        self._projects = projects
        self._people = people

    @for_people("ironflock.privileges.invitation.create", Invite)
    async def invitation_create(self, person: Person, request: Invite) -> Invitation:
        """Invite somebody into a project; they are a member once they accept, within 14 days."""
        key = await self._projects.meant(person, request.project)
        return await self._membership.invite(person, key, request.account, request.reason)

    @for_people("ironflock.privileges.invitation.list", ListInvitations, is_reading=True)
    async def invitation_list(self, person: Person, request: ListInvitations) -> InvitationList:
        """The invitations to the caller, or, for whoever has GRANT there, those into a project."""
        key = None if request.project is None else await self._projects.meant(person, request.project)
        if key is not None:
            await require(self._database, person, place_of(key), "GRANT")
        async with self._database.transaction() as connection:
            now = await history.moment(connection)
            if key is None:
                rows = await people.invitation_list_of(connection, person.account_key, now)
            else:
                rows = await people.invitation_list_in(connection, key, now)
            keys = {row.project_key for row in rows}
            found = {row.key: row for row in await domains.domain_list(connection, keys, DomainKind.PROJECT)}
        names = await self._people.names(row.account_key for row in rows)
        return InvitationList(
            [
                invitation_view(row, found[row.project_key], names.get(row.account_key, ""))
                for row in rows
                if row.project_key in found
            ]
        )

    @for_people("ironflock.privileges.invitation.accept", NameInvitation)
    async def invitation_accept(self, person: Person, request: NameInvitation) -> None:
        """Become a member of the project that one is invited to."""
        await self._membership.accept(person, request.invitation_key)

    @for_people("ironflock.privileges.invitation.decline", NameInvitation)
    async def invitation_decline(self, person: Person, request: NameInvitation) -> None:
        """Say no to an invitation."""
        await self._membership.decline(person, request.invitation_key)

    @for_people("ironflock.privileges.invitation.revoke", NameInvitation)
    async def invitation_revoke(self, person: Person, request: NameInvitation) -> None:
        """Take an invitation back."""
        await self._membership.revoke(person, request.invitation_key)

    @for_people("ironflock.privileges.member.list", NameProject, is_reading=True)
    async def member_list(self, person: Person, request: NameProject) -> MemberList:
        """Who works in a project, for whoever has READ on it."""
        key = await self._projects.meant(person, request.project)
        await require(self._database, person, place_of(key), "READ")
        async with snapshot(self._database) as (connection, now):
            domain = await domains.domain_find(connection, project_domain(key))
            members = await people.member_list(connection, key)
            visits = await grants.grant_list_visits(connection, project_domain(key), now)
        owner = None if domain is None else domain.owner_account_key
        ends = rules.ends_of_visits(visits)
        names = await self._people.names([*([owner] if owner else []), *(row.account_key for row in members), *ends])
        return MemberList(rules.members(owner, members, ends, names))

    @for_people("ironflock.privileges.member.remove", NameMember)
    async def member_remove(self, person: Person, request: NameMember) -> None:
        """Put somebody out of a project, with everything that they were given there."""
        key = await self._projects.meant(person, request.project)
        await self._membership.remove(person, key, request.account, request.reason)

    @for_people("ironflock.privileges.member.leave", NameProject)
    async def member_leave(self, person: Person, request: NameProject) -> None:
        """Leave a project."""
        await self._membership.leave(person, await self._projects.meant(person, request.project))

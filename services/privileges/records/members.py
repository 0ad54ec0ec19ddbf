"""Who works in a project: invitations, members, and its passing on to another owner."""

from datetime import datetime

from attrs import frozen

from services.privileges.records.values import Key, Name, Reason


@frozen
class Invite:
    """`ironflock.privileges.invitation.create`."""

    project: Key | Name
    account: Key | Name
    reason: Reason = ""


@frozen
class ListInvitations:
    """`ironflock.privileges.invitation.list`: those to the caller, or those that stand for a project."""

    project: Key | Name | None = None


@frozen
class NameInvitation:
    """`ironflock.privileges.invitation.accept`, `.decline`, `.revoke`."""

    invitation_key: Key


@frozen
class Invitation:
    """Somebody is asked to become a member of a project; it ends after 14 days."""

    invitation_key: int
    project_key: int
    project_name: str
    account_key: int
    login_name: str
    invited_by: int
    reason: str
    created_at: datetime
    ends_at: datetime


@frozen
class InvitationList:
    """What `ironflock.privileges.invitation.list` answers with."""

    invitations: list[Invitation]


@frozen
class NameProject:
    """`ironflock.privileges.member.list`, `.leave`, `.default.list`, `.transfer.accept`, `.transfer.withdraw`."""

    project: Key | Name


@frozen
class NameMember:
    """`ironflock.privileges.member.remove`, `ironflock.privileges.transfer.offer`."""

    project: Key | Name
    account: Key | Name
    reason: Reason = ""


@frozen
class Member:
    """Somebody who works in a project; a visitor has visits only, until the last of them ends."""

    account_key: int
    login_name: str
    is_owner: bool
    is_visitor: bool
    since: datetime | None
    ends_at: datetime | None


@frozen
class MemberList:
    """Owner first, then members, then visitors."""

    members: list[Member]


@frozen
class Transfer:
    """A project is offered to another owner, until it is accepted, withdrawn, declined or 7 days old."""

    project_key: int
    project_name: str
    from_account_key: int
    to_account_key: int
    to_login_name: str
    offered_at: datetime
    ends_at: datetime


@frozen
class TransferList:
    """Offers from the caller and to the caller."""

    transfers: list[Transfer]

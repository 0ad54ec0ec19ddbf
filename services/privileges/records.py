"""What travels between the rooms of privileges, and the shapes of its procedures.

Ends are dates (RFC 3339) towards people, Unix seconds towards other services. An asset is named by `kind` and `key`
(the installation's key is 1); a person by account key or login name.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from attrs import frozen
from msgspec import Meta

from shared.flags import AssetKind
from shared.rights.records import LockKind, Rule

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Flag = Annotated[str, Meta(min_length=1, max_length=40)]
Flags = Annotated[list[Flag], Meta(min_length=1, max_length=40)]
Reason = Annotated[str, Meta(max_length=1_000)]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Moment = Annotated[datetime, Meta(tz=True)]

DEFAULT_PAGE: Final = 100
MAX_CHECKS: Final = 1_000


class What(StrEnum):
    """What a line of the history tells of."""

    OWNER = "owner"
    MEMBER = "member"
    GRANT = "grant"
    DEFAULT = "default"
    PUBLIC = "public"
    ASSET = "asset"
    GROUP = "group"
    LOCK = "lock"


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
class GiveFlags:
    """`ironflock.privileges.grant.give`; who has one of the flags already gets the new end."""

    account: Key | Name
    kind: AssetKind
    key: Key
    flags: Flags
    ends_at: Moment | None = None
    is_visit: bool = False
    reason: Reason = ""


@frozen
class TakeFlags:
    """`ironflock.privileges.grant.take`; without flags, all that the person was given on the asset."""

    account: Key | Name
    kind: AssetKind
    key: Key
    flags: Flags | None = None
    reason: Reason = ""


@frozen
class ListGrants:
    """`ironflock.privileges.grant.list`."""

    kind: AssetKind
    key: Key
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class GrantView:
    """A grant as people see it."""

    grant_key: int
    account_key: int
    login_name: str
    kind: AssetKind
    key: int
    flag: str
    ends_at: datetime | None
    is_visit: bool
    given_by: int | None
    given_at: datetime


@frozen
class GrantPage:
    """One page, in the order of keys; `next` is None on the last one."""

    grants: list[GrantView]
    next: str | None


@frozen
class SetDefaults:
    """`ironflock.privileges.default.set`: every member has `flags` on everything of `kind` in the project."""

    project: Key | Name
    kind: AssetKind
    flags: Flags
    ends_at: Moment | None = None
    reason: Reason = ""


@frozen
class UnsetDefaults:
    """`ironflock.privileges.default.unset`; without flags, all of that kind."""

    project: Key | Name
    kind: AssetKind
    flags: Flags | None = None
    reason: Reason = ""


@frozen
class DefaultView:
    """A default as people see it."""

    kind: AssetKind
    flag: str
    ends_at: datetime | None


@frozen
class DefaultList:
    """What `ironflock.privileges.default.list` answers with."""

    defaults: list[DefaultView]


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


@frozen
class Check:
    """`ironflock.privileges.flag.check`, and each of `flag.check_many`: of the caller unless it says of whom."""

    kind: AssetKind
    key: Key
    flag: Flag
    account: Key | Name | None = None
    at: Moment | None = None


@frozen
class CheckMany:
    """`ironflock.privileges.flag.check_many`: all answered from one snapshot."""

    checks: Annotated[list[Check], Meta(max_length=MAX_CHECKS)]


@frozen
class Explain:
    """`ironflock.privileges.flag.explain`."""

    kind: AssetKind
    key: Key
    account: Key | Name | None = None
    at: Moment | None = None


@frozen
class Answer:
    """A decision as people see it: yes or no, by which rule, by which grant, until when."""

    allowed: bool
    rule: Rule
    grant_key: int | None
    until: datetime | None


@frozen
class Answers:
    """As many as there were checks, in their order."""

    answers: list[Answer]


@frozen
class Explanation:
    """Every flag of the asset with its decision."""

    account_key: int
    kind: AssetKind
    key: int
    flags: dict[str, Answer]


@frozen
class ListAssets:
    """`ironflock.privileges.asset.list`: on which assets of `kind` a person has `flag`."""

    kind: AssetKind
    flag: Flag
    account: Key | Name | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class AssetPage:
    """Keys in order; `next` is None on the last page."""

    keys: list[int]
    next: str | None


@frozen
class ListPeople:
    """`ironflock.privileges.person.list`: who has `flag` on the asset."""

    kind: AssetKind
    key: Key
    flag: Flag
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class PersonView:
    """Somebody who has the flag, and by what."""

    account_key: int
    login_name: str
    rule: Rule
    grant_key: int | None
    until: datetime | None


@frozen
class PeoplePage:
    """In the order of account keys; `next` is None on the last page."""

    people: list[PersonView]
    next: str | None


@frozen
class ListChanges:
    """`ironflock.privileges.change.list`: the history of an asset, of a person, or of both together, newest first."""

    kind: AssetKind | None = None
    key: Key | None = None
    account: Key | Name | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class ChangeView:
    """One line of the history; `is_on` is False where something was taken, lost, or ended early."""

    change_key: int
    at: datetime
    what: What
    is_on: bool
    account_key: int | None
    kind: str | None
    key: int | None
    flag: str | None
    ends_at: datetime | None
    is_visit: bool
    by_account_key: int | None
    reason: str


@frozen
class ChangePage:
    """One page; `next` is None on the last one."""

    changes: list[ChangeView]
    next: str | None


@frozen
class CreateLock:
    """`ironflock.privileges.lock.create`: keep somebody or something out.

    `key` is the account key or login name of a person, the key of a device or project, or the id of an API key.
    """

    kind: LockKind
    key: Annotated[str, Meta(min_length=1, max_length=400)]
    ends_at: Moment | None = None
    reason: Reason = ""


@frozen
class EndLock:
    """`ironflock.privileges.lock.end`."""

    lock_key: Key
    reason: Reason = ""


@frozen
class LockView:
    """A lock as people see it."""

    lock_key: int
    kind: LockKind
    key: str
    ends_at: datetime | None
    reason: str
    created_by: int
    created_at: datetime


@frozen
class LockList:
    """The locks in force that the caller set or may end."""

    locks: list[LockView]


@frozen
class FlagView:
    """One flag of the table."""

    kind: AssetKind
    flag: str
    meaning: str


@frozen
class FlagTable:
    """What `ironflock.privileges.flag.list` answers with."""

    flags: list[FlagView]


# What follows is for other services.


@frozen
class AccountKey:
    """`ironflock.privileges.holdings.find`, `ironflock.privileges.domain.owned`."""

    account_key: Key


@frozen
class PutDomain:
    """`ironflock.privileges.domain.put`: a project or an app is there; idempotent, the owner counts the first time.

    `revision` counts the app's changes where it lives: an older one than is known is left be.
    """

    kind: Literal["project", "app"]
    key: Key
    name: Name
    owner_account_key: Key
    is_public: bool = False
    revision: Annotated[int, Meta(ge=0)] = 0


@frozen
class ForgetDomain:
    """`ironflock.privileges.domain.forget`: it is gone, and every right in it; idempotent."""

    kind: Literal["project", "app"]
    key: Key


@frozen
class PutAsset:
    """`ironflock.privileges.asset.put`: something that is in a project, idempotent.

    `revision` counts the asset's changes where it lives: an older one than is known is left be. Who created it gets
    every flag by grants of their own, the first time (decision 18), unless they own the project. `groups` are those
    that a device is in.
    """

    kind: AssetKind
    key: Key
    project_key: Key
    revision: Annotated[int, Meta(ge=0)]
    creator_account_key: Key | None = None
    groups: list[Key] = []  # noqa: RUF008 - attrs copies nothing, msgspec makes a new one


@frozen
class ForgetAsset:
    """`ironflock.privileges.asset.forget`: it is gone, and every grant on it; idempotent."""

    kind: AssetKind
    key: Key


@frozen
class AskEntry:
    """`ironflock.privileges.group.missing`: which flags the person lacks for putting the device into the group."""

    account_key: Key
    group_key: Key
    device_key: Key

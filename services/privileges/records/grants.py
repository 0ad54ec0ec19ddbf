"""Flags that people were given, and those that every member has."""

from datetime import datetime

from attrs import frozen

from services.privileges.records.values import DEFAULT_PAGE, Cursor, Flags, Key, Moment, Name, PageSize, Reason
from shared.flags import AssetKind


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

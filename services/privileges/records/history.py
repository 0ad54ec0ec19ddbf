"""What changed of rights, as people see it."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from services.privileges.records.values import DEFAULT_PAGE, Cursor, Key, Name, PageSize
from shared.flags import AssetKind


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

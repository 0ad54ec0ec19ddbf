"""What the store hands to the rest of privileges."""

from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from services.privileges.records.history import What
from shared.flags import AssetKind
from shared.rights.records import Asset, Domain, DomainKind, Grant, Lock, LockKind


@frozen
class DomainRow:
    """A project, an app or the installation."""

    kind: DomainKind
    key: int
    owner_account_key: int | None
    name: str
    is_public: bool

    @property
    def domain(self) -> Domain:
        """As the rule names it."""
        return Domain(self.kind, self.key)


@frozen
class Place:
    """An asset, with the domain that it is in."""

    kind: AssetKind
    key: int
    domain: Domain
    revision: int = 0
    groups: frozenset[int] = frozenset()

    @property
    def asset(self) -> Asset:
        """As the rule reads it, without its locks."""
        return Asset(self.kind, self.key, self.groups)


@frozen
class GrantRow:
    """A grant, as it stands in the table."""

    grant_key: int
    account_key: int
    kind: AssetKind
    asset_key: int
    flag: str
    ends_at: datetime | None
    is_visit: bool
    given_by: int | None
    given_at: datetime

    @property
    def grant(self) -> Grant:
        """As the rule reads it."""
        return Grant(self.grant_key, self.flag, self.kind, self.asset_key, seconds(self.ends_at), self.is_visit)


@frozen
class DefaultRow:
    """A default, as it stands in the table."""

    kind: AssetKind
    flag: str
    ends_at: datetime | None


@frozen
class MemberRow:
    """A member, as it stands in the table."""

    account_key: int
    since: datetime


@frozen
class InvitationRow:
    """An invitation, as it stands in the table."""

    invitation_key: int
    project_key: int
    account_key: int
    invited_by: int
    reason: str
    created_at: datetime
    ends_at: datetime


@frozen
class TransferRow:
    """An offer of ownership, as it stands in the table."""

    project_key: int
    from_account_key: int
    to_account_key: int
    offered_at: datetime
    ends_at: datetime
    accepted_at: datetime | None


@frozen
class AppTransferRow:
    """An offer of an app, as it stands in the table."""

    app_key: int
    from_account_key: int
    to_account_key: int
    offered_at: datetime
    ends_at: datetime
    accepted_at: datetime | None


@frozen
class LockRow:
    """A lock, as it stands in the table; `is_operators` where the right on the installation set it."""

    lock_key: int
    kind: LockKind
    key: str
    ends_at: datetime | None
    reason: str
    is_operators: bool
    created_by: int
    created_at: datetime

    @property
    def lock(self) -> Lock:
        """As decision points read it."""
        return Lock(self.lock_key, self.kind, self.key, seconds(self.ends_at))


@frozen
class Line:
    """One fact that began or ended: a line of the history, before it has its place there."""

    what: What
    is_on: bool
    account_key: int | None = None
    kind: str | None = None
    asset_key: int | None = None
    flag: str | None = None
    grant_key: int | None = None
    ends_at: datetime | None = None
    is_visit: bool = False
    groups: frozenset[int] = field(factory=frozenset)

    def off(self) -> "Line":
        """The end of what this began."""
        return evolve(self, is_on=False)


@frozen
class ChangeRow:
    """A line of the history, as it stands in the table."""

    change_key: int
    at: datetime
    what: What
    is_on: bool
    domain_kind: DomainKind
    domain_key: int
    account_key: int | None
    kind: str | None
    asset_key: int | None
    flag: str | None
    grant_key: int | None
    ends_at: datetime | None
    is_visit: bool
    groups: list[int]
    by_account_key: int | None
    reason: str


def seconds(moment: datetime | None) -> float | None:
    """`moment` in Unix seconds."""
    return None if moment is None else moment.timestamp()


def given(row: GrantRow) -> Line:
    """The line that says that a grant is there."""
    return Line(
        What.GRANT,
        is_on=True,
        account_key=row.account_key,
        kind=row.kind.value,
        asset_key=row.asset_key,
        flag=row.flag,
        grant_key=row.grant_key,
        ends_at=row.ends_at,
        is_visit=row.is_visit,
    )


def as_fields(row: GrantRow) -> dict[str, Any]:
    """What an audit entry says of a grant."""
    return {
        "account_key": row.account_key,
        "flag": row.flag,
        "ends_at": None if row.ends_at is None else row.ends_at.isoformat(),
        "is_visit": row.is_visit,
    }

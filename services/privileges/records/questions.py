"""What is asked about rights, and what is answered."""

from datetime import datetime
from typing import Annotated

from attrs import frozen
from msgspec import Meta

from services.privileges.records.values import DEFAULT_PAGE, MAX_CHECKS, Cursor, Flag, Key, Moment, Name, PageSize
from shared.flags import AssetKind
from shared.rights.records import Rule


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
    """`ironflock.privileges.asset.list`: on which assets of `kind` a person has `flag`.

    `despite_locks`: also where a lock keeps them out, as it will be when that ends.
    """

    kind: AssetKind
    flag: Flag
    account: Key | Name | None = None
    despite_locks: bool = False
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
class FlagView:
    """One flag of the table."""

    kind: AssetKind
    flag: str
    meaning: str


@frozen
class FlagTable:
    """What `ironflock.privileges.flag.list` answers with."""

    flags: list[FlagView]

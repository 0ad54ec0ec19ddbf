"""What travels between the rooms of audit, and the shapes of its procedures."""

from datetime import datetime
from typing import Annotated, Any, Final

from attrs import frozen
from msgspec import Meta

from shared.identities import Person

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
LogIndex = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Word = Annotated[str, Meta(pattern=r"\A[a-z_.]{1,64}\Z")]
ActorName = Annotated[str, Meta(pattern=r"\A[!-~]{1,100}\Z")]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Days = Annotated[int, Meta(ge=1, le=36_500)]

DEFAULT_PAGE: Final = 100
CHOICES: Final = ("project", "device", "app", "account")


@frozen
class Row:
    """An entry as the database has it, in the log (`leaf_index`, `salt`) or still in the queue (neither)."""

    id: int
    recorded_at: datetime
    service: str
    action: str
    aspect: str
    actor: dict[str, Any]
    asset: dict[str, Any]
    project: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    source: dict[str, Any]
    outcome: str
    leaf_index: int | None = None
    salt: bytes | None = None


@frozen
class Tombstone:
    """What is left of an entry that was redacted."""

    leaf_index: int
    commitment: bytes
    cause: str
    redacted_at: datetime


@frozen
class Leaf:
    """A leaf and what the database has for it: an entry, a tombstone, or wrongly neither."""

    leaf_index: int
    commitment: bytes
    row: Row | None
    is_redacted: bool


@frozen
class Head:
    """A published head; `note` has the log's signatures and those of witnesses that have come in since."""

    number: int
    size: int
    root: bytes
    note: str
    published_at: datetime


@frozen
class Growth:
    """What a tile gains: it held `width` hashes before."""

    level: int
    index: int
    width: int
    addition: bytes


@frozen
class Batch:
    """What one transaction moves from the queue into the log, which has `size` leaves before."""

    size: int
    ids: list[int]
    salts: list[bytes]
    commitments: list[bytes]
    growths: list[Growth]


@frozen
class Chosen:
    """Which entries are wanted: exactly one of the first four, or none of them for all that one may read."""

    project: Key | Name | None = None
    device: Key | None = None
    app: Key | None = None
    account: Key | None = None
    aspect: Word | None = None
    action: Word | None = None
    actor: Key | ActorName | None = None
    outcome: Word | None = None
    since: datetime | None = None
    until: datetime | None = None


@frozen
class Scope:
    """What the caller may read of what they asked for: entries of these projects, entries of this account.

    Entries of the account are those that tell of it or of what it did, wherever; `asset` narrows further.
    """

    projects: tuple[int, ...]
    account_key: int | None
    asset: tuple[str, str] | None


@frozen
class Filter:
    """The conditions beside the scope; `actor` is kind and key as texts; times are RFC 3339 with a zone."""

    aspect: str | None = None
    action: str | None = None
    actor: tuple[str, str] | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@frozen
class Question:
    """Who wants to read what, and what of it they may read."""

    person: Person
    chosen: Chosen
    scope: Scope
    conditions: Filter


@frozen
class ListEntries(Chosen):
    """`ironflock.audit.entry.list`; newest first. `cursor` is the `next` or `top` of an answer before."""

    cursor: Cursor | None = None
    offset: LogIndex = 0
    limit: PageSize = DEFAULT_PAGE


@frozen
class EntryPage:
    """One page; `top` pins what later pages count their `offset` from, so that new entries move nothing."""

    entries: list[dict[str, Any]]
    next: str | None
    top: str


@frozen
class NameEntry:
    """`ironflock.audit.entry.show` and `.proof`."""

    entry_id: Key


@frozen
class TailEntries(Chosen):
    """`ironflock.audit.entry.tail`: what comes from now on."""


@frozen
class ExportEntries(Chosen):
    """`ironflock.audit.entry.export`."""


@frozen
class EntryProof:
    """An entry with all that proves it to be in the log: size, root, proof and signatures of one head."""

    leaf_index: int
    salt: str
    entry: dict[str, Any]
    size: int
    root: str
    inclusion_proof: list[str]
    checkpoint: str
    keys: list[str]


@frozen
class PublicHead:
    """The newest head."""

    size: int
    root: str
    checkpoint: str
    published_at: datetime
    origin: str
    keys: list[str]


@frozen
class AskConsistency:
    """`ironflock.audit.head.consistency`: from a head of `from_size` to the newest."""

    from_size: Key


@frozen
class HeadConsistency:
    """A consistency proof; size, root, proof and signatures are those of one head."""

    from_size: int
    size: int
    root: str
    consistency_proof: list[str]
    checkpoint: str


@frozen
class NameProject:
    """`ironflock.audit.retention.show`."""

    project: Key | Name


@frozen
class SetRetention:
    """`ironflock.audit.retention.set`; null keeps entries for ever."""

    project: Key | Name
    days: Days | None


@frozen
class Retention:
    """How many days a project's entries are kept; null: for ever."""

    project_key: int
    days: int | None


@frozen
class Project:
    """What audit needs of a project of realms."""

    project_key: int

"""Visits to what devices offer, tickets that open one, and the shapes of their procedures."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from attrs import field, frozen
from msgspec import Meta

from services.tunnels.records.tunnels import DEFAULT_PAGE, Cursor, Key, Name, PageSize, Protocol, Tunnel
from shared.identities import Person

Hours = Annotated[float, Meta(gt=0, le=24)]


class Cause(StrEnum):
    """Why a visit ended; the word stands in the log, is told to whoever is cut, and never changes its meaning."""

    VISITOR_LEFT = "visitor_left"
    DEVICE_LEFT = "device_left"
    """The device ended the stream, or its connection is gone."""
    NOT_REACHED = "not_reached"
    """The device opened no stream in time."""
    RIGHT_ENDED = "right_ended"
    """The person may not any more: a flag, a membership, the factor, a lock."""
    CREDENTIAL_ENDED = "credential_ended"
    """What it was opened by opens nothing any more, or its account does not."""
    NOT_PUBLIC = "not_public"
    """Only who may comes from now on."""
    HARD_END = "hard_end"
    IDLE = "idle"
    CLOSED = "closed"
    """Somebody ended it who may."""
    WITHDRAWN = "withdrawn"
    """There is no such tunnel any more."""
    DEVICE_ENDED = "device_ended"
    """The device was flashed anew, moved, locked or deleted."""
    UNHEARD = "unheard"
    """Nobody could say any more whether it may go on (decision 14)."""
    SERVICE_STOPPED = "service_stopped"
    EDGE_RESTARTED = "edge_restarted"
    """The process that had it died."""
    NOT_RECORDED = "not_recorded"
    """It is to be recorded, and that cannot be written."""
    FAILED = "failed"
    """A fault of ours."""


@frozen
class Ticket:
    """A ticket that may still be used, once."""

    digest: bytes = field(repr=False)
    tunnel_key: int
    account_key: int
    credential: str
    scopes: list[str]
    visit_ends_at: datetime


@frozen
class Visitor:
    """Who comes: a person with what they are signed in with, or nobody that is known; from where.

    `ends_at` (Unix seconds) is when what they came with ends by itself; `ticket` the digest of the one that they use.
    """

    person: Person | None
    address: str
    ends_at: float | None
    ticket: bytes | None = field(default=None, repr=False)


@frozen
class Browser:
    """A browser that is signed in to a tunnel: by whom, by which sign-in, how far, until when at the latest."""

    account_key: int
    credential: str
    scopes: list[str]
    ends_at: datetime


@frozen
class Admitted:
    """Somebody who may come to a tunnel."""

    tunnel: Tunnel
    visitor: Visitor


@frozen
class Tally:
    """The octets that went to the device and that came from it."""

    octets_to: int = 0
    octets_from: int = 0


@frozen
class Visit:
    """A visit as its row has it; `account_key` is None of who came to a public tunnel without an account."""

    visit_key: int
    tunnel_key: int
    device_key: int
    project_key: int
    app: str
    port: int
    protocol: Protocol
    account_key: int | None
    credential: str | None
    began_at: datetime
    hard_end: datetime
    ended_at: datetime | None
    cause: str | None
    octets_to: int | None
    octets_from: int | None


@frozen
class IssueTicket:
    """`ironflock.tunnels.ticket.issue`: for how many hours the visit may last, the installation's own at most."""

    tunnel: Key
    hours: Hours | None = None


@frozen
class IssuedTicket:
    """The ticket, shown this once, until when it can be used, when its visit ends at the latest, if it is recorded."""

    ticket: str = field(repr=False)
    usable_until: datetime
    visit_ends_at: datetime
    is_recorded: bool


@frozen
class ListVisits:
    """`ironflock.tunnels.visit.list`: of a device, a project or all; with an account, that person's alone."""

    device: Key | Name | None = None
    project: Key | Name | None = None
    account: Key | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class VisitPage:
    """One page, the newest first; `next` is None on the last one."""

    visits: list[Visit]
    next: str | None


@frozen
class ClosedVisits:
    """How many visits were ended."""

    closed: int


@frozen
class OpenedCredential:
    """Whose key or token it is, as auth tells it; `ends_at` in Unix seconds."""

    account_key: int
    credential: str
    scopes: list[str]
    ends_at: float


@frozen
class StandingCredential:
    """What somebody has something open by, and until when (Unix seconds)."""

    account_key: int
    credential: str
    ends_at: float

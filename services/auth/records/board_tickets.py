"""Tickets by which boards join data realms."""

from datetime import datetime
from typing import Annotated, Literal

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import Key, ShortText, Ticket

Role = Literal["board_reader", "board_writer"]
SessionId = Annotated[str, Meta(pattern="^bse_[0-9a-f]{32}$")]


@frozen
class IssueBoardTicket:
    """`ironflock.auth.board_ticket.issue`: for a person, by what they are signed in with."""

    account_key: Key
    credential: ShortText
    realm: ShortText
    role: Role
    board_key: Key


@frozen
class IssuedBoardTicket:
    """A ticket, the id of the session that it opens, and when that one ends at the latest."""

    ticket: str = field(repr=False)
    session: str
    ends_at: datetime


@frozen
class TakeBoardTicket:
    """`ironflock.auth.board_ticket.take`."""

    ticket: Ticket = field(repr=False)
    realm: ShortText


@frozen
class TakenBoardTicket:
    """Who joins, as what, what their session lives from, until when (Unix seconds), and in which cell alone."""

    account_key: int
    role: Role
    board_key: int
    credentials: list[str]
    ends_at: float
    cell: str


@frozen
class EndBoardSessions:
    """`ironflock.auth.board_ticket.end`."""

    sessions: Annotated[list[SessionId], Meta(max_length=10_000)]


@frozen
class KnownTicket:
    """A ticket that may still be used; `owner_key` is whose service account its person is."""

    session_id: str
    account_key: int
    owner_key: int | None
    credential: str
    role: Role
    board_key: int
    ends_at: datetime

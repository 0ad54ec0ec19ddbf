"""Boards: what people look at the data of a project with, and the sessions by which boards join data realms."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from services.realms.records.values import DEFAULT_PAGE, Cursor, Key, Name, PageSize, Stage, Text


class BoardRole(StrEnum):
    """As what a board joins a data realm."""

    READER = "board_reader"
    WRITER = "board_writer"


@frozen
class Board:
    """A board; `content` is its board template, as it came. `revision` counts its changes."""

    board_key: int
    project_key: int
    name: str
    description: str
    content: dict[str, Any] | None
    revision: int
    creator_account_key: int
    created_at: datetime


@frozen
class ListedBoard:
    """A board without its content, which may be long."""

    board_key: int
    project_key: int
    name: str
    description: str
    revision: int
    creator_account_key: int
    created_at: datetime


@frozen
class BoardPage:
    """One page, in the order of keys; `next` is None on the last one."""

    boards: list[ListedBoard]
    next: str | None


@frozen
class CreateBoard:
    """`ironflock.realms.board.create`."""

    project: Key | Name
    name: Name
    description: Text = ""
    content: dict[str, Any] | None = None


@frozen
class ListBoards:
    """`ironflock.realms.board.list`; `cursor` is the `next` of the page before."""

    project: Key | Name
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class NameBoard:
    """`ironflock.realms.board.show`, `.delete`: by its key, or by its name and its project."""

    board: Key | Name
    project: Key | Name | None = None


@frozen
class UpdateBoard:
    """`ironflock.realms.board.update`: what is left out stays as it is."""

    board: Key | Name
    project: Key | Name | None = None
    name: Name | None = None
    description: Text | None = None
    content: dict[str, Any] | None = None


@frozen
class OpenBoard:
    """`ironflock.realms.board.open`: over the data of an app of its project."""

    board: Key | Name
    app: Key | Name
    stage: Stage = Stage.PROD
    project: Key | Name | None = None


@frozen
class OpenedBoard:
    """What `ironflock.realms.board.open` answers with.

    The ticket lets in once, within a minute, by WAMP's method `ticket` at the path `/ws-ua-usr`; the session that it
    opens ends at `ends_at` at the latest. `endpoint` is that of the project's cell, None where
    that is the installation's own.
    """

    realm: str
    role: BoardRole
    ticket: str = field(repr=False)
    ends_at: datetime
    endpoint: str | None = None


@frozen
class ToldBoard:
    """A board that privileges does not know as it is."""

    board_key: int
    project_key: int
    creator_account_key: int
    is_deleted: bool


@frozen
class BoardTicket:
    """What auth answers with that issues tickets."""

    ticket: str = field(repr=False)
    session: str
    ends_at: datetime


@frozen
class BoardSession:
    """A session that a board has open, or may still open: whose, on what, as what.

    `is_there` where the board and the app's backend are; `has_ended` where its time is over.
    """

    session_id: str
    account_key: int
    board_key: int
    backend_key: int
    project_key: int
    app_key: int
    stage: Stage
    role: BoardRole
    ends_at: datetime
    is_there: bool
    has_ended: bool

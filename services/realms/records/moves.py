"""Moves of projects to other clusters."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from attrs import frozen
from msgspec import Meta

from services.realms.records.backends import Backend
from services.realms.records.clusters import Word
from services.realms.records.values import Key, Name, Stage, Text


class MoveState(StrEnum):
    """How far a move is; one that was given up has left what it had not moved yet where it was."""

    MOVING = "moving"
    DONE = "done"
    GIVEN_UP = "given_up"


class Phase(StrEnum):
    """How far a backend is; the last two are ends."""

    ASKED = "asked"
    PLACED = "placed"
    MOVED = "moved"
    GIVEN_UP = "given_up"
    DONE = "done"
    BACK = "back"


@frozen
class BackendMove:
    """A backend on its way: how many rows were carried over, and for how long nobody could write."""

    backend_key: int
    app_key: int
    stage: Stage
    phase: Phase
    rows_carried: int | None
    paused_ms: int | None
    problem: str | None


@frozen
class BackendOnItsWay:
    """How far a backend is, and the keys of the clusters that it comes from and goes to."""

    phase: Phase
    from_key: int
    to_key: int


@frozen
class PlacedBackend:
    """A backend that was made, empty, on the cluster of the name `to`."""

    move_key: int
    backend_key: int
    to: str


@frozen
class Move:
    """A project on its way to `cluster`."""

    move_key: int
    project_key: int
    cluster: str
    state: MoveState
    asked_at: datetime
    ended_at: datetime | None
    backends: list[BackendMove]


@frozen
class CreateMove:
    """`ironflock.realms.move.create`; whoever has nothing to do with the project names it by its key."""

    project: Key | Name
    cluster: Word


@frozen
class NameMove:
    """`ironflock.realms.move.abandon`."""

    move_key: Key


@frozen
class ListMoves:
    """`ironflock.realms.move.list`: those of a project, or those that are under way, the newest first, 100 at most."""

    project: Key | None = None


@frozen
class MoveList:
    """What it answers with."""

    moves: list[Move]


# What follows is for fleetdb.


@frozen
class DueMove:
    """A backend whose rows are to be carried over: as it is, and where it is to be, made and empty."""

    move_key: int
    backend: Backend
    to: str


@frozen
class DueMoves:
    """What `ironflock.realms.move.due` answers with, 20 at most, in the order in which they were asked for."""

    moves: list[DueMove]


@frozen
class SwitchBackend:
    """`ironflock.realms.move.switch`: every row is there; said again, it is so already."""

    move_key: Key
    backend_key: Key
    rows_carried: Annotated[int, Meta(ge=0)]
    paused_ms: Annotated[int, Meta(ge=0)]


@frozen
class GiveUpBackend:
    """`ironflock.realms.move.give_up`: it stays where it is, for that reason."""

    move_key: Key
    backend_key: Key
    problem: Text

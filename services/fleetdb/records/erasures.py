"""Rows of a device that is out of service: what is to go, and what went."""

from typing import Annotated, Literal
from uuid import UUID

from attrs import frozen
from msgspec import Meta

from services.fleetdb.records.backends import Stage

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Obstacle = Literal["uninstalled", "not_ready", "unreachable", "being_deleted", "moving"]


@frozen
class EraseDevice:
    """`ironflock.fleetdb.device.erase`: a piece of the rows of a device in a project, in that round of the request.

    What a round has looked at it does not look at again; so there is a second one when nobody can write any more.
    """

    request: UUID
    round: Literal[1, 2]
    project_key: Key
    device_key: Key


@frozen
class ErasedTable:
    """How many rows of a table the request has deleted, in all its rounds."""

    backend_key: int
    app_key: int
    app_name: str
    stage: Stage
    table: str
    rows: int


@frozen
class LeftBackend:
    """A backend in which rows may still be, and why."""

    backend_key: int
    app_key: int
    app_name: str
    stage: Stage
    reason: Obstacle


@frozen
class ErasedRows:
    """What `ironflock.fleetdb.device.erase` answers with.

    `is_done` where nothing is left of the round, `is_more` where the next call finds more to do at once.
    """

    tables: list[ErasedTable]
    left: list[LeftBackend]
    is_done: bool
    is_more: bool


@frozen
class StandingBackend:
    """A backend of the project, as realms tells of it."""

    backend_key: int
    app_key: int
    app_name: str
    stage: Stage
    state: Literal["wanted", "ready", "closed", "dropped"]
    is_moving: bool


@frozen
class StandingBackends:
    """What `ironflock.realms.backend.of_project` answers with."""

    backends: list[StandingBackend]

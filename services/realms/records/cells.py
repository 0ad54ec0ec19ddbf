"""Cells: routers with a `realm1` of their own; a project lives in one of them, for good."""

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from services.realms.records.clusters import Capacity, ClusterState, Word
from services.realms.records.values import Key
from shared.cells import NAME

CellName = Annotated[str, Meta(pattern=NAME)]
Endpoint = Annotated[str, Meta(pattern=r"\Awss://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[1-9][0-9]{0,4})?\Z")]
"""What is dialled, without a path: `wss://host` or `wss://host:port`."""


@frozen
class Cell:
    """One of them, with how many projects it has of those that it may have at most.

    `endpoint` is None for the first cell, whose endpoint the processes' settings have. `is_known` says whether the
    settings of realms name it: no project comes to one that services cannot reach.
    """

    cell_key: int
    name: str
    region: str
    endpoint: str | None
    state: ClusterState
    capacity: int
    projects: int
    is_known: bool = False


@frozen
class AddCell:
    """`ironflock.realms.cell.add`."""

    name: CellName
    region: Word
    endpoint: Endpoint
    capacity: Capacity


@frozen
class CellList:
    """What `ironflock.realms.cell.list` answers with, in the order in which they were added."""

    cells: list[Cell]


@frozen
class UpdateCell:
    """`ironflock.realms.cell.update`; what is left out stays."""

    cell: CellName
    state: ClusterState | None = None
    capacity: Capacity | None = None


@frozen
class AskCell:
    """`ironflock.realms.project.cell`."""

    project_key: Key


@frozen
class CellOfProject:
    """In which cell a project is, and what is dialled there; None where that is in the processes' settings.

    While there is one cell, every project with a key of at most `all_up_to` is there: newer ones may come elsewhere.
    """

    name: str
    endpoint: str | None
    all_up_to: int | None = None

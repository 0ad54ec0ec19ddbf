"""Data backends as realms tells of them."""

from typing import Any

import attrs
import msgspec
from attrs import field, frozen

from services.fleetdb.records.backends import Backend, Stage
from shared import cells
from shared.clusters import FIRST
from shared.templates import Template


@frozen
class Place:
    """Of which app, project and stage a data backend is."""

    project_key: int
    app_key: int
    stage: Stage


@frozen
class _Told:
    backend_key: int
    project_key: int
    app_key: int
    app_name: str
    stage: Stage
    database: str
    schema: str
    login: str
    epoch: int
    template: Any
    providers: list[str]
    keeps: dict[str, int] = field(factory=dict)
    retention_change: int | None = None
    cluster: str = FIRST
    placed: int = 1
    cell: str = cells.FIRST


def backend_of(document: Any) -> Backend:
    """The backend that `document` describes; one whose data template is none has the tables that all have.

    Raises:
        msgspec.ValidationError: It describes none: a fault of ours.
    """
    told = msgspec.convert(document, _Told, strict=True)
    values = attrs.asdict(told, recurse=False)
    return Backend(**{**values, "template": _template(told.template), "providers": frozenset(told.providers)})


def place_of(backend: Backend) -> Place:
    """Where it belongs."""
    return Place(backend.project_key, backend.app_key, backend.stage)


def _template(document: Any) -> Template | None:
    # Realms checked it when it was released; one from before that time may be anything.
    try:
        return msgspec.convert(document, Template)
    except msgspec.ValidationError:
        return None

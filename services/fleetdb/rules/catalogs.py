"""What apps may know of each other's data: `sys.appaccess.*` of wire-sdk.md section 6.

What is neither granted nor installed in the project reads as unknown: whether there is such an app in the installation
is nobody's to find out.
"""

from collections.abc import Iterable
from typing import Any, Final

from services.fleetdb.errors import Refusal
from services.fleetdb.records.backends import Backend
from services.fleetdb.rules.shapes import tables_of
from shared.templates import Column, Template

EVERY_APP: Final = "*"
_ERROR: Final = "sys.appaccess.error."


def resolved(reader: Backend, backends: Iterable[Backend], app: object) -> dict[str, Any]:
    """What `reader` gets to know of the app that it calls `app`.

    Raises:
        Refusal: It is not named, not granted, not installed in the project, or not known.
    """
    if not isinstance(app, str) or not app.strip():
        raise Refusal("wamp.error.invalid_argument", "name the app: {app: name}")
    name = app.strip().lower()
    found = [each for each in _others(reader, backends) if each.app_name.lower() == name]
    may_read = bool(reader.providers & {name, EVERY_APP})
    if not found:
        code = "provider_not_installed" if name in reader.providers else "unknown_app"
        raise Refusal(_ERROR + code, f"the app {app[:100]!r} is not installed in this project")
    if not may_read:
        raise Refusal(_ERROR + "no_grant", f"the project's owner has not granted access to {app[:100]!r}")
    return _described(app, found)


def listed(reader: Backend, backends: Iterable[Backend]) -> list[dict[str, Any]]:
    """Every app that `reader` may read, by name."""
    by_name: dict[str, list[Backend]] = {}
    for backend in _others(reader, backends):
        name = backend.app_name.lower()
        if reader.providers & {name, EVERY_APP}:
            by_name.setdefault(name, []).append(backend)
    return [_described(name, found) for name, found in sorted(by_name.items())]


def _others(reader: Backend, backends: Iterable[Backend]) -> Iterable[Backend]:
    return (each for each in backends if each.project_key == reader.project_key and each.app_key != reader.app_key)


def _described(name: str, backends: list[Backend]) -> dict[str, Any]:
    stages = {each.stage.value.lower(): _catalog(each.template) for each in backends}
    return {"app": name, "provider_app_key": backends[0].app_key, "stages": stages}


def _catalog(template: Template | None) -> dict[str, Any]:
    asked = [] if template is None else template.data.tables
    columns = {each.tablename: [_column(column) for column in each.columns] for each in asked}
    tables = [
        _entry(table.name, table.description, columns.get(table.name))
        for table in tables_of(template).values()
        if not table.is_private
    ]
    transforms = [
        _entry(each.tablename, each.description, [_column(column) for column in each.columns])
        for each in ([] if template is None else template.data.transforms)
        if not each.private
    ]
    return {"tables": tables, "transforms": transforms}


def _entry(name: str, description: str | None, columns: list[dict[str, Any]] | None) -> dict[str, Any]:
    return _without_none({"tablename": name, "description": description, "columns": columns})


def _column(column: Column) -> dict[str, Any]:
    told = {"id": column.id, "name": column.name, "description": column.description, "dataType": column.data_type}
    return _without_none({**told, "secret": column.secret or None})


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}

"""What a query is to answer, worked out in plain Python on rows in memory: written from wire-sdk.md, not from the SQL.

Rows are dictionaries of what is stored; moments are microseconds of Unix time, `_row` is the order of writing. Truth is
True, False, or None where SQL does not know.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.fleetdb.records.tables import HIDDEN, Table

Row = dict[str, Any]
Truth = bool | None
YES = {"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"}
NO = {"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"}
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
DROPPED = object()


def history(rows: list[Row], asked: dict[str, Any], table: Table, reader: str | None) -> list[Row]:
    """The rows of the answer, whole, oldest first."""
    nodes = [kept for node in asked.get("filterAnd") or [] if (kept := _kept(node, table)) is not DROPPED]
    found = sorted(rows, key=lambda row: (row["tsp"], row["_row"]), reverse=True)
    limit, offset = int(asked["limit"]), int(asked.get("offset", 0))
    inside = [node for node in nodes if _columns(node) <= set(table.entity_key)]
    if has_marker(asked.get("filterAnd") or []):
        if table.entity_key:
            found = _newest_of_each([row for row in found if _all(inside, row, table, reader)], table)
        else:
            limit, offset = min(limit, 1), 0
    found = [row for row in found if _is_within(row, asked.get("timeRange")) and _all(nodes, row, table, reader)]
    return found[offset : offset + limit][::-1]


def has_marker(nodes: Iterable[Any]) -> bool:
    """Whether only the latest rows are asked for."""
    return any(
        node.get("latest") is True
        or (node.get("column") == "latest_flag" and node.get("operator") == "=" and node.get("value") in (True, "true"))
        or has_marker(node.get("filters", []))
        for node in nodes
    )


def shown(row: Row, table: Table) -> Row:
    """A row as readers see it, with all its columns."""
    found: Row = {}
    for name in (*table.columns, "device_key", "authid"):
        value = row[name]
        column = table.columns.get(name)
        if column is not None and column.is_secret and value is not None:
            value = HIDDEN
        elif column is not None and column.data_type == "timestamp" and value is not None:
            value = value // 1_000 if value % 1_000 == 0 else value / 1_000
        found[name] = value
    return found


def _newest_of_each(newest_first: list[Row], table: Table) -> list[Row]:
    found: dict[tuple[Any, ...], Row] = {}
    for row in newest_first:
        key = tuple(row[name] for name in table.entity_key)
        if None not in key:
            found.setdefault(key, row)
    return sorted(found.values(), key=lambda row: (row["tsp"], row["_row"]), reverse=True)


def _is_within(row: Row, span: list[Any] | None) -> bool:
    start, end = span or (None, None)
    return (start is None or row["tsp"] >= _second(start)) and (end is None or row["tsp"] < _second(end))


def _second(bound: Any) -> int:
    milliseconds = bound if not isinstance(bound, str) else _moment(bound) // 1_000
    return int(int(milliseconds) / 1_000) * 1_000_000


def _all(nodes: Iterable[Any], row: Row, table: Table, reader: str | None) -> bool:
    return _and([_truth(node, row, table, reader) for node in nodes]) is True


def _and(parts: list[Truth]) -> Truth:
    return False if False in parts else None if None in parts else True


def _or(parts: list[Truth]) -> Truth:
    return True if True in parts else None if None in parts else False


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


# ------------------------------------------------------------------------------------------------------------ left out


def _kept(node: Any, table: Table) -> Any:
    if node.get("latest") is True:
        return DROPPED
    if "filters" in node:
        inner = [kept for each in node["filters"] if (kept := _kept(each, table)) is not DROPPED]
        return {**node, "filters": inner} if inner else DROPPED
    data_type, path = _type_of(node["column"], table)
    if data_type is None or (path and data_type != "json"):
        return DROPPED
    if data_type in ("numeric", "bigint") or (path and _leaf_type(node) in ("numeric", "bigint")):
        return node if _is_comparable(node, _leaf_type(node) if path else data_type) else DROPPED
    return node


def _is_comparable(node: Any, data_type: str) -> bool:
    if node["operator"] in ("IS NULL", "IS NOT NULL", "IS CURRENT USER") or "LIKE" in node["operator"]:
        return True
    values = _set(node) if "IN" in node["operator"] else [node.get("value")]
    return all(_as(value, data_type) is not None for value in values)


def _columns(node: Any) -> set[str]:
    if "filters" in node:
        return set().union(*(_columns(each) for each in node["filters"]))
    base, path = _split(node["column"])
    return {".".join([base, *path])}


def _type_of(column: str, table: Table) -> tuple[str | None, list[str]]:
    base, path = _split(column)
    if base in ("device_key", "authid"):
        return ("numeric" if base == "device_key" else "string"), path
    return (table.columns[base].data_type if base in table.columns else None), path


def _split(column: str) -> tuple[str, list[str]]:
    """Only the forms that the tests write."""
    base, *keys = re.split(r"\.|\[", column)
    return base, [key.rstrip("]").strip("'\"") for key in keys]


# --------------------------------------------------------------------------------------------------------------- truth


def _truth(node: Any, row: Row, table: Table, reader: str | None) -> Truth:
    if "filters" in node:
        parts = [_truth(each, row, table, reader) for each in node["filters"]]
        return _and(parts) if node["combinator"] == "AND" else _or(parts)
    operator = node["operator"]
    base, path = _split(node["column"])
    raw = _at(row[base], path)
    data_type, _ = _type_of(node["column"], table)
    assert data_type is not None
    if path:
        data_type = _leaf_type(node)
    if operator in ("IS NULL", "IS NOT NULL"):
        return bool((raw is None) == (operator == "IS NULL"))
    if operator == "IS CURRENT USER":
        is_moment = data_type == "timestamp" and not path  # whose text is no account's id
        return False if reader is None else None if raw is None else not is_moment and _text(raw) == reader
    if "LIKE" in operator:
        return _like(node, raw)
    if operator in ("IN", "NOT IN"):
        return _in(node, raw, data_type)
    return _compared(operator, _as(raw, data_type), _as(node.get("value"), data_type), data_type)


def _in(node: Any, raw: Any, data_type: str) -> Truth:
    left = _as(raw, data_type)
    hits = [_compared("=", left, _as(value, data_type), data_type) for value in _set(node)]
    return _or(hits) if node["operator"] == "IN" else _not(_or(hits))


def _set(node: Any) -> list[Any]:
    value = node.get("value")
    if isinstance(value, list):
        return value
    return [] if value is None else _text(value).split(",")


def _compared(operator: str, left: Any, right: Any, data_type: str) -> Truth:
    if left is None or right is None:
        return None
    tests: dict[str, Callable[[], bool]] = {
        "=": lambda: left == right,
        "!=": lambda: left != right,
        "<>": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }
    if data_type == "json" and operator not in ("=", "!=", "<>"):
        return None
    return tests[operator]()


def _like(node: Any, raw: Any) -> Truth:
    value = node.get("value")
    if raw is None or value is None or isinstance(value, list):
        return None
    pattern, at, found = _text(value), 0, ""
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
            if at == len(pattern):
                return None
            found += re.escape(pattern[at])
        else:
            found += ".*" if letter == "%" else "." if letter == "_" else re.escape(letter)
        at += 1
    flags = re.DOTALL | (re.IGNORECASE if "ILIKE" in node["operator"] else 0)
    matches = re.fullmatch(found, _text(raw), flags) is not None
    return matches is not str(node["operator"]).startswith("NOT")


def _at(value: Any, path: list[str]) -> Any:
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


# ----------------------------------------------------------------------------------------------------- read as a type


def _leaf_type(node: Any) -> str:
    told = node.get("dataType")
    if told in ("string", "numeric", "bigint", "boolean", "timestamp"):
        return str(told)
    values = _set(node) if "IN" in node["operator"] else [node["value"]] if "value" in node else []
    kinds = {_kind(value) for value in values}
    return kinds.pop() if len(kinds) == 1 else "string"


def _kind(value: Any) -> str:
    if isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false")):
        return "boolean"
    if isinstance(value, str) and value.strip()[:1] in ("{", "[") and _as(value, "json") is not None:
        return "json"
    return "numeric" if _as(value, "numeric") is not None else "string"


def _as(value: Any, data_type: str) -> Any:
    """None where it is no such value; JSON is wrapped, as it may be anything."""
    return None if value is None else READ[data_type](value)


def _string(value: Any) -> str | None:
    return None if isinstance(value, list) else _text(value)


def _number(value: Any) -> Decimal | None:
    is_number = not isinstance(value, bool | list | dict) and NUMBER.fullmatch(_text(value).strip())
    return Decimal(_text(value).strip()) if is_number else None


def _whole(value: Any) -> int | None:
    is_whole = not isinstance(value, bool | list | dict) and re.fullmatch(r"[+-]?\d+", _text(value).strip())
    return int(_text(value)) if is_whole else None


def _boolean(value: Any) -> bool | None:
    word = _text(value).strip().lower()
    return True if word in YES else False if word in NO else None


def _document(value: Any) -> Any:
    if not isinstance(value, str):
        return (value,)
    try:
        return (json.loads(value),)
    except ValueError:
        return None


def _moment(value: Any) -> Any:
    """Microseconds."""
    if isinstance(value, bool | list | dict):
        return None
    if not isinstance(value, str):
        return round(value * 1_000)
    if re.fullmatch(r"[+-]?\d+", value):
        return int(value) * 1_000
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


READ: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "numeric": _number,
    "bigint": _whole,
    "boolean": _boolean,
    "timestamp": _moment,
    "json": _document,
}

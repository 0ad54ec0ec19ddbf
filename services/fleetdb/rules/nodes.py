"""Which filters are taken: the checks and sentences of the published validator, and bounds of our own."""

import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn, cast

from services.fleetdb.errors import malformed, typed
from services.fleetdb.records.queries import (
    OPERATORS,
    PUBLISHED_OPERATORS,
    Combinator,
    Filter,
    Group,
    Latest,
    Operator,
    Predicate,
    Scalar,
)

MISSING: Final = object()
MAX_DEPTH: Final = 16
MAX_NODES: Final = 200
MAX_VALUES: Final = 1_000
MAX_VALUES_IN_ALL: Final = 10_000

_NAMED: Final = " | ".join(f'"{name}"' for name in sorted(PUBLISHED_OPERATORS))
_OPERATOR: Final = f"({_NAMED})"
_OPERATOR_OR_NONE: Final = f"({_NAMED} | undefined)"
_NODE: Final = "(SQLFilterGroup | SQLFilterLatestMarker | SQLFilterPredicate)"
_VALUE: Final = "(Array<string | number | boolean> | boolean | number | string | undefined)"
_SCALAR: Final = "(boolean | number | string)"
_SCALAR_OR_NONE: Final = "(boolean | number | string | undefined)"
_TEXT_OR_NONE: Final = "(string | undefined)"
_NOT_LATEST: Final = "(false | undefined)"


def refuse(path: str, expected: str, value: Any) -> NoReturn:
    """Refuse what is at `path`; `MISSING` where nothing is."""
    if value is MISSING:
        raise malformed(path, expected)
    raise malformed(path, expected, value=value)


def member(holder: Any, name: str) -> Any:
    """What an object holds under a name; a list holds nothing, as in the published validator."""
    return holder.get(name, MISSING) if isinstance(holder, Mapping) else MISSING


def is_object(value: Any) -> bool:
    """Whether the published validator takes it for an object: lists too."""
    return isinstance(value, (Mapping, list, tuple))


def is_number(value: Any) -> bool:
    """Whether it is a number of the wire; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def filters_of(asked: Any, path: str) -> tuple[Filter, ...]:
    """The `filterAnd` of a query at `path`.

    Raises:
        Refusal: They have another form, nest deeper than 16, are more than 200; or one has more than 1,000 values, or
            all of them more than 10,000.
    """
    given = member(asked, "filterAnd")
    if given is None or given is MISSING:
        return ()
    if not isinstance(given, (list, tuple)):
        refuse(f"{path}.filterAnd", "(Array<SQLFilterAnd> | null | undefined)", given)
    return _Nodes().decoded(given, f"{path}.filterAnd", 1)


class _Nodes:
    """The nodes of one query."""

    def __init__(self) -> None:
        self._count = 0
        self._values = 0

    def decoded(self, nodes: Any, path: str, depth: int) -> tuple[Filter, ...]:
        if depth > MAX_DEPTH:
            raise typed("invalid_filter", f"filters nest at most {MAX_DEPTH} deep")
        self._count += len(nodes)
        if self._count > MAX_NODES:
            raise typed("invalid_filter", f"a query has at most {MAX_NODES} filters")
        return tuple(self._node(node, f"{path}[{at}]", depth) for at, node in enumerate(nodes))

    def _node(self, node: Any, path: str, depth: int) -> Filter:
        if not is_object(node):
            refuse(path, _NODE, node)
        _check_is_one(node)
        if member(node, "latest") is True:
            return _latest(node, path)
        combinator = member(node, "combinator")
        if not (isinstance(combinator, str) and combinator in ("AND", "OR")):
            return self._counted(_predicate(node, path))
        children = member(node, "filters")
        if not isinstance(children, (list, tuple)):
            refuse(f"{path}.filters", "Array<SQLFilterAnd>", children)
        group = Group(cast("Combinator", combinator), self.decoded(children, f"{path}.filters", depth + 1))
        _check_not_latest(node, path)
        _check_absent(node, path, ("column", "operator"))
        return group

    def _counted(self, predicate: Predicate) -> Predicate:
        self._values += len(predicate.value) if isinstance(predicate.value, tuple) else 0
        if self._values > MAX_VALUES_IN_ALL:
            raise typed("invalid_filter", f"a query has at most {MAX_VALUES_IN_ALL} values in its filters")
        return predicate


def _check_is_one(node: Any) -> None:
    """A node that is both a group and a predicate could be read in two ways."""
    is_group = any(member(node, name) not in (None, MISSING) for name in ("combinator", "filters"))
    is_predicate = any(member(node, name) not in (None, MISSING) for name in ("column", "operator"))
    if is_group and is_predicate:
        raise typed(
            "invalid_filter",
            "a filter is a group {combinator, filters} or a predicate {column, operator, value}, never both",
        )


def _latest(node: Any, path: str) -> Latest:
    column, operator, value = (member(node, name) for name in ("column", "operator", "value"))
    # Releases of the SDK up to 1.8 send null for what a node has not.
    if not (column in (None, MISSING) or isinstance(column, str)):
        refuse(f"{path}.column", _TEXT_OR_NONE, column)
    if not (operator in (None, MISSING) or (isinstance(operator, str) and operator in OPERATORS)):
        refuse(f"{path}.operator", _OPERATOR_OR_NONE, operator)
    if not (value in (None, MISSING) or _is_scalar(value)):
        refuse(f"{path}.value", _SCALAR_OR_NONE, value)
    _data_type(node, path)
    return Latest()


def _predicate(node: Any, path: str) -> Predicate:
    column, operator = member(node, "column"), member(node, "operator")
    if not isinstance(column, str):
        refuse(f"{path}.column", "string", column)
    if not (isinstance(operator, str) and operator in OPERATORS):
        refuse(f"{path}.operator", _OPERATOR, operator)
    value = _value(member(node, "value"), f"{path}.value")
    data_type = _data_type(node, path)
    _check_not_latest(node, path)
    _check_absent(node, path, ("combinator", "filters"))
    for text in (column, data_type, *(value if isinstance(value, tuple) else (value,))):
        _check_text(text)
    return Predicate(column, cast("Operator", operator), value, data_type)


def _value(value: Any, path: str) -> Scalar | tuple[Scalar, ...] | None:
    if value is MISSING:
        return None
    if _is_scalar(value):
        return cast("Scalar", value)
    if not isinstance(value, (list, tuple)):
        refuse(path, _VALUE, value)
    for at, each in enumerate(value):
        if not _is_scalar(each):
            refuse(f"{path}[{at}]", _SCALAR, each)
    if len(value) > MAX_VALUES:
        raise typed("invalid_filter", f"a filter has at most {MAX_VALUES} values")
    return tuple(value)


def _data_type(node: Any, path: str) -> str | None:
    value = member(node, "dataType")
    if value is MISSING:
        return None
    if not isinstance(value, str):
        refuse(f"{path}.dataType", _TEXT_OR_NONE, value)
    return value


def _check_not_latest(node: Any, path: str) -> None:
    latest = member(node, "latest")
    if not (latest in (None, MISSING) or latest is False):
        refuse(f"{path}.latest", _NOT_LATEST, latest)


def _check_absent(node: Any, path: str, names: tuple[str, ...]) -> None:
    for name in names:
        value = member(node, name)
        if value is not MISSING:
            refuse(f"{path}.{name}", "undefined", value)


def _check_text(value: Scalar | None) -> None:
    """No row holds a NUL or half a surrogate pair: nothing can be compared with them."""
    if not isinstance(value, str):
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        raise typed("invalid_filter", "a filter holds half a surrogate pair") from None
    if "\0" in value:
        raise typed("invalid_filter", "a filter holds a NUL character")


def _is_scalar(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, bool, int))

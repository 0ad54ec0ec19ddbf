"""Conditions as SQL. Names are composed by the driver, values are bound, whatever they are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import sql

from services.fleetdb.records.tables import Column, DataType
from services.fleetdb.rules.comparing import FALSE_WORDS, MAX_NUMBER_LENGTH, TRUE_WORDS
from services.fleetdb.rules.filters import LIKES, NULLS, SETS, Comparison, Condition, Constant, Junction
from services.fleetdb.rules.moments import EPOCH

Rendered = sql.Composed | sql.SQL
"""A part of a statement."""

_NUMBER: Final = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
_WHOLE: Final = r"^\s*[+-]?[0-9]+\s*$"
_LOCAL: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?$"
_ZONED: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9:]+)$"
_MILLISECONDS: Final = r"^-?[0-9]{1,15}$"
_ORDERS: Final = frozenset({"<", "<=", ">", ">="})
_UNKNOWN: Final = sql.SQL("NULL::boolean")
_OPERATORS: Final[dict[str, sql.SQL]] = {
    **{name: sql.SQL(name) for name in ("=", "<>", "<", "<=", ">", ">=")},
    **{name: sql.SQL(name) for name in ("LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE", "IS NULL", "IS NOT NULL")},
    "!=": sql.SQL("<>"),
    "IS CURRENT USER": sql.SQL("="),
}
_CASTS: Final[dict[DataType, LiteralString]] = {
    "string": "text",
    "numeric": "numeric",
    "bigint": "numeric",
    "boolean": "boolean",
    "timestamp": "timestamptz",
    "json": "jsonb",
}


def named(*names: str) -> sql.Identifier:
    """A name in a statement that has values; the driver would take a percent sign in it for a place of one."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def moment(microseconds: int) -> datetime | str:
    """What is bound for a moment; one that no row can have is before all of them or after."""
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return "infinity" if microseconds > 0 else "-infinity"


class Parameters:
    """The values that a statement is sent with, each under a name of its own."""

    def __init__(self) -> None:
        """None yet."""
        self.values: dict[str, Any] = {}

    def bind(self, value: Any, cast: LiteralString) -> Rendered:
        """A place in the statement at which `value` stands, as the type `cast`."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return sql.SQL("{}::" + cast).format(sql.Placeholder(name))

    def bind_moment(self, microseconds: int) -> Rendered:
        """The same of a moment, in microseconds of Unix time."""
        return self.bind(moment(microseconds), "timestamptz")


def all_of(conditions: list[Rendered]) -> Rendered:
    """All of them; true where there are none."""
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")


def rendered(condition: Condition, parameters: Parameters) -> Rendered:
    """`condition` as an expression."""
    match condition:
        case Constant():
            return _UNKNOWN if condition.value is None else sql.SQL("true" if condition.value else "false")
        case Junction():
            joint = sql.SQL(" AND " if condition.combinator == "AND" else " OR ")
            return sql.SQL("({})").format(joint.join([rendered(part, parameters) for part in condition.parts]))
        case Comparison():
            return _test(condition, parameters)


def inner_text(column: Column, path: tuple[str, ...], parameters: Parameters) -> Rendered:
    """What is at `path` in a JSON column, as text; NULL where nothing is or JSON's null."""
    keys = parameters.bind(list(path), "text[]")
    return sql.SQL("({}::jsonb #>> {})").format(named(column.id), keys)


def inner_number(text: Rendered) -> Rendered:
    """The same as a number; NULL where it is none."""
    return _guarded(text, _NUMBER)


def _test(test: Comparison, parameters: Parameters) -> Rendered:
    operator = _OPERATORS.get(test.operator)
    if test.operator in NULLS:
        return sql.SQL("{} {}").format(_text_of(test, parameters, whole=True), operator)
    if test.operator in LIKES or test.operator == "IS CURRENT USER":
        text = _text_of(test, parameters, whole=False)
        return sql.SQL("{} {} {}").format(text, operator, parameters.bind(test.values[0], "text"))
    side = _side(test, parameters)
    if test.operator in SETS:
        return _set(test, side, parameters)
    is_ordered = test.data_type == "string" and test.operator in _ORDERS
    value = parameters.bind(_bound(test, test.values[0]), _cast(test))
    return sql.SQL('{} COLLATE "C" {} {}' if is_ordered else "{} {} {}").format(side, operator, value)


def _set(test: Comparison, side: Rendered, parameters: Parameters) -> Rendered:
    """Where one more value could not be read, it is never certain that a row's value is none of them."""
    values = parameters.bind([_bound(test, value) for value in test.values], _array(test))
    is_one = sql.SQL("{} = ANY({})").format(side, values)
    if test.is_open:
        is_one = sql.SQL("({} OR {})").format(is_one, _UNKNOWN)
    return sql.SQL("NOT ({})").format(is_one) if test.operator == "NOT IN" else is_one


def _bound(test: Comparison, value: Any) -> Any:
    if test.data_type != "timestamp":
        return value
    when = moment(value)
    return when if isinstance(when, str) else when.astimezone(UTC).isoformat()


def _cast(test: Comparison) -> LiteralString:
    """A whole number is compared with a whole column as such."""
    is_whole = test.column.data_type == "bigint" and not test.path
    if is_whole and all(isinstance(value, int) and abs(value) < 2**63 for value in test.values):
        return "bigint"
    return _CASTS[test.data_type]


def _array(test: Comparison) -> LiteralString:
    match _cast(test):
        case "bigint":
            return "bigint[]"
        case "text":
            return "text[]"
        case "boolean":
            return "boolean[]"
        case "timestamptz":
            return "timestamptz[]"
        case "jsonb":
            return "jsonb[]"
        case _:
            return "numeric[]"


def _text_of(test: Comparison, parameters: Parameters, *, whole: bool) -> Rendered:
    """As text; the column itself where `whole` and nothing is looked for in it."""
    if test.path:
        return inner_text(test.column, test.path, parameters)
    column = named(test.column.id)
    is_text = whole or test.column.data_type == "string"
    return sql.SQL("{}" if is_text else "{}::text").format(column)


def _side(test: Comparison, parameters: Parameters) -> Rendered:
    """What is compared, as the type that it is compared as; NULL where it is no such value."""
    if test.path:
        return _INNER[test.data_type](test, parameters)
    column = named(test.column.id)
    return sql.SQL("{}::jsonb" if test.data_type == "json" else "{}").format(column)


def _guarded(text: Rendered, pattern: LiteralString) -> Rendered:
    whole = "CASE WHEN char_length({text}) <= {length} AND {text} ~ {pattern} THEN {text}::numeric END"
    return sql.SQL(whole).format(text=text, length=sql.Literal(MAX_NUMBER_LENGTH), pattern=sql.Literal(pattern))


def _inner_string(test: Comparison, parameters: Parameters) -> Rendered:
    return inner_text(test.column, test.path, parameters)


def _inner_numeric(test: Comparison, parameters: Parameters) -> Rendered:
    return inner_number(inner_text(test.column, test.path, parameters))


def _inner_bigint(test: Comparison, parameters: Parameters) -> Rendered:
    return _guarded(inner_text(test.column, test.path, parameters), _WHOLE)


def _inner_boolean(test: Comparison, parameters: Parameters) -> Rendered:
    whole = (
        "CASE WHEN lower(btrim({text})) = ANY({true}) THEN true WHEN lower(btrim({text})) = ANY({false}) THEN false END"
    )
    words = {"true": sql.Literal(list(TRUE_WORDS)), "false": sql.Literal(list(FALSE_WORDS))}
    return sql.SQL(whole).format(text=inner_text(test.column, test.path, parameters), **words)


def _inner_timestamp(test: Comparison, parameters: Parameters) -> Rendered:
    whole = (
        "CASE WHEN {text} ~ {milliseconds} THEN to_timestamp({text}::numeric / 1000)"
        " WHEN {text} ~ {local} AND pg_input_is_valid({text}, 'timestamp') THEN {text}::timestamp AT TIME ZONE 'UTC'"
        " WHEN {text} ~ {zoned} AND pg_input_is_valid({text}, 'timestamptz') THEN {text}::timestamptz END"
    )
    patterns = {
        "milliseconds": sql.Literal(_MILLISECONDS),
        "local": sql.Literal(_LOCAL),
        "zoned": sql.Literal(_ZONED),
    }
    return sql.SQL(whole).format(text=inner_text(test.column, test.path, parameters), **patterns)


def _inner_json(test: Comparison, parameters: Parameters) -> Rendered:
    keys = parameters.bind(list(test.path), "text[]")
    return sql.SQL("nullif({}::jsonb #> {}, 'null'::jsonb)").format(named(test.column.id), keys)


_INNER: Final[dict[DataType, Callable[[Comparison, Parameters], Rendered]]] = {
    "string": _inner_string,
    "numeric": _inner_numeric,
    "bigint": _inner_bigint,
    "boolean": _inner_boolean,
    "timestamp": _inner_timestamp,
    "json": _inner_json,
}

"""The newest row of each entity of a table.

Where there are few entities, their keys are looked up one after the other in the index of the key, and the newest row
of each behind it: what that takes does not grow with the rows. Where there are many, or there is no such index, all
rows are sorted. Which of the two it is shows while the statement runs; the other one is never begun.
"""

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from services.fleetdb.records.tables import TIME, Table
from services.fleetdb.rules.filters import Condition
from services.fleetdb.store.catalog import key_name
from services.fleetdb.store.conditions import Parameters, Rendered, all_of, named, rendered

FEW: Final = 2_000
NEWEST_FIRST: Final = sql.SQL("{} DESC, _row DESC").format(named(TIME))
_KEYS: Final = (
    "WITH RECURSIVE keys AS ("
    "(SELECT {keys}, 1 AS place FROM {source} WHERE {where} AND {is_indexed} ORDER BY {order} LIMIT 1) UNION ALL "
    "SELECT next.* FROM keys CROSS JOIN LATERAL (SELECT {keys}, keys.place + 1 AS place FROM {source} "
    "WHERE ({order}) > ({known}) AND {where} ORDER BY {order} LIMIT 1) AS next WHERE keys.place <= {few})"
)
_FEW: Final = (
    "SELECT one.* FROM keys CROSS JOIN LATERAL (SELECT * FROM {source} WHERE {is_same} ORDER BY {newest_first} LIMIT 1)"
    " AS one WHERE NOT {is_many}"
)
_MANY: Final = (
    "SELECT * FROM (SELECT DISTINCT ON ({order}) * FROM {source} WHERE {where} ORDER BY {order}, {newest_first})"
    " AS sorted WHERE {is_many}"
)
_IS_INDEXED: Final = "to_regclass(quote_ident({schema}) || '.' || quote_ident({index})) IS NOT NULL"


def newest_of_each(schema: str, table: Table, conditions: Sequence[Condition], parameters: Parameters) -> Rendered:
    """What has the newest row of each entity that has its whole key and is one of those that `conditions` hold for."""
    keys = [_key(table, name) for name in table.entity_key]
    there = [sql.SQL("{} IS NOT NULL").format(named(name)) for name in table.entity_key]
    known = [named("keys", f"k{at}") for at in range(len(keys))]
    is_indexed = _is_indexed(schema, table, parameters)
    parts = {
        "source": named(schema, table.name),
        "keys": sql.SQL(", ").join([sql.SQL("{} AS {}").format(key, named(f"k{at}")) for at, key in enumerate(keys)]),
        "order": sql.SQL(", ").join(keys),
        "known": sql.SQL(", ").join(known),
        "where": all_of([*there, *(rendered(each, parameters) for each in conditions)]),
        "is_same": all_of([sql.SQL("{} = {}").format(key, one) for key, one in zip(keys, known, strict=True)]),
        "is_indexed": is_indexed,
        "is_many": sql.SQL("(SELECT count(*) > {} OR NOT {} FROM keys)").format(sql.Literal(FEW), is_indexed),
        "newest_first": NEWEST_FIRST,
        "few": sql.Literal(FEW),
    }
    return sql.SQL("(" + _KEYS + " " + _FEW + " UNION ALL " + _MANY + ") AS newest").format(**parts)


def _key(table: Table, name: str) -> Rendered:
    column = table.columns.get(name)
    is_json = column is not None and column.data_type == "json"
    return sql.SQL("{}::jsonb" if is_json else "{}").format(named(name))


def _is_indexed(schema: str, table: Table, parameters: Parameters) -> Rendered:
    """Whether there is the index of the key and the time that `store.tables` makes: its name says of which key."""
    index = parameters.bind(key_name(table.name, table.entity_key), "text")
    return sql.SQL("(" + _IS_INDEXED + ")").format(schema=parameters.bind(schema, "text"), index=index)

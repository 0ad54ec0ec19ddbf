"""The history: lines that nobody changes, and what held at a time."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from services.privileges.rows import ChangeRow, DomainRow, Line
from services.privileges.store.rows_of import many, one, value
from shared.database import Connection
from shared.rights.records import Domain

_CHANGE: Final = (
    "change_key, at, what, is_on, domain_kind, domain_key, account_key, kind, asset_key, flag, grant_key, ends_at,"
    " is_visit, groups, by_account_key, reason"
)


async def moment(connection: Connection) -> datetime:
    """The database's time, by which everything here is judged."""
    now: datetime = await value(connection, "SELECT clock_timestamp()")
    return now


async def position(connection: Connection) -> int:
    """Where the stream stands."""
    return int(await value(connection, "SELECT position FROM privileges.stream"))


async def position_take_in_txn(connection: Connection) -> int:
    """The next position, which is this transaction's own: taken last of all, held until the commit."""
    return int(await value(connection, "UPDATE privileges.stream SET position = position + 1 RETURNING position"))


async def line_insert_all(
    connection: Connection,
    domain: DomainRow,
    lines: Iterable[Line],
    *,
    at: datetime,
    position: int,
    by_account_key: int | None,
    reason: str,
) -> None:
    """Write the lines."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO privileges.change (at, position, what, is_on, domain_kind, domain_key, account_key, kind,"
            " asset_key, flag, grant_key, ends_at, is_visit, groups, by_account_key, reason)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                [
                    at, position, line.what, line.is_on, domain.kind, domain.key, line.account_key, line.kind,
                    line.asset_key, line.flag, line.grant_key, line.ends_at, line.is_visit, sorted(line.groups),
                    by_account_key, reason,
                ]
                for line in lines
            ],
        )  # fmt: skip


async def change_list(
    connection: Connection,
    *,
    domain: Domain | None,
    kind: str | None,
    key: int | None,
    account_key: int | None,
    before: int,
    limit: int,
) -> list[ChangeRow]:
    """At most `limit` lines with keys below `before`, newest first: of an asset or a whole domain, and of a person."""
    query = (
        f"SELECT {_CHANGE} FROM privileges.change WHERE change_key < %(before)s"
        " AND (%(domain_kind)s::text IS NULL OR (domain_kind = %(domain_kind)s AND domain_key = %(domain_key)s))"
        " AND (%(kind)s::text IS NULL OR (kind = %(kind)s AND asset_key = %(key)s))"
        " AND (%(account_key)s::bigint IS NULL OR account_key = %(account_key)s)"
        " ORDER BY change_key DESC LIMIT %(limit)s"
    )
    parameters = {
        "before": before, "kind": kind, "key": key, "account_key": account_key, "limit": limit,
        "domain_kind": domain.kind if domain else None, "domain_key": domain.key if domain else None,
    }  # fmt: skip
    return await many(connection, ChangeRow, query, parameters)


async def asset_at(connection: Connection, kind: str, key: int, at: datetime) -> ChangeRow | None:
    """The line that says where the asset was at that time; None where it was nowhere."""
    query = (
        f"SELECT {_CHANGE} FROM privileges.change WHERE kind = %s AND asset_key = %s AND what = 'asset' AND at <= %s"
        " ORDER BY change_key DESC LIMIT 1"
    )
    row = await one(connection, ChangeRow, query, [kind, key, at])
    return row if row is not None and row.is_on else None


async def facts_at(connection: Connection, domain: Domain, account_key: int, at: datetime) -> list[ChangeRow]:
    """What held in the domain at that time, as far as it concerned the person: the last line of each fact."""
    query = (
        "SELECT * FROM (SELECT DISTINCT ON (what, account_key, kind, asset_key, flag)"
        f" {_CHANGE} FROM privileges.change WHERE domain_kind = %s AND domain_key = %s AND at <= %s"
        " AND (account_key = %s OR account_key IS NULL) AND what IN ('owner', 'member', 'grant', 'default', 'public')"
        " ORDER BY what, account_key, kind, asset_key, flag, change_key DESC) AS last WHERE is_on"
    )
    return await many(connection, ChangeRow, query, [domain.kind, domain.key, at, account_key])


async def locks_at(connection: Connection, at: datetime, keys: Iterable[tuple[str, int]]) -> list[ChangeRow]:
    """Those of the persons, devices and projects that were locked at that time, as lines."""
    named = list(keys)
    query = (
        "SELECT * FROM (SELECT DISTINCT ON (kind, asset_key)"
        f" {_CHANGE} FROM privileges.change WHERE what = 'lock' AND at <= %s AND (kind, asset_key) IN"
        " (SELECT * FROM unnest(%s::text[], %s::bigint[])) ORDER BY kind, asset_key, change_key DESC) AS last"
        " WHERE is_on AND (ends_at IS NULL OR ends_at > %s)"
    )
    parameters = [at, [kind for kind, _ in named], [key for _, key in named], at]
    return await many(connection, ChangeRow, query, parameters)

"""Grants and defaults."""

from datetime import datetime
from typing import Final

from services.privileges.rows import DefaultRow, GrantRow, Place
from services.privileges.store.rows_of import many, one, value
from shared.database import Connection
from shared.flags import AssetKind
from shared.rights.records import Domain

_COLUMNS: Final = "grant_key, account_key, kind, asset_key, flag, ends_at, is_visit, given_by, given_at"
_GRANT: Final = f"SELECT {_COLUMNS} FROM privileges.held_flag"


async def grant_put(
    connection: Connection,
    place: Place,
    account_key: int,
    flag: str,
    *,
    ends_at: datetime | None,
    is_visit: bool,
    given_by: int | None,
    given_at: datetime,
) -> GrantRow:
    """The person has the flag until `ends_at`, whatever they had of it before."""
    row = await one(
        connection,
        GrantRow,
        "INSERT INTO privileges.held_flag (account_key, kind, asset_key, flag, domain_kind, domain_key, ends_at,"
        " is_visit, given_by, given_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (kind, asset_key, account_key, flag) DO UPDATE SET ends_at = excluded.ends_at,"
        " is_visit = excluded.is_visit, given_by = excluded.given_by, given_at = excluded.given_at"
        f" RETURNING {_COLUMNS}",
        [
            account_key, place.kind, place.key, flag, place.domain.kind, place.domain.key, ends_at, is_visit, given_by,
            given_at,
        ],
    )  # fmt: skip
    if row is None:
        raise LookupError("an insert returned no row")
    return row


async def grant_list_on(
    connection: Connection, kind: AssetKind, key: int, *, after: int, limit: int, now: datetime
) -> list[GrantRow]:
    """At most `limit` grants on the asset that have not ended, with keys above `after`."""
    query = (
        f"{_GRANT} WHERE kind = %s AND asset_key = %s AND grant_key > %s AND (ends_at IS NULL OR ends_at > %s)"
        " ORDER BY grant_key LIMIT %s"
    )
    return await many(connection, GrantRow, query, [kind, key, after, now, limit])


async def grant_list_of(connection: Connection, kind: AssetKind, key: int, account_key: int) -> list[GrantRow]:
    """The person's grants on the asset."""
    query = f"{_GRANT} WHERE kind = %s AND asset_key = %s AND account_key = %s ORDER BY grant_key"
    return await many(connection, GrantRow, query, [kind, key, account_key])


async def grant_list_visits(connection: Connection, domain: Domain, now: datetime) -> list[GrantRow]:
    """The visits to the domain that have not ended."""
    query = f"{_GRANT} WHERE domain_kind = %s AND domain_key = %s AND is_visit AND ends_at > %s ORDER BY grant_key"
    return await many(connection, GrantRow, query, [domain.kind, domain.key, now])


async def grant_count(connection: Connection, domain: Domain, account_key: int) -> int:
    """How many grants the person has in the domain."""
    query = "SELECT count(*) FROM privileges.held_flag WHERE account_key = %s AND domain_kind = %s AND domain_key = %s"
    return int(await value(connection, query, [account_key, domain.kind, domain.key]))


async def grant_delete(connection: Connection, grant_keys: list[int]) -> list[GrantRow]:
    """Take those grants; what they were."""
    query = f"DELETE FROM privileges.held_flag WHERE grant_key = ANY (%s) RETURNING {_COLUMNS}"
    return await many(connection, GrantRow, query, [grant_keys])


async def grant_delete_in(connection: Connection, domain: Domain, account_key: int) -> list[GrantRow]:
    """Take all that the person was given in the domain; what it was."""
    query = (
        "DELETE FROM privileges.held_flag WHERE account_key = %s AND domain_kind = %s AND domain_key = %s"
        f" RETURNING {_COLUMNS}"
    )
    return await many(connection, GrantRow, query, [account_key, domain.kind, domain.key])


async def grant_list_in(connection: Connection, domain: Domain) -> list[GrantRow]:
    """Every grant in the domain."""
    query = f"{_GRANT} WHERE domain_kind = %s AND domain_key = %s ORDER BY grant_key"
    return await many(connection, GrantRow, query, [domain.kind, domain.key])


async def grant_delete_on(connection: Connection, kind: AssetKind, key: int) -> list[GrantRow]:
    """Take every grant on the asset; what they were."""
    query = f"DELETE FROM privileges.held_flag WHERE kind = %s AND asset_key = %s RETURNING {_COLUMNS}"
    return await many(connection, GrantRow, query, [kind, key])


async def grant_sweep(connection: Connection, ended_before: datetime) -> None:
    """Forget grants that ended by themselves before; the history keeps them."""
    await connection.execute("DELETE FROM privileges.held_flag WHERE ends_at < %s", [ended_before])


async def flags_conferred(connection: Connection, group_key: int, now: datetime) -> dict[str, datetime | None]:
    """Every flag that somebody has on the group now, with the end of the grant that lasts longest."""
    query = (
        "SELECT flag, CASE WHEN bool_and(ends_at IS NOT NULL) THEN max(ends_at) END FROM privileges.held_flag"
        " WHERE kind = 'group' AND asset_key = %s AND (ends_at IS NULL OR ends_at > %s) GROUP BY flag"
    )
    cursor = await connection.execute(query.encode(), [group_key, now])
    return {str(flag): end for flag, end in await cursor.fetchall()}


async def default_put(
    connection: Connection, project_key: int, kind: AssetKind, flag: str, ends_at: datetime | None
) -> None:
    """Every member has the flag on every asset of that kind until `ends_at`."""
    await connection.execute(
        "INSERT INTO privileges.default_flag (project_key, kind, flag, ends_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (project_key, kind, flag) DO UPDATE SET ends_at = excluded.ends_at",
        [project_key, kind, flag, ends_at],
    )


async def default_list(connection: Connection, project_key: int) -> list[DefaultRow]:
    """The project's defaults."""
    query = "SELECT kind, flag, ends_at FROM privileges.default_flag WHERE project_key = %s ORDER BY kind, flag"
    return await many(connection, DefaultRow, query, [project_key])


async def default_delete(
    connection: Connection, project_key: int, kind: AssetKind, flags: list[str] | None
) -> list[DefaultRow]:
    """No member has those flags by default any more, or none of that kind; what there was."""
    query = (
        "DELETE FROM privileges.default_flag WHERE project_key = %s AND kind = %s"
        " AND (%s::text[] IS NULL OR flag = ANY (%s)) RETURNING kind, flag, ends_at"
    )
    return await many(connection, DefaultRow, query, [project_key, kind, flags, flags])

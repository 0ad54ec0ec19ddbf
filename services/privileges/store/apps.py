"""Offers of apps to another owner."""

from datetime import datetime
from typing import Final

from services.privileges.rows import AppTransferRow
from services.privileges.store.rows_of import many, one, value
from shared.database import Connection

_OFFER: Final = "app_key, from_account_key, to_account_key, offered_at, ends_at, accepted_at"


async def app_find_named(connection: Connection, name_canonical: str) -> int | None:
    """The app of that name, which is one in the installation."""
    query = "SELECT key FROM privileges.domain WHERE kind = 'app' AND name_canonical = %s"
    found: int | None = await value(connection, query, [name_canonical])
    return found


async def app_transfer_put(connection: Connection, row: AppTransferRow) -> None:
    """The app is offered, to nobody else any more."""
    await connection.execute(
        "INSERT INTO privileges.app_transfer (app_key, from_account_key, to_account_key, offered_at, ends_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (app_key) DO UPDATE SET"
        " from_account_key = excluded.from_account_key, to_account_key = excluded.to_account_key,"
        " offered_at = excluded.offered_at, ends_at = excluded.ends_at, accepted_at = NULL",
        [row.app_key, row.from_account_key, row.to_account_key, row.offered_at, row.ends_at],
    )


async def app_transfer_find(connection: Connection, app_key: int) -> AppTransferRow | None:
    """The offer of the app."""
    return await one(
        connection, AppTransferRow, f"SELECT {_OFFER} FROM privileges.app_transfer WHERE app_key = %s", [app_key]
    )


async def app_transfer_list_of(connection: Connection, account_key: int, now: datetime) -> list[AppTransferRow]:
    """The offers from the person and to the person that stand."""
    query = (
        f"SELECT {_OFFER} FROM privileges.app_transfer WHERE %s IN (from_account_key, to_account_key)"
        " AND ends_at > %s AND accepted_at IS NULL ORDER BY app_key"
    )
    return await many(connection, AppTransferRow, query, [account_key, now])


async def app_transfer_list_accepted(connection: Connection) -> list[AppTransferRow]:
    """Those of which realms is still to be told."""
    query = f"SELECT {_OFFER} FROM privileges.app_transfer WHERE accepted_at IS NOT NULL"
    return await many(connection, AppTransferRow, query, [])


async def app_transfer_accept(connection: Connection, app_key: int, accepted_at: datetime) -> None:
    """The offer is accepted."""
    await connection.execute(
        "UPDATE privileges.app_transfer SET accepted_at = %s WHERE app_key = %s", [accepted_at, app_key]
    )


async def app_transfer_delete(connection: Connection, app_key: int, to_account_key: int) -> None:
    """The offer to that person is no more."""
    await connection.execute(
        "DELETE FROM privileges.app_transfer WHERE app_key = %s AND to_account_key = %s", [app_key, to_account_key]
    )

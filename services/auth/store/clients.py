"""The SQL of clients and of what people have granted them."""

from typing import Final

from psycopg.rows import class_row

from services.auth.records.provider import Client, ClientView, ConsentView
from shared.database import Connection

_CLIENT: Final = (
    "SELECT client_id, name, secret_hash, is_first_party, redirect_uris, post_logout_redirect_uris,"
    " backchannel_logout_uri, grant_types, scopes, token_endpoint_auth_method, account_key, created_at, ended_at"
    " FROM auth.client"
)


async def client_find(connection: Connection, client_id: str) -> Client | None:
    """The client of that id, if it has not ended."""
    async with connection.cursor(row_factory=class_row(Client)) as cursor:
        await cursor.execute(f"{_CLIENT} WHERE client_id = %s AND ended_at IS NULL", [client_id])
        return await cursor.fetchone()


async def client_insert(connection: Connection, client: Client, name_canonical: str) -> None:
    """A new client.

    Raises:
        psycopg.errors.UniqueViolation: There is one of that name.
    """
    await connection.execute(
        "INSERT INTO auth.client (client_id, name, name_canonical, secret_hash, is_first_party, redirect_uris,"
        " post_logout_redirect_uris, backchannel_logout_uri, grant_types, scopes, token_endpoint_auth_method,"
        " account_key) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [client.client_id, client.name, name_canonical, client.secret_hash, client.is_first_party,
         client.redirect_uris, client.post_logout_redirect_uris, client.backchannel_logout_uri, client.grant_types,
         client.scopes, client.token_endpoint_auth_method, client.account_key],
    )  # fmt: skip


async def client_move(connection: Connection, client_id: str, redirect_uris: list[str]) -> bool:
    """The client is sent its codes there from now on; False where that is so already, or it is not there."""
    cursor = await connection.execute(
        "UPDATE auth.client SET redirect_uris = %s WHERE client_id = %s AND ended_at IS NULL AND redirect_uris <> %s"
        " RETURNING client_id",
        [redirect_uris, client_id, redirect_uris],
    )
    return await cursor.fetchone() is not None


async def client_list(connection: Connection) -> list[ClientView]:
    """Every client that has not ended, in the order of their names."""
    async with connection.cursor(row_factory=class_row(ClientView)) as cursor:
        await cursor.execute(
            "SELECT client_id, name, is_first_party, redirect_uris, post_logout_redirect_uris, backchannel_logout_uri,"
            " grant_types, scopes, token_endpoint_auth_method, account_key, created_at FROM auth.client"
            " WHERE ended_at IS NULL ORDER BY name_canonical"
        )
        return await cursor.fetchall()


async def client_end(connection: Connection, client_id: str) -> bool:
    """The client opens nothing any more, and its name is free; False where there is none."""
    cursor = await connection.execute(
        "UPDATE auth.client SET ended_at = now(), name_canonical = client_id WHERE client_id = %s AND ended_at IS NULL"
        " RETURNING client_id",
        [client_id],
    )
    return await cursor.fetchone() is not None


async def consent_find(connection: Connection, account_key: int, client_id: str) -> list[str]:
    """The scopes that the person has granted the client."""
    cursor = await connection.execute(
        "SELECT scopes FROM auth.consent WHERE account_key = %s AND client_id = %s", [account_key, client_id]
    )
    row = await cursor.fetchone()
    return list(row[0]) if row else []


async def consent_upsert(connection: Connection, account_key: int, client_id: str, scopes: list[str]) -> None:
    """The person grants these scopes, and all that they granted before."""
    await connection.execute(
        "INSERT INTO auth.consent AS c (account_key, client_id, scopes) VALUES (%s, %s, %s)"
        " ON CONFLICT (account_key, client_id) DO UPDATE SET granted_at = now(),"
        " scopes = ARRAY(SELECT DISTINCT unnest(c.scopes || excluded.scopes) ORDER BY 1)",
        [account_key, client_id, scopes],
    )


async def consent_list(connection: Connection, account_key: int) -> list[ConsentView]:
    """What the person has granted, in the order of the clients' names."""
    async with connection.cursor(row_factory=class_row(ConsentView)) as cursor:
        await cursor.execute(
            "SELECT client_id, k.name, c.scopes, granted_at FROM auth.consent c JOIN auth.client k USING (client_id)"
            " WHERE c.account_key = %s AND k.ended_at IS NULL ORDER BY k.name_canonical",
            [account_key],
        )
        return await cursor.fetchall()


async def consent_delete(connection: Connection, account_key: int, client_id: str) -> bool:
    """The person grants the client nothing any more; False where they granted nothing."""
    cursor = await connection.execute(
        "DELETE FROM auth.consent WHERE account_key = %s AND client_id = %s RETURNING client_id",
        [account_key, client_id],
    )
    return await cursor.fetchone() is not None

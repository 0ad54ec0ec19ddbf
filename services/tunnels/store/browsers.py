"""The SQL of browsers that are signed in to a tunnel."""

from psycopg.rows import class_row

from services.tunnels.records.visits import Browser
from shared.database import Connection


async def browser_insert(connection: Connection, digest: bytes, label: str, browser: Browser) -> None:
    """A new one; those whose time is over are forgotten."""
    await connection.execute("DELETE FROM tunnels.browser WHERE ends_at < clock_timestamp()")
    await connection.execute(
        "INSERT INTO tunnels.browser (digest, label, account_key, credential, scopes, ends_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [digest, label, browser.account_key, browser.credential, browser.scopes, browser.ends_at],
    )


async def browser_find(connection: Connection, digest: bytes, label: str) -> Browser | None:
    """The one with that cookie at that host, if its time is not over."""
    async with connection.cursor(row_factory=class_row(Browser)) as cursor:
        await cursor.execute(
            "SELECT account_key, credential, scopes, ends_at FROM tunnels.browser"
            " WHERE digest = %s AND label = %s AND ends_at > clock_timestamp()",
            [digest, label],
        )
        return await cursor.fetchone()

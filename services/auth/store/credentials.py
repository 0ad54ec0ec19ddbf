"""The SQL of whatever opens something to a person, seen as one."""

from typing import Final

from services.auth.records.tickets import AliveCredential, StandingCredential
from shared.database import Connection

# Until when something opens the bus: an API key, a session, a family of tokens, a client that acts as an account.
_CREDENTIALS: Final = (
    "SELECT key_id AS id, account_key, ends_at FROM auth.api_key WHERE ended_at IS NULL"
    " UNION ALL SELECT session_id, account_key, ends_at FROM auth.session WHERE ended_at IS NULL"
    " UNION ALL SELECT f.family_id, f.account_key, s.ends_at FROM auth.token_family f"
    " JOIN auth.session s USING (session_id) WHERE f.ended_at IS NULL AND s.ended_at IS NULL"
    " UNION ALL SELECT client_id, account_key, 'infinity' FROM auth.client WHERE ended_at IS NULL"
)
ALIVE: Final = (
    f"SELECT c.id, c.account_key, c.ends_at, a.owner_key FROM ({_CREDENTIALS}) c"  # noqa: S608
    " JOIN auth.account a USING (account_key) LEFT JOIN auth.account o ON o.account_key = a.owner_key"
    " WHERE c.ends_at > clock_timestamp()"
    " AND a.state = 'active' AND coalesce(o.state, 'active') = 'active'"
)


async def credential_list_alive(connection: Connection, asked: list[tuple[int, str]]) -> list[AliveCredential]:
    """Those of the `asked` (account, id) that still open something, before any lock is looked at."""
    cursor = await connection.execute(
        "SELECT c.account_key, c.id,"  # noqa: S608
        " extract(epoch FROM least(c.ends_at, clock_timestamp() + interval '10 years'))::float8, c.owner_key"
        f" FROM ({ALIVE}) c JOIN unnest(%s::bigint[], %s::text[]) AS asked (account_key, id)"
        " USING (account_key, id)".encode(),
        [[account_key for account_key, _ in asked], [name for _, name in asked]],
    )
    return [AliveCredential(StandingCredential(row[0], row[1], row[2]), row[3]) for row in await cursor.fetchall()]

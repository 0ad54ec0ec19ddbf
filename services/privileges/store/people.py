"""Members, invitations, offers of ownership."""

from datetime import datetime
from typing import Any, Final

from services.privileges.rows import InvitationRow, MemberRow, Place, TransferRow
from services.privileges.store.rows_of import many, one, value, values
from shared.database import Connection
from shared.rights.records import Domain

_INVITATION: Final = "invitation_key, project_key, account_key, invited_by, reason, created_at, ends_at"
_TRANSFER: Final = "project_key, from_account_key, to_account_key, offered_at, ends_at, accepted_at"


async def member_insert(connection: Connection, project_key: int, account_key: int, since: datetime) -> bool:
    """The person is a member from now on; False where they are one already."""
    query = (
        "INSERT INTO privileges.member (project_key, account_key, since) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING account_key"
    )
    return await value(connection, query, [project_key, account_key, since]) is not None


async def member_delete(connection: Connection, project_key: int, account_key: int) -> bool:
    """The person is no member any more; False where they were none."""
    query = "DELETE FROM privileges.member WHERE project_key = %s AND account_key = %s RETURNING account_key"
    return await value(connection, query, [project_key, account_key]) is not None


async def member_list(connection: Connection, project_key: int) -> list[MemberRow]:
    """The members, in the order in which they came."""
    query = "SELECT account_key, since FROM privileges.member WHERE project_key = %s ORDER BY since, account_key"
    return await many(connection, MemberRow, query, [project_key])


async def member_list_of(connection: Connection, account_key: int) -> list[int]:
    """The keys of the projects in which the person is a member."""
    query = "SELECT project_key FROM privileges.member WHERE account_key = %s"
    return await values(connection, query, [account_key])


async def invitation_put(
    connection: Connection,
    project_key: int,
    account_key: int,
    *,
    invited_by: int,
    reason: str,
    created_at: datetime,
    ends_at: datetime,
) -> InvitationRow:
    """The person is invited, anew where they were already."""
    row = await one(
        connection,
        InvitationRow,
        "INSERT INTO privileges.invitation (project_key, account_key, invited_by, reason, created_at, ends_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (project_key, account_key) DO UPDATE SET"
        " invited_by = excluded.invited_by, reason = excluded.reason, created_at = excluded.created_at,"
        f" ends_at = excluded.ends_at RETURNING {_INVITATION}",
        [project_key, account_key, invited_by, reason, created_at, ends_at],
    )
    if row is None:
        raise LookupError("an insert returned no row")
    return row


async def invitation_find(connection: Connection, invitation_key: int) -> InvitationRow | None:
    """The invitation of that key."""
    query = f"SELECT {_INVITATION} FROM privileges.invitation WHERE invitation_key = %s"
    return await one(connection, InvitationRow, query, [invitation_key])


async def invitation_list_of(connection: Connection, account_key: int, now: datetime) -> list[InvitationRow]:
    """The invitations to the person that have not ended."""
    query = (
        f"SELECT {_INVITATION} FROM privileges.invitation WHERE account_key = %s AND ends_at > %s"
        " ORDER BY invitation_key"
    )
    return await many(connection, InvitationRow, query, [account_key, now])


async def invitation_list_in(connection: Connection, project_key: int, now: datetime) -> list[InvitationRow]:
    """The invitations into the project that have not ended."""
    query = (
        f"SELECT {_INVITATION} FROM privileges.invitation WHERE project_key = %s AND ends_at > %s"
        " ORDER BY invitation_key"
    )
    return await many(connection, InvitationRow, query, [project_key, now])


async def invitation_delete(connection: Connection, invitation_key: int) -> bool:
    """The invitation is no more; False where it was gone."""
    query = "DELETE FROM privileges.invitation WHERE invitation_key = %s RETURNING invitation_key"
    return await value(connection, query, [invitation_key]) is not None


async def invitation_delete_to(connection: Connection, project_key: int, account_key: int) -> bool:
    """The person is invited into the project no more; False where they were not."""
    query = "DELETE FROM privileges.invitation WHERE project_key = %s AND account_key = %s RETURNING invitation_key"
    return await value(connection, query, [project_key, account_key]) is not None


async def transfer_put(connection: Connection, row: TransferRow) -> None:
    """The project is offered, to nobody else any more."""
    await connection.execute(
        "INSERT INTO privileges.transfer (project_key, from_account_key, to_account_key, offered_at, ends_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (project_key) DO UPDATE SET"
        " from_account_key = excluded.from_account_key, to_account_key = excluded.to_account_key,"
        " offered_at = excluded.offered_at, ends_at = excluded.ends_at, accepted_at = NULL",
        [row.project_key, row.from_account_key, row.to_account_key, row.offered_at, row.ends_at],
    )


async def transfer_find(connection: Connection, project_key: int) -> TransferRow | None:
    """The offer of the project."""
    query = f"SELECT {_TRANSFER} FROM privileges.transfer WHERE project_key = %s"
    return await one(connection, TransferRow, query, [project_key])


async def transfer_list_of(connection: Connection, account_key: int, now: datetime) -> list[TransferRow]:
    """The offers from the person and to the person that have not ended."""
    query = (
        f"SELECT {_TRANSFER} FROM privileges.transfer WHERE %s IN (from_account_key, to_account_key)"
        " AND (ends_at > %s OR accepted_at IS NOT NULL) ORDER BY project_key"
    )
    return await many(connection, TransferRow, query, [account_key, now])


async def transfer_list_accepted(connection: Connection, before: datetime) -> list[TransferRow]:
    """The offers that were accepted before, and are not carried out yet: their process is gone."""
    query = f"SELECT {_TRANSFER} FROM privileges.transfer WHERE accepted_at < %s"
    return await many(connection, TransferRow, query, [before])


async def transfer_accept(connection: Connection, project_key: int, accepted_at: datetime) -> None:
    """The offer is accepted."""
    await connection.execute(
        "UPDATE privileges.transfer SET accepted_at = %s WHERE project_key = %s", [accepted_at, project_key]
    )


async def transfer_undo(connection: Connection, project_key: int, to_account_key: int) -> None:
    """The offer to that person, if it still stands, is as it was before they accepted it."""
    await connection.execute(
        "UPDATE privileges.transfer SET accepted_at = NULL WHERE project_key = %s AND to_account_key = %s",
        [project_key, to_account_key],
    )


async def transfer_delete(connection: Connection, project_key: int) -> bool:
    """The offer is no more; False where there was none."""
    query = "DELETE FROM privileges.transfer WHERE project_key = %s RETURNING project_key"
    return await value(connection, query, [project_key]) is not None


async def account_list(connection: Connection, *, after: int, limit: int) -> list[int]:
    """At most `limit` accounts with keys above `after` that have something here, owners apart."""
    query = (
        "SELECT account_key FROM (SELECT account_key FROM privileges.member UNION"
        " SELECT account_key FROM privileges.held_flag UNION SELECT account_key FROM privileges.invitation UNION"
        " SELECT to_account_key FROM privileges.transfer UNION"
        " SELECT to_account_key FROM privileges.app_transfer) AS everybody WHERE account_key > %s"
        " ORDER BY account_key LIMIT %s"
    )
    return await values(connection, query, [after, limit])


async def candidate_list(connection: Connection, place: Place, *, after: int, limit: int) -> list[int]:
    """At most `limit` accounts with keys above `after` that may have something on the asset, in order.

    They are the owner, whoever has a grant on it or on a group that it is in, and, where there are defaults for its
    kind, every member.
    """
    query = (
        "SELECT account_key FROM (SELECT owner_account_key AS account_key FROM privileges.domain"
        " WHERE (kind, key) = (%(domain_kind)s, %(domain_key)s) AND owner_account_key IS NOT NULL"
        " UNION SELECT account_key FROM privileges.held_flag WHERE (kind, asset_key) IN"
        " (SELECT * FROM unnest(%(kinds)s::text[], %(keys)s::bigint[]))"
        " UNION SELECT account_key FROM privileges.member WHERE %(domain_kind)s = 'project'"
        " AND project_key = %(domain_key)s AND EXISTS (SELECT FROM privileges.default_flag f"
        " WHERE f.project_key = %(domain_key)s AND f.kind = %(kind)s)) AS somebody WHERE account_key > %(after)s"
        " ORDER BY account_key LIMIT %(limit)s"
    )
    named: dict[str, Any] = {
        "domain_kind": place.domain.kind,
        "domain_key": place.domain.key,
        "kind": place.kind,
        "kinds": [place.kind.value, *("group" for _ in place.groups)],
        "keys": [place.key, *place.groups],
        "after": after,
        "limit": limit,
    }
    return await values(connection, query, named)


async def account_list_ever_given(connection: Connection, domain: Domain) -> list[int]:
    """Whoever was ever given anything in the domain."""
    query = (
        "SELECT DISTINCT account_key FROM privileges.change WHERE domain_kind = %s AND domain_key = %s"
        " AND what = 'grant' AND account_key IS NOT NULL"
    )
    return await values(connection, query, [domain.kind, domain.key])


async def account_forget(connection: Connection, account_key: int) -> None:
    """Nobody is invited by that key, and nothing is offered to it."""
    await connection.execute("DELETE FROM privileges.invitation WHERE account_key = %s", [account_key])
    await connection.execute(
        "DELETE FROM privileges.transfer WHERE to_account_key = %s AND accepted_at IS NULL", [account_key]
    )
    await connection.execute(
        "DELETE FROM privileges.app_transfer WHERE to_account_key = %s AND accepted_at IS NULL", [account_key]
    )


async def offers_sweep(connection: Connection, ended_before: datetime) -> None:
    """Forget invitations and offers of ownership that ended before; nobody came."""
    await connection.execute("DELETE FROM privileges.invitation WHERE ends_at < %s", [ended_before])
    await connection.execute(
        "DELETE FROM privileges.transfer WHERE ends_at < %s AND accepted_at IS NULL", [ended_before]
    )
    await connection.execute(
        "DELETE FROM privileges.app_transfer WHERE ends_at < %s AND accepted_at IS NULL", [ended_before]
    )


async def account_has_common(connection: Connection, one: int, other: int) -> bool:
    """Whether both own, work in, or visit one and the same domain."""
    query = (
        "WITH theirs AS (SELECT owner_account_key AS account_key, kind, key FROM privileges.domain"
        " WHERE owner_account_key IN (%(one)s, %(other)s)"
        " UNION SELECT account_key, 'project', project_key FROM privileges.member"
        " WHERE account_key IN (%(one)s, %(other)s)"
        " UNION SELECT account_key, domain_kind, domain_key FROM privileges.held_flag"
        " WHERE account_key IN (%(one)s, %(other)s))"
        " SELECT EXISTS (SELECT FROM theirs a JOIN theirs b USING (kind, key)"
        " WHERE a.account_key = %(one)s AND b.account_key = %(other)s)"
    )
    return bool(await value(connection, query, {"one": one, "other": other}))


async def visit_count(connection: Connection, account_key: int, now: datetime) -> int:
    """How many visits the person was given, everywhere, that have not ended."""
    query = "SELECT count(*) FROM privileges.held_flag WHERE account_key = %s AND is_visit AND ends_at > %s"
    return int(await value(connection, query, [account_key, now]))

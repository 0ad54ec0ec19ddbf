"""What is held as a whole, and what is in it."""

from collections.abc import Iterable
from datetime import datetime

from psycopg.rows import tuple_row

from services.privileges.rows import DomainRow, Place
from services.privileges.store.rows_of import many, one, value, values
from shared.database import Connection
from shared.flags import AssetKind
from shared.rights.records import Domain, DomainKind

_DOMAIN = "SELECT kind, key, owner_account_key, name, is_public FROM privileges.domain"
_PLACE = "SELECT kind, key, domain_kind, domain_key, revision, groups FROM privileges.asset"


async def domain_find(connection: Connection, domain: Domain) -> DomainRow | None:
    """The domain, if it is known."""
    return await one(connection, DomainRow, f"{_DOMAIN} WHERE kind = %s AND key = %s", [domain.kind, domain.key])


async def domain_lock_in_txn(connection: Connection, domain: Domain) -> DomainRow | None:
    """The domain, its row locked until the transaction ends: changes in one domain come one after the other."""
    query = f"{_DOMAIN} WHERE kind = %s AND key = %s FOR NO KEY UPDATE"
    return await one(connection, DomainRow, query, [domain.kind, domain.key])


async def domain_list(connection: Connection, keys: Iterable[int], kind: DomainKind) -> list[DomainRow]:
    """The domains of those keys."""
    return await many(connection, DomainRow, f"{_DOMAIN} WHERE kind = %s AND key = ANY (%s)", [kind, list(keys)])


async def domain_list_of(
    connection: Connection, account_key: int, kind: DomainKind, now: datetime | None = None
) -> list[DomainRow]:
    """The domains in which the account owns, is a member, or has grants; `now` leaves out those that have ended."""
    query = (
        f"{_DOMAIN} d WHERE d.kind = %(kind)s AND (d.owner_account_key = %(account)s"
        " OR (d.kind = 'project' AND EXISTS (SELECT FROM privileges.member m"
        " WHERE m.project_key = d.key AND m.account_key = %(account)s))"
        " OR EXISTS (SELECT FROM privileges.held_flag g WHERE g.account_key = %(account)s"
        " AND g.domain_kind = d.kind AND g.domain_key = d.key"
        " AND (%(now)s::timestamptz IS NULL OR g.ends_at IS NULL OR g.ends_at > %(now)s))) ORDER BY d.key"
    )
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(query.encode(), {"kind": kind, "account": account_key, "now": now})
    return [DomainRow(DomainKind(row[0]), *row[1:]) for row in await cursor.fetchall()]


async def domain_list_owned(connection: Connection, account_key: int) -> list[DomainRow]:
    """The domains that the account owns, or is about to own by an offer that it has accepted."""
    query = (
        f"{_DOMAIN} WHERE owner_account_key = %s OR (kind = 'project' AND key IN (SELECT project_key"
        " FROM privileges.transfer WHERE to_account_key = %s AND accepted_at IS NOT NULL)) ORDER BY kind, key"
    )
    return await many(connection, DomainRow, query, [account_key, account_key])


async def domain_insert(connection: Connection, row: DomainRow, name_canonical: str) -> bool:
    """A new domain, with the asset that it is itself; False where it is known."""
    known = await value(
        connection,
        "INSERT INTO privileges.domain (kind, key, owner_account_key, name, name_canonical) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING key",
        [row.kind, row.key, row.owner_account_key, row.name, name_canonical],
    )
    return known is not None


async def domain_rename(connection: Connection, domain: Domain, name: str, name_canonical: str) -> None:
    """Another name for the domain."""
    await connection.execute(
        "UPDATE privileges.domain SET name = %s, name_canonical = %s WHERE kind = %s AND key = %s",
        [name, name_canonical, domain.kind, domain.key],
    )


async def domain_set_public(connection: Connection, domain: Domain, *, is_public: bool) -> None:
    """Everybody has what a public app gives, or has it no more."""
    await connection.execute(
        "UPDATE privileges.domain SET is_public = %s WHERE kind = %s AND key = %s",
        [is_public, domain.kind, domain.key],
    )


async def domain_set_owner(connection: Connection, domain: Domain, account_key: int) -> None:
    """Another owner."""
    await connection.execute(
        "UPDATE privileges.domain SET owner_account_key = %s WHERE kind = %s AND key = %s",
        [account_key, domain.kind, domain.key],
    )


async def domain_delete(connection: Connection, domain: Domain) -> None:
    """The domain is gone, with all that is in it."""
    await connection.execute("DELETE FROM privileges.domain WHERE kind = %s AND key = %s", [domain.kind, domain.key])


async def asset_lock_in_txn(connection: Connection, kind: str, key: int) -> None:
    """Until the transaction ends nobody else puts or forgets the asset, whether it is known or not."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"asset/{kind}/{key}"])


async def is_gone(connection: Connection, kind: str, key: int) -> bool:
    """Whether the asset was there once and never comes back."""
    return bool(await value(connection, "SELECT true FROM privileges.gone WHERE kind = %s AND key = %s", [kind, key]))


async def gone_insert(connection: Connection, kind: str, key: int) -> None:
    """Remember that the asset is gone for good."""
    await connection.execute(
        "INSERT INTO privileges.gone (kind, key) VALUES (%s, %s) ON CONFLICT DO NOTHING", [kind, key]
    )


async def place_find(connection: Connection, kind: AssetKind, key: int) -> Place | None:
    """The asset, if it is known."""
    return (await place_list(connection, [(kind, key)])).get((kind, key))


async def place_list(
    connection: Connection, wanted: Iterable[tuple[AssetKind, int]]
) -> dict[tuple[AssetKind, int], Place]:
    """Those of the assets that are known."""
    named = list(wanted)
    query = f"{_PLACE} WHERE (kind, key) IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))"
    return {(each.kind, each.key): each for each in await _places(connection, query, _columns(named))}


async def place_list_of(connection: Connection, domain: Domain) -> list[Place]:
    """Everything that is in the domain, the domain itself included."""
    query = f"{_PLACE} WHERE domain_kind = %s AND domain_key = %s ORDER BY kind, key"
    return await _places(connection, query, [domain.kind, domain.key])


async def place_list_in(
    connection: Connection,
    kind: AssetKind,
    *,
    domains: Iterable[Domain],
    keys: Iterable[int],
    groups: Iterable[int],
    with_public: bool,
    after: int,
    limit: int,
) -> list[Place]:
    """At most `limit` assets of a kind with keys above `after`: in those domains, of those keys, in those groups.

    `with_public` adds the public apps.
    """
    listed = list(domains)
    query = (
        f"{_PLACE} a WHERE a.kind = %s AND a.key > %s AND ((a.domain_kind, a.domain_key) IN"
        " (SELECT * FROM unnest(%s::text[], %s::bigint[])) OR a.key = ANY (%s) OR a.groups && %s::bigint[]"
        " OR (%s AND EXISTS (SELECT FROM privileges.domain d WHERE d.kind = a.domain_kind AND d.key = a.domain_key"
        " AND d.is_public))) ORDER BY a.key LIMIT %s"
    )
    parameters = [
        kind, after, [each.kind.value for each in listed], [each.key for each in listed], list(keys), list(groups),
        with_public, limit,
    ]  # fmt: skip
    return await _places(connection, query, parameters)


async def place_put(connection: Connection, place: Place) -> bool:
    """The asset is there, or has changed; False where something newer is known of it, or as much."""
    known = await value(
        connection,
        "INSERT INTO privileges.asset (kind, key, domain_kind, domain_key, revision, groups)"
        " VALUES (%(kind)s, %(key)s, %(domain_kind)s, %(domain_key)s, %(revision)s, %(groups)s)"
        " ON CONFLICT (kind, key) DO UPDATE SET domain_kind = excluded.domain_kind, domain_key = excluded.domain_key,"
        " revision = excluded.revision, groups = excluded.groups WHERE asset.revision < excluded.revision"
        " RETURNING key",
        {
            "kind": place.kind,
            "key": place.key,
            "domain_kind": place.domain.kind,
            "domain_key": place.domain.key,
            "revision": place.revision,
            "groups": sorted(place.groups),
        },
    )
    return known is not None


async def place_delete(connection: Connection, kind: AssetKind, key: int) -> None:
    """The asset is gone, with every grant on it."""
    await connection.execute("DELETE FROM privileges.asset WHERE kind = %s AND key = %s", [kind, key])


async def group_leave_all(connection: Connection, group_key: int) -> list[int]:
    """No device is in the group any more; the keys of those that were."""
    return await values(
        connection,
        "UPDATE privileges.asset SET groups = array_remove(groups, %s) WHERE groups @> ARRAY[%s]::bigint[]"
        " AND kind = 'device' RETURNING key",
        [group_key, group_key],
    )


async def _places(connection: Connection, query: str, parameters: list[object]) -> list[Place]:
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(query.encode(), parameters)
    return [
        Place(AssetKind(kind), key, Domain(DomainKind(domain_kind), domain_key), revision, frozenset(groups))
        for kind, key, domain_kind, domain_key, revision, groups in await cursor.fetchall()
    ]


def _columns(named: list[tuple[AssetKind, int]]) -> list[object]:
    return [[kind.value for kind, _ in named], [key for _, key in named]]

"""What a person holds, read in one statement, so that it is of one moment."""

from typing import Any, Final

import msgspec
from attrs import frozen

from services.privileges.rows import Place
from services.privileges.store.rows_of import value
from shared.database import Connection
from shared.flags import AssetKind
from shared.rights.records import Default, Domain, DomainKind, Grant, Held, Holdings, Lock, LockKind, Standing

_GRANTS: Final = (
    "SELECT jsonb_agg(jsonb_build_array(domain_kind, domain_key, grant_key, flag, kind, asset_key,"
    " extract(epoch FROM ends_at)::float8, is_visit)) FROM privileges.held_flag WHERE account_key = %(account)s"
)
_DOMAIN: Final = (
    "jsonb_build_array(d.kind, d.key, d.owner_account_key IS NOT DISTINCT FROM %(account)s, EXISTS (SELECT FROM"
    " privileges.member m WHERE d.kind = 'project' AND m.project_key = d.key AND m.account_key = %(account)s),"
    " d.is_public)"
)
_DEFAULTS: Final = (
    "SELECT jsonb_agg(jsonb_build_array(f.project_key, f.flag, f.kind, extract(epoch FROM f.ends_at)::float8))"
    " FROM privileges.default_flag f"
)
_EVERYTHING: Final = (
    "WITH held AS (SELECT kind, key FROM privileges.domain WHERE owner_account_key = %(account)s"
    " UNION SELECT 'project', project_key FROM privileges.member WHERE account_key = %(account)s"
    " UNION SELECT domain_kind, domain_key FROM privileges.held_flag WHERE account_key = %(account)s)"
    " SELECT jsonb_build_object('position', (SELECT position FROM privileges.stream),"
    f" 'domains', (SELECT jsonb_agg({_DOMAIN}) FROM privileges.domain d JOIN held USING (kind, key)),"
    f" 'grants', ({_GRANTS}),"
    f" 'defaults', ({_DEFAULTS} JOIN privileges.member m USING (project_key) WHERE m.account_key = %(account)s))"
)
_TOWARDS_ONE: Final = (
    "SELECT jsonb_build_object('position', (SELECT position FROM privileges.stream),"
    f" 'domains', (SELECT jsonb_agg({_DOMAIN}) FROM privileges.domain d WHERE (d.kind, d.key) ="
    " (%(domain_kind)s, %(domain_key)s)),"
    f" 'grants', ({_GRANTS} AND (kind, asset_key) IN (SELECT * FROM unnest(%(kinds)s::text[], %(keys)s::bigint[]))),"
    f" 'defaults', ({_DEFAULTS} WHERE %(domain_kind)s = 'project' AND f.project_key = %(domain_key)s))"
)

_OF_MANY: Final = (
    "SELECT jsonb_build_object('domains', (SELECT jsonb_agg(jsonb_build_array(owner_account_key, is_public))"
    " FROM privileges.domain WHERE (kind, key) = (%(domain_kind)s, %(domain_key)s)),"
    " 'members', (SELECT jsonb_agg(account_key) FROM privileges.member"
    " WHERE %(domain_kind)s = 'project' AND project_key = %(domain_key)s AND account_key = ANY (%(accounts)s)),"
    " 'grants', (SELECT jsonb_agg(jsonb_build_array(account_key, grant_key, flag, kind, asset_key,"
    " extract(epoch FROM ends_at)::float8, is_visit)) FROM privileges.held_flag WHERE account_key = ANY (%(accounts)s)"
    " AND (kind, asset_key) IN (SELECT * FROM unnest(%(kinds)s::text[], %(keys)s::bigint[]))),"
    f" 'defaults', ({_DEFAULTS} WHERE %(domain_kind)s = 'project' AND f.project_key = %(domain_key)s))"
)

_PLACED: Final = (
    "WITH place AS (SELECT * FROM privileges.asset WHERE kind = %(kind)s AND key = %(key)s),"
    " places AS (SELECT kind, key FROM place UNION ALL SELECT 'group', unnest(groups) FROM place)"
    " SELECT jsonb_build_object('position', (SELECT position FROM privileges.stream),"
    " 'place', (SELECT jsonb_build_array(domain_kind, domain_key, groups) FROM place),"
    f" 'domains', (SELECT jsonb_agg({_DOMAIN}) FROM privileges.domain d JOIN place p ON (d.kind, d.key) ="
    " (p.domain_kind, p.domain_key)),"
    " 'grants', (SELECT jsonb_agg(jsonb_build_array(g.domain_kind, g.domain_key, g.grant_key, g.flag, g.kind,"
    " g.asset_key, extract(epoch FROM g.ends_at)::float8, g.is_visit)) FROM places p JOIN privileges.held_flag g"
    " ON (g.kind, g.asset_key) = (p.kind, p.key) AND g.account_key = %(account)s),"
    f" 'defaults', ({_DEFAULTS} JOIN place p ON p.domain_kind = 'project' AND f.project_key = p.domain_key"
    " AND f.kind = p.kind),"
    " 'locks', (SELECT jsonb_agg(jsonb_build_array(l.kind, l.key, extract(epoch FROM l.ends_at)::float8))"
    " FROM privileges.lock l LEFT JOIN place p ON true WHERE (l.kind, l.key) IN"
    " (('person', %(account)s::text), (p.kind, p.key::text), (p.domain_kind, p.domain_key::text))))"
)


@frozen
class _ReadPlaced:
    position: int
    place: tuple[DomainKind, int, list[int]] | None
    domains: list[tuple[DomainKind, int, bool, bool, bool]] | None
    grants: list[tuple[DomainKind, int, int, str, AssetKind, int, float | None, bool]] | None
    defaults: list[tuple[int, str, AssetKind, float | None]] | None
    locks: list[tuple[LockKind, str, float | None]] | None


@frozen
class Placed:
    """A person and an asset: where it is, how the person stands towards that domain, the locks on any of them."""

    place: Place
    standing: Standing
    locks: tuple[Lock, ...]


@frozen
class _ReadOfMany:
    domains: list[tuple[int | None, bool]] | None
    members: list[int] | None
    grants: list[tuple[int, int, str, AssetKind, int, float | None, bool]] | None
    defaults: list[tuple[int, str, AssetKind, float | None]] | None


@frozen
class _Read:
    position: int
    domains: list[tuple[DomainKind, int, bool, bool, bool]] | None
    grants: list[tuple[DomainKind, int, int, str, AssetKind, int, float | None, bool]] | None
    defaults: list[tuple[int, str, AssetKind, float | None]] | None


async def holdings_read(connection: Connection, account_key: int) -> Holdings:
    """Everything that the person holds, everywhere."""
    return _holdings(account_key, await value(connection, _EVERYTHING, {"account": account_key}))


async def standing_read(
    connection: Connection, account_key: int, domain: Domain, places: list[tuple[AssetKind, int]]
) -> Standing:
    """The person towards one domain, with what they were given on those assets alone: its cost does not grow."""
    parameters = {
        "account": account_key,
        "domain_kind": domain.kind,
        "domain_key": domain.key,
        "kinds": [kind.value for kind, _ in places],
        "keys": [key for _, key in places],
    }
    return _holdings(account_key, await value(connection, _TOWARDS_ONE, parameters)).standing(domain)


async def placed_read(connection: Connection, account_key: int, kind: AssetKind, key: int) -> Placed | None:
    """All that a decision about one person and one asset rests on, in one round trip; None where it is not known."""
    content = await value(connection, _PLACED, {"account": account_key, "kind": kind, "key": key})
    read = msgspec.convert(content, _ReadPlaced)
    if read.place is None:
        return None
    domain_kind, domain_key, groups = read.place
    place = Place(kind, key, Domain(domain_kind, domain_key), groups=frozenset(groups))
    locks = tuple(Lock(0, of_kind, of_key, ends_at) for of_kind, of_key, ends_at in read.locks or ())
    towards = _Read(read.position, read.domains, read.grants, read.defaults)
    return Placed(place, _held(account_key, towards).standing(place.domain), locks)


async def standings_read(
    connection: Connection, account_keys: list[int], domain: Domain, places: list[tuple[AssetKind, int]]
) -> dict[int, Standing]:
    """As `standing_read`, of many people at once."""
    parameters = {
        "accounts": account_keys,
        "domain_kind": domain.kind,
        "domain_key": domain.key,
        "kinds": [kind.value for kind, _ in places],
        "keys": [key for _, key in places],
    }
    read = msgspec.convert(await value(connection, _OF_MANY, parameters), _ReadOfMany)
    ((owner, is_public),) = read.domains or [(None, False)]
    members, defaults = set(read.members or ()), read.defaults or ()
    grants: dict[int, list[Grant]] = {}
    for account_key, grant_key, flag, kind, asset_key, ends_at, is_visit in read.grants or ():
        grants.setdefault(account_key, []).append(Grant(grant_key, flag, kind, asset_key, ends_at, is_visit))
    return {
        key: Standing(
            is_owner=key == owner,
            is_member=key in members,
            grants=tuple(grants.get(key, ())),
            defaults=tuple(Default(flag, kind, end) for _, flag, kind, end in defaults if key in members),
            is_public_app=is_public,
        )
        for key in account_keys
    }


def _holdings(account_key: int, content: dict[str, Any]) -> Holdings:
    return _held(account_key, msgspec.convert(content, _Read))


def _held(account_key: int, read: _Read) -> Holdings:
    held = tuple(
        Held(Domain(kind, key), _standing(Domain(kind, key), read, is_owner, is_member, is_public))
        for kind, key, is_owner, is_member, is_public in read.domains or ()
    )
    return Holdings(account_key, read.position, held)


def _standing(domain: Domain, read: _Read, is_owner: bool, is_member: bool, is_public: bool) -> Standing:  # noqa: FBT001
    return Standing(
        is_owner=is_owner,
        is_member=is_member,
        grants=tuple(
            Grant(grant_key, flag, kind, asset_key, ends_at, is_visit)
            for in_kind, in_key, grant_key, flag, kind, asset_key, ends_at, is_visit in read.grants or ()
            if Domain(in_kind, in_key) == domain
        ),
        defaults=tuple(
            Default(flag, kind, ends_at)
            for key, flag, kind, ends_at in read.defaults or ()
            if is_member and Domain(DomainKind.PROJECT, key) == domain
        ),
        is_public_app=is_public,
    )

"""The SQL of what is wanted of apps on devices, of what their agents say, and of what those are to be told."""

from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from services.devices.records.apps import AppOnDevice, AppOrder, AppRelease, FoundInstall, Install, Places, Stage
from shared.database import Connection

_SELECT: Final = (
    "SELECT a.device_key, a.app_key, a.stage, a.created_at, a.app_name, a.target, a.state, a.state_since,"
    " a.release_key, a.version, a.present_release_key, a.present_version, a.previous_release_key, a.previous_version,"
    " a.wanted_before, a.requestor_account_key, a.app_cred_epoch, a.environment, a.ports, a.reported_ports,"
    " a.revision, a.told_revision, a.is_offered, o.refusal"
    " FROM devices.device_app a LEFT JOIN devices.app_order o USING (device_key, app_key, stage)"
)
_ONE: Final = " WHERE a.device_key = %s AND a.app_key = %s AND a.stage = %s"


def _row(
    *,
    release_key: int | None,
    version: str | None,
    present_release_key: int | None,
    present_version: str | None,
    previous_release_key: int | None,
    previous_version: str | None,
    wanted_before: list[list[Any]],
    **rest: Any,
) -> AppOnDevice:
    return AppOnDevice(
        release=_release(release_key, version),
        present=_release(present_release_key, present_version),
        previous=_release(previous_release_key, previous_version),
        wanted_before=tuple(AppRelease(*each) for each in wanted_before),
        **rest,
    )


def _release(key: int | None, version: str | None) -> AppRelease | None:
    return None if key is None or version is None else AppRelease(key, version)


def _columns(release: AppRelease | None) -> tuple[int | None, str | None]:
    return (None, None) if release is None else (release.release_key, release.version)


async def state_find(connection: Connection, device_key: int, app_key: int, stage: Stage) -> AppOnDevice | None:
    """The app on the device, also one that is to go; None where it is not."""
    async with connection.cursor(row_factory=kwargs_row(_row)) as cursor:
        await cursor.execute(f"{_SELECT}{_ONE}".encode(), [device_key, app_key, stage])
        return await cursor.fetchone()


async def state_lock_in_txn(connection: Connection, device_key: int, app_key: int, stage: Stage) -> AppOnDevice | None:
    """As `state_find`; nobody else changes it before this transaction ends."""
    async with connection.cursor(row_factory=kwargs_row(_row)) as cursor:
        await cursor.execute(f"{_SELECT}{_ONE} FOR UPDATE OF a".encode(), [device_key, app_key, stage])
        return await cursor.fetchone()


async def state_list(connection: Connection, device_key: int) -> list[AppOnDevice]:
    """The apps on the device, also those that are to go, in the order of keys and stages."""
    async with connection.cursor(row_factory=kwargs_row(_row)) as cursor:
        await cursor.execute(f"{_SELECT} WHERE a.device_key = %s ORDER BY a.app_key, a.stage".encode(), [device_key])
        return await cursor.fetchall()


async def state_list_of(
    connection: Connection, app_key: int, stage: Stage, device_keys: list[int]
) -> dict[int, AppOnDevice]:
    """The app on each of these devices that has it, also where it is to go, by the device's key."""
    query = f"{_SELECT} WHERE a.app_key = %s AND a.stage = %s AND a.device_key = ANY (%s)"
    async with connection.cursor(row_factory=kwargs_row(_row)) as cursor:
        await cursor.execute(query.encode(), [app_key, stage, device_keys])
        return {app.device_key: app for app in await cursor.fetchall()}


async def wish_set(connection: Connection, app: AppOnDevice) -> None:
    """What is wanted of the app, as it stands in `app`, is another wish from now on."""
    await connection.execute(
        "UPDATE devices.device_app SET app_name = %s, target = %s, release_key = %s, version = %s,"
        " previous_release_key = %s, previous_version = %s, wanted_before = %s, requestor_account_key = %s,"
        " app_cred_epoch = %s, revision = revision + 1 WHERE device_key = %s AND app_key = %s AND stage = %s",
        [
            app.app_name,
            app.target,
            *_columns(app.release),
            *_columns(app.previous),
            Jsonb([_columns(each) for each in app.wanted_before]),
            app.requestor_account_key,
            app.app_cred_epoch,
            app.device_key,
            app.app_key,
            app.stage,
        ],
    )


async def said_set(connection: Connection, app: AppOnDevice) -> None:
    """What the app's agent said, as it stands in `app`; by the database's clock."""
    await connection.execute(
        "UPDATE devices.device_app SET state_since = CASE WHEN state = %(state)s THEN state_since"
        " ELSE clock_timestamp() END, state = %(state)s,"
        " present_release_key = %(present_key)s, present_version = %(present)s,"
        " previous_release_key = %(previous_key)s, previous_version = %(previous)s"
        " WHERE device_key = %(device)s AND app_key = %(app)s AND stage = %(stage)s",
        {
            "state": app.state,
            **dict(zip(("present_key", "present"), _columns(app.present), strict=True)),
            **dict(zip(("previous_key", "previous"), _columns(app.previous), strict=True)),
            "device": app.device_key,
            "app": app.app_key,
            "stage": app.stage,
        },
    )


async def wish_repeat(connection: Connection, app: AppOnDevice) -> None:
    """What is wanted of the app is to be told once more, as it stands: a telling that is under way is too early."""
    await connection.execute(
        "UPDATE devices.device_app SET revision = revision + 1 WHERE device_key = %s AND app_key = %s AND stage = %s",
        [app.device_key, app.app_key, app.stage],
    )
    await order_put(connection, app.device_key, app.app_key, app.stage, cancels=False)


async def said_forget(connection: Connection, device_key: int) -> None:
    """The device has nothing: it was flashed. What was to go is gone, all else is to be told to it anew."""
    await connection.execute(
        "DELETE FROM devices.device_app WHERE device_key = %s AND target = 'UNINSTALLED'", [device_key]
    )
    await connection.execute(
        "UPDATE devices.device_app SET state = 'UNINSTALLED', state_since = clock_timestamp(),"
        " present_release_key = NULL, present_version = NULL, reported_ports = '[]' WHERE device_key = %s",
        [device_key],
    )


async def app_renew(connection: Connection, device_key: int, app_key: int, stage: Stage) -> None:
    """An app that was to go is there anew: since now, and with nothing that was set for it before."""
    await connection.execute(
        "UPDATE devices.device_app SET created_at = clock_timestamp(), environment = NULL, ports = NULL"
        " WHERE device_key = %s AND app_key = %s AND stage = %s",
        [device_key, app_key, stage],
    )


async def settings_set(connection: Connection, app: AppOnDevice) -> None:
    """The app's environment, sealed, and its port rules, as they stand in `app`."""
    await connection.execute(
        "UPDATE devices.device_app SET environment = %s, ports = %s"
        " WHERE device_key = %s AND app_key = %s AND stage = %s",
        [app.environment, None if app.ports is None else Jsonb(app.ports), app.device_key, app.app_key, app.stage],
    )


async def ports_set(
    connection: Connection, device_key: int, app_key: int, stage: Stage, ports: list[dict[str, Any]]
) -> None:
    """The app's ports, as its agent has them."""
    await connection.execute(
        "UPDATE devices.device_app SET reported_ports = %s WHERE device_key = %s AND app_key = %s AND stage = %s",
        [Jsonb(ports), device_key, app_key, stage],
    )


async def app_learn(connection: Connection, install: Install, found: FoundInstall) -> None:
    """Devices from before anything was known of apps learn what this one is called, and its release.

    Their agents are to be told: of a release what is wanted of one that was just put there.
    """
    await connection.execute(
        "WITH learned AS (UPDATE devices.device_app SET app_name = coalesce(app_name, %(name)s),"
        " version = CASE WHEN release_key IS NULL THEN %(version)s ELSE version END,"
        " release_key = coalesce(release_key, %(release)s), revision = revision + 1,"
        " target = CASE WHEN stage = 'PROD' AND target = 'REMOVED' AND revision = 1 AND NOT is_offered THEN 'PRESENT'"
        " ELSE target END"
        " WHERE project_key = %(project)s AND app_key = %(app)s AND stage = %(stage)s"
        " AND ((app_name IS NULL AND %(name)s::text IS NOT NULL)"
        " OR (stage = 'PROD' AND release_key IS NULL AND %(release)s::bigint IS NOT NULL))"
        " RETURNING device_key, app_key, stage)"
        " INSERT INTO devices.app_order (device_key, app_key, stage) SELECT device_key, app_key, stage FROM learned"
        " ON CONFLICT (device_key, app_key, stage) DO UPDATE SET due_at = clock_timestamp()",
        {
            "name": found.app_name,
            "version": found.version,
            "release": found.release_key,
            "project": install.project_key,
            "app": install.app_key,
            "stage": install.stage,
        },
    )


async def list_begin(connection: Connection, device_key: int) -> None:
    """The device is new here: the first install says what is to be on it."""
    await connection.execute(
        "INSERT INTO devices.app_list (device_key, committed_at) VALUES (%s, NULL) ON CONFLICT DO NOTHING", [device_key]
    )


async def list_doubt(connection: Connection, device_key: int) -> None:
    """The device has what nobody here knows of: while nobody has said what is to be on it, no install says so."""
    await connection.execute(
        "DELETE FROM devices.app_list WHERE device_key = %s AND committed_at IS NULL", [device_key]
    )


async def list_commit_first(connection: Connection, device_key: int, account_key: int) -> None:
    """Somebody has put the first app on a device that is new here; of no effect on any other."""
    await connection.execute(
        "UPDATE devices.app_list SET account_key = %s, committed_at = clock_timestamp()"
        " WHERE device_key = %s AND committed_at IS NULL",
        [account_key, device_key],
    )


async def list_commit(connection: Connection, device_key: int, account_key: int) -> None:
    """Somebody has said what is to be on the device."""
    await connection.execute(
        "INSERT INTO devices.app_list (device_key, account_key) VALUES (%s, %s)"
        " ON CONFLICT (device_key) DO UPDATE SET account_key = excluded.account_key, committed_at = clock_timestamp()",
        [device_key, account_key],
    )


async def list_is_committed(connection: Connection, device_key: int) -> bool:
    """Whether anybody has said what is to be on the device."""
    cursor = await connection.execute(
        "SELECT FROM devices.app_list WHERE device_key = %s AND committed_at IS NOT NULL", [device_key]
    )
    return await cursor.fetchone() is not None


async def list_told(connection: Connection, device_key: int, process: UUID) -> None:
    """`process` tells the agent every wish, as it stands; orders that are due are told once more."""
    await connection.execute(
        "UPDATE devices.device_app SET told_revision = revision WHERE device_key = %s AND told_revision < revision",
        [device_key],
    )
    await connection.execute(
        "UPDATE devices.app_list SET listed_at = clock_timestamp(), listed_by = %s WHERE device_key = %s",
        [process, device_key],
    )


async def settings_octets(connection: Connection, device_key: int) -> tuple[int, int]:
    """How long the environments of a device's apps are, and the rules of their ports, in all."""
    cursor = await connection.execute(
        "SELECT coalesce(sum(octet_length(environment)), 0), coalesce(sum(greatest(octet_length(ports::text),"
        " octet_length(reported_ports::text))), 0) FROM devices.device_app WHERE device_key = %s",
        [device_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("a sum returned no row")
    return int(row[0]), int(row[1])


async def order_put(connection: Connection, device_key: int, app_key: int, stage: Stage, *, cancels: bool) -> None:
    """The agent is to be told of the wish; a cancelling that it was not told of yet is not forgotten."""
    await connection.execute(
        "INSERT INTO devices.app_order AS o (device_key, app_key, stage, cancels, cancel_revision)"
        " SELECT device_key, app_key, stage, %(cancels)s, CASE WHEN %(cancels)s THEN revision ELSE 0 END"
        " FROM devices.device_app WHERE device_key = %(device)s AND app_key = %(app)s AND stage = %(stage)s"
        " ON CONFLICT (device_key, app_key, stage) DO UPDATE SET cancels = o.cancels OR excluded.cancels,"
        " cancel_revision = greatest(o.cancel_revision, excluded.cancel_revision),"
        " attempts = 0, due_at = clock_timestamp(), refusal = NULL",
        {"device": device_key, "app": app_key, "stage": stage, "cancels": cancels},
    )


async def order_take(
    connection: Connection, running: list[AppOrder], places: Places, *, for_s: float
) -> list[AppOrder]:
    """Orders that are due for devices that are there, as far as there are places beside those that are `running`.

    One a device at most; nobody else takes them for `for_s` seconds.
    """
    projects = sorted({order.project_key for order in running})
    async with connection.cursor(row_factory=class_row(AppOrder)) as cursor:
        await cursor.execute(
            _TAKE,
            {
                "busy": [order.device_key for order in running],
                "projects": projects,
                "free": [places.of_project - sum(o.project_key == key for o in running) for key in projects],
                "slow": [places.of_slow - sum(o.is_slow and o.project_key == key for o in running) for key in projects],
                "of_project": places.of_project,
                "of_slow": places.of_slow,
                "limit": places.in_all - len(running),
                "for_s": for_s,
            },
        )
        return await cursor.fetchall()


_TAKE: Final = b"""
WITH waiting AS (
    SELECT o.device_key, o.app_key, o.stage, o.due_at, d.project_key,
        EXISTS (SELECT FROM devices.app_order s WHERE s.device_key = o.device_key AND s.attempts > 0
            AND s.refusal IS NULL) AS is_slow,
        row_number() OVER (PARTITION BY o.device_key ORDER BY o.due_at, o.app_key, o.stage) AS of_device
    FROM devices.app_order o JOIN devices.device d USING (device_key)
    WHERE o.due_at <= clock_timestamp() AND d.status IN ('CONNECTED', 'EMERGENCY') AND o.device_key <> ALL (%(busy)s)
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY project_key ORDER BY is_slow, due_at) AS of_project,
        row_number() OVER (PARTITION BY project_key, is_slow ORDER BY due_at) AS of_kind
    FROM waiting WHERE of_device = 1
), chosen AS (
    SELECT k.* FROM ranked k
    LEFT JOIN unnest(%(projects)s::bigint[], %(free)s::int[], %(slow)s::int[]) AS p (project_key, free, slow)
        USING (project_key)
    WHERE k.of_project <= coalesce(p.free, %(of_project)s)
        AND (NOT k.is_slow OR k.of_kind <= coalesce(p.slow, %(of_slow)s))
    ORDER BY k.due_at LIMIT %(limit)s
), due AS (
    SELECT o.device_key, o.app_key, o.stage, k.project_key, k.is_slow FROM devices.app_order o
    JOIN chosen k USING (device_key, app_key, stage) JOIN devices.device_app a USING (device_key, app_key, stage)
    WHERE o.due_at <= clock_timestamp() FOR UPDATE OF o, a SKIP LOCKED
), offered AS (
    UPDATE devices.device_app a SET is_offered = true FROM due
    WHERE (a.device_key, a.app_key, a.stage) = (due.device_key, due.app_key, due.stage) AND NOT is_offered
)
UPDATE devices.app_order o SET due_at = clock_timestamp() + make_interval(secs => %(for_s)s) FROM due
WHERE (o.device_key, o.app_key, o.stage) = (due.device_key, due.app_key, due.stage)
RETURNING o.device_key, o.app_key, o.stage, o.cancels, due.project_key, due.is_slow
"""


async def order_done(connection: Connection, order: AppOrder, revision: int, *, process: UUID, again_s: float) -> None:
    """The agent took the wish of that revision from `process`; if there is a newer one by now, it is told at once.

    Where another process answered the agent's list in the last `again_s` seconds, it is told once more after them: that
    list, which is older, may have been read after the wish.
    """
    which = {"device": order.device_key, "app": order.app_key, "stage": order.stage, "revision": revision}
    await connection.execute(
        "UPDATE devices.device_app SET told_revision = greatest(told_revision, %(revision)s)"
        " WHERE device_key = %(device)s AND app_key = %(app)s AND stage = %(stage)s",
        which,
    )
    await connection.execute(
        "DELETE FROM devices.app_order o USING devices.device_app a WHERE a.revision = %(revision)s"
        " AND o.device_key = %(device)s AND o.app_key = %(app)s AND o.stage = %(stage)s"
        " AND (a.device_key, a.app_key, a.stage) = (o.device_key, o.app_key, o.stage)"
        " AND NOT EXISTS (SELECT FROM devices.app_list l WHERE l.device_key = o.device_key"
        " AND l.listed_by <> %(process)s AND l.listed_at > clock_timestamp() - make_interval(secs => %(again)s))",
        {**which, "process": process, "again": again_s},
    )
    await connection.execute(
        "UPDATE devices.app_order SET cancels = cancels AND cancel_revision > %(revision)s, attempts = 0,"
        " refusal = NULL, due_at = clock_timestamp() + make_interval(secs => %(again)s)"
        " WHERE device_key = %(device)s AND app_key = %(app)s AND stage = %(stage)s",
        {**which, "again": again_s},
    )
    await connection.execute(
        "INSERT INTO devices.app_order (device_key, app_key, stage) SELECT device_key, app_key, stage"
        " FROM devices.device_app WHERE revision <> %(revision)s AND device_key = %(device)s AND app_key = %(app)s"
        " AND stage = %(stage)s ON CONFLICT (device_key, app_key, stage) DO UPDATE SET due_at = clock_timestamp()",
        which,
    )


async def order_cancels(connection: Connection, order: AppOrder) -> bool:
    """Whether what is under way is to be given up with the wish, as it stands now."""
    cursor = await connection.execute(
        "SELECT cancels FROM devices.app_order WHERE device_key = %s AND app_key = %s AND stage = %s",
        [order.device_key, order.app_key, order.stage],
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def order_drop(connection: Connection, order: AppOrder) -> None:
    """There is nothing to tell."""
    await connection.execute(
        "DELETE FROM devices.app_order WHERE device_key = %s AND app_key = %s AND stage = %s",
        [order.device_key, order.app_key, order.stage],
    )


async def order_postpone(connection: Connection, order: AppOrder, *, refusal: str | None, most_s: float) -> None:
    """It was not taken: again later, each time twice as late, `most_s` seconds at most."""
    await connection.execute(
        "UPDATE devices.app_order SET attempts = attempts + 1, refusal = %s, due_at = clock_timestamp()"
        " + make_interval(secs => least(%s, 0.5 * 2 ^ least(attempts, 30)))"
        " WHERE device_key = %s AND app_key = %s AND stage = %s",
        [refusal, most_s, order.device_key, order.app_key, order.stage],
    )

"""The SQL of what is wanted of apps on devices, of what their agents say, and of what those are to be told."""

from typing import Any, Final

from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from services.devices.app_records import AppOnDevice, AppOrder, AppRelease, FoundInstall, Install, Stage
from shared.database import Connection

_SELECT: Final = (
    "SELECT a.device_key, a.app_key, a.stage, a.created_at, a.app_name, a.target, a.state, a.state_since,"
    " a.release_key, a.version, a.present_release_key, a.present_version, a.previous_release_key, a.previous_version,"
    " a.requestor_account_key, a.app_cred_epoch, a.environment, a.ports, a.reported_ports, a.revision, a.told_revision,"
    " a.is_offered, o.refusal"
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
    **rest: Any,
) -> AppOnDevice:
    return AppOnDevice(
        release=_release(release_key, version),
        present=_release(present_release_key, present_version),
        previous=_release(previous_release_key, previous_version),
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


async def wish_set(connection: Connection, app: AppOnDevice) -> None:
    """What is wanted of the app, as it stands in `app`, is another wish from now on."""
    await connection.execute(
        "UPDATE devices.device_app SET app_name = %s, target = %s, release_key = %s, version = %s,"
        " previous_release_key = %s, previous_version = %s, requestor_account_key = %s, app_cred_epoch = %s,"
        " revision = revision + 1 WHERE device_key = %s AND app_key = %s AND stage = %s",
        [
            app.app_name,
            app.target,
            *_columns(app.release),
            *_columns(app.previous),
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
        " ELSE clock_timestamp() END, state = %(state)s, release_key = %(key)s, version = %(version)s,"
        " present_release_key = %(present_key)s, present_version = %(present)s,"
        " previous_release_key = %(previous_key)s, previous_version = %(previous)s"
        " WHERE device_key = %(device)s AND app_key = %(app)s AND stage = %(stage)s",
        {
            "state": app.state,
            **dict(zip(("key", "version"), _columns(app.release), strict=True)),
            **dict(zip(("present_key", "present"), _columns(app.present), strict=True)),
            **dict(zip(("previous_key", "previous"), _columns(app.previous), strict=True)),
            "device": app.device_key,
            "app": app.app_key,
            "stage": app.stage,
        },
    )


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
    """Devices from before anything was known of apps learn what this one is called, and its release."""
    await connection.execute(
        "UPDATE devices.device_app SET app_name = coalesce(app_name, %(name)s),"
        " version = CASE WHEN release_key IS NULL THEN %(version)s ELSE version END,"
        " release_key = coalesce(release_key, %(release)s)"
        " WHERE project_key = %(project)s AND app_key = %(app)s AND stage = %(stage)s"
        " AND (app_name IS NULL OR release_key IS NULL)",
        {
            "name": found.app_name,
            "version": found.version,
            "release": found.release_key,
            "project": install.project_key,
            "app": install.app_key,
            "stage": install.stage,
        },
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
    cursor = await connection.execute("SELECT FROM devices.app_list WHERE device_key = %s", [device_key])
    return await cursor.fetchone() is not None


async def list_told(connection: Connection, device_key: int) -> None:
    """The agent is told of every wish, as it stands; orders that are due are told once more."""
    await connection.execute(
        "UPDATE devices.device_app SET told_revision = revision WHERE device_key = %s AND told_revision < revision",
        [device_key],
    )


async def order_put(connection: Connection, device_key: int, app_key: int, stage: Stage, *, cancels: bool) -> None:
    """The agent is to be told of the wish; a cancelling that it was not told of yet is not forgotten."""
    await connection.execute(
        "INSERT INTO devices.app_order AS o (device_key, app_key, stage, cancels) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (device_key, app_key, stage) DO UPDATE SET cancels = o.cancels OR excluded.cancels,"
        " attempts = 0, due_at = clock_timestamp(), refusal = NULL",
        [device_key, app_key, stage, cancels],
    )


async def order_take(connection: Connection, *, limit: int, for_s: float) -> list[AppOrder]:
    """At most `limit` orders that are due for devices that are there; nobody else takes them for `for_s` seconds."""
    async with connection.cursor(row_factory=class_row(AppOrder)) as cursor:
        await cursor.execute(
            "WITH due AS (SELECT o.device_key, o.app_key, o.stage FROM devices.app_order o"
            " JOIN devices.device_app a USING (device_key, app_key, stage) JOIN devices.device d USING (device_key)"
            " WHERE o.due_at <= clock_timestamp() AND d.status IN ('CONNECTED', 'EMERGENCY')"
            " ORDER BY o.due_at LIMIT %s FOR UPDATE OF o, a SKIP LOCKED),"
            " offered AS (UPDATE devices.device_app a SET is_offered = true FROM due"
            " WHERE (a.device_key, a.app_key, a.stage) = (due.device_key, due.app_key, due.stage) AND NOT is_offered)"
            " UPDATE devices.app_order o SET due_at = clock_timestamp() + make_interval(secs => %s) FROM due"
            " WHERE (o.device_key, o.app_key, o.stage) = (due.device_key, due.app_key, due.stage)"
            " RETURNING o.device_key, o.app_key, o.stage, o.cancels",
            [limit, for_s],
        )
        return await cursor.fetchall()


async def order_done(connection: Connection, order: AppOrder, revision: int) -> None:
    """The agent took the wish of that revision; if there is a newer one by now, it is told at once."""
    which = [revision, order.device_key, order.app_key, order.stage]
    await connection.execute(
        "UPDATE devices.device_app SET told_revision = greatest(told_revision, %s)"
        " WHERE device_key = %s AND app_key = %s AND stage = %s",
        which,
    )
    await connection.execute(
        "DELETE FROM devices.app_order o USING devices.device_app a WHERE a.revision = %s AND o.device_key = %s"
        " AND o.app_key = %s AND o.stage = %s"
        " AND (a.device_key, a.app_key, a.stage) = (o.device_key, o.app_key, o.stage)",
        which,
    )
    await connection.execute(
        "INSERT INTO devices.app_order (device_key, app_key, stage) SELECT device_key, app_key, stage"
        " FROM devices.device_app WHERE revision <> %s AND device_key = %s AND app_key = %s AND stage = %s"
        " ON CONFLICT (device_key, app_key, stage) DO UPDATE SET due_at = clock_timestamp()",
        which,
    )


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

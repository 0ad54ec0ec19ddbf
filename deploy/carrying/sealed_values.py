"""Values that an installation keeps sealed, on their way into another one: opened by its keys, sealed by the other's.

The places that they are bound to are those of the services that own them.
"""

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from deploy.backup.errors import BackupError
from shared.keyring import ID_OCTETS, LOCK
from shared.secrets import KEY_OCTETS, NONCE_OCTETS, Sealer, SecretsError, WrappedKey, parse_master_keys, unwrap, wrap

ENVIRONMENT: Final = "environment"
"""Of an app on a device: what people set, sealed as a whole."""


def sealer_of(connection: psycopg.Connection[Any], schema: str, master_keys: Path) -> Sealer | None:
    """What opens and seals the values of `schema`; None where it has no data key yet.

    Raises:
        BackupError: The master keys in the file do not open them.
    """
    query = sql.SQL("SELECT key_id, master_key_id, wrapped FROM {} ORDER BY created_at, key_id")
    rows = connection.execute(query.format(sql.Identifier(schema, "data_key"))).fetchall()
    try:
        masters = parse_master_keys(master_keys.read_text(encoding="utf-8"))
        keys = {row[0]: unwrap(masters, WrappedKey(row[0], row[1], bytes(row[2]))) for row in rows}
    except (OSError, SecretsError) as error:
        raise BackupError(f"what {schema} keeps sealed cannot be opened: {error}") from error
    return Sealer(keys, active=rows[-1][0]) if rows else None


def ensured_sealer(connection: psycopg.Connection[Any], schema: str, master_keys: Path) -> Sealer:
    """As `sealer_of`; where there is no data key yet, one is made as the service itself makes its first.

    Raises:
        BackupError: The master keys in the file do not open them.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, schema])
        found = sealer_of(connection, schema, master_keys)
        if found is None:
            masters, clear = parse_master_keys(master_keys.read_text(encoding="utf-8")), secrets.token_bytes(KEY_OCTETS)
            key = wrap(masters, f"{schema}-{secrets.token_hex(ID_OCTETS)}", clear)
            query = sql.SQL("INSERT INTO {} (key_id, master_key_id, wrapped) VALUES (%s, %s, %s)")
            table = sql.Identifier(schema, "data_key")
            connection.execute(query.format(table), [key.key_id, key.master_key_id, key.wrapped])
            found = Sealer({key.key_id: clear}, active=key.key_id)
    return found


def sealed(sealer: Sealer, clear: bytes, place: str) -> bytes:
    """`clear`, sealed for `place`."""
    return sealer.seal(clear, context=place, nonce=secrets.token_bytes(NONCE_OCTETS))


def place_of_environment(app: Mapping[str, Any]) -> str:
    """Where the environment of an app on a device lies. Source: services/devices/environments.py."""
    return f"devices.device_app/{app['device_key']}/{app['app_key']}/{app['stage']}/environment"


def place_of_secret(backend_key: int, table: str, column: str) -> str:
    """Where a secret value of an app lies. Source: services/fleetdb/rules/sealed.py."""
    return f"fleetdb/{backend_key}/{table}/{column}"


def with_clear_environment(app: dict[str, Any], sealer: Sealer | None) -> dict[str, Any]:
    """An app on a device, as JSON has its row, with its environment in clear, in base64.

    Raises:
        BackupError: It cannot be opened.
    """
    if app[ENVIRONMENT] is None:
        return app
    if sealer is None:
        raise BackupError("there is a sealed environment, and no data key")
    try:
        clear = sealer.open(_octets(app[ENVIRONMENT]), context=place_of_environment(app))
    except SecretsError as error:
        raise BackupError(f"the environment of app {app['app_key']} cannot be opened: {error}") from error
    return {**app, ENVIRONMENT: base64.b64encode(clear).decode()}


def with_sealed_environment(app: dict[str, Any], sealer: Sealer, keys: Mapping[tuple[str, int], int]) -> dict[str, Any]:
    """The inverse of `with_clear_environment`, for where the app is going to be: `keys` are the new ones by the old."""
    device, app_key = keys.get(("device", app["device_key"])), keys.get(("app", app["app_key"]))
    if app[ENVIRONMENT] is None or device is None or app_key is None:
        return {**app, ENVIRONMENT: None}
    place = place_of_environment({"device_key": device, "app_key": app_key, "stage": app["stage"]})
    octets = sealed(sealer, base64.b64decode(app[ENVIRONMENT]), place)
    return {**app, ENVIRONMENT: f"\\x{octets.hex()}"}


def _octets(text: str) -> bytes:
    """Octets as PostgreSQL writes them into JSON: in hexadecimal, behind two signs that say so."""
    return bytes.fromhex(text.removeprefix("\\x"))

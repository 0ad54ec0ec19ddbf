"""What certifies that a device is out of service. Pure."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from services.devices.records.apps import AppOnDevice
from services.devices.records.decommissions import Certified, Decommission, EndedSecrets, ErasedTable, Obstacle
from services.devices.records.devices import Device
from shared.canonical import canonical_json
from shared.moments import rfc3339

FORM: Final = "ironflock/decommission/v1"
NOT_ERASED: Final = "the agent erases nothing when it ends: what was on the device's own storage is on it still"
DATA_KEPT: Final = "rows that the device wrote stay with the project, for as long as its retention says"


def certificate(
    begun: Decommission, device: Device, secrets: EndedSecrets | None, apps: Iterable[AppOnDevice], now: datetime
) -> dict[str, Any]:
    """The certificate, which says what was ended, and also what was not."""
    return {
        "form": FORM,
        "certificate_id": str(begun.certificate_id),
        "device": {
            "device_key": device.device_key,
            "serial_number": str(device.serial_number),
            "name": device.name,
            "project_key": device.project_key,
            "project_name": device.project_name,
        },
        "account_key": begun.account_key,
        "begun_at": rfc3339(begun.begun_at),
        "ended_at": rfc3339(now),
        "secrets_ended": None
        if secrets is None
        else {"secret_sha256": secrets.secret_sha256, "tunnel_proof_sha256": secrets.tunnel_proof_sha256},
        "sessions_ended": True,
        "apps_not_known_as_gone": [
            {"app_key": app.app_key, "stage": app.stage, "state": app.state}
            for app in apps
            if app.state not in ("REMOVED", "UNINSTALLED")
        ],
        "data": DATA_KEPT,
        "device_storage": NOT_ERASED,
    }


def with_rows_gone(draft: dict[str, Any], erased: Iterable[ErasedTable], now: datetime) -> dict[str, Any]:
    """The certificate of a device whose rows were deleted: every table that was looked through, and how many went."""
    tables = [
        {
            "app_key": each.app_key,
            "app_name": each.app_name,
            "stage": each.stage,
            "table": each.table,
            "rows": each.rows,
        }
        for each in sorted(erased, key=_place)
    ]
    return {**draft, "ended_at": rfc3339(now), "data": {"deleted": tables}}


def added_up(before: Iterable[ErasedTable], now: Iterable[ErasedTable]) -> list[ErasedTable]:
    """What fleetdb says now, and what it said before of backends of which it does not know any more."""
    return sorted(({_place(each): each for each in before} | {_place(each): each for each in now}).values(), key=_place)


def _place(table: ErasedTable) -> tuple[int, str]:
    return table.backend_key, table.table


def digest(document: dict[str, Any]) -> str:
    """SHA-256 of a certificate's canonical JSON (RFC 8785), in hexadecimal: what the log has of it."""
    return sha256(canonical_json(document)).hexdigest()


def certified(row: Decommission) -> Certified:
    """A device that is out of service, as people see it."""
    document = row.certificate
    return Certified(
        device_key=row.device_key,
        is_pending=document is None,
        certificate=document,
        sha256=None if document is None else digest(document),
        erased=[ErasedTable(**each) for each in row.erased],
        obstacles=[Obstacle(**each) for each in row.obstacles],
    )

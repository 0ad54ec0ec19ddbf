"""Whether a device is still what it was when it came. Pure."""

from enum import Enum

from services.tunnels.records.tunnels import DeviceStanding


class Leaving(Enum):
    """Why a device has to go, as its owner reads it."""

    GONE = "the device was deleted"
    MOVED = "the device is in another project now"
    LOCKED = "the device is locked"
    FLASHED = "the device was flashed anew"


def leaving(standing: DeviceStanding | None, project_key: int, flash_id: str | None) -> Leaving | None:
    """Why it has to go, None where it stays.

    Args:
        standing: How it stands, None where there is no such device.
        project_key: In which project it was known.
        flash_id: By which flashing it is connected, None where it is not.
    """
    if standing is None or standing.is_leaving:
        return Leaving.GONE
    if standing.project_key != project_key:
        return Leaving.MOVED
    if standing.is_locked:
        return Leaving.LOCKED
    return Leaving.FLASHED if flash_id not in (None, standing.flash_id) else None

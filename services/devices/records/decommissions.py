"""Putting devices out of service: what certifies it, and the shapes of its procedures."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from attrs import frozen

from services.devices.records.devices import DEFAULT_PAGE, Cursor, Key, Name, PageSize

Data = Literal["keep", "delete"]
"""What becomes of the rows that the device wrote."""


@frozen
class EndedSecrets:
    """SHA-256, in hexadecimal, of the secret that ended, and of the proof by which its tunnels came."""

    secret_sha256: str
    tunnel_proof_sha256: str


@frozen
class ErasedTable:
    """How many of the device's rows a table has lost, as fleetdb counts them."""

    backend_key: int
    app_key: int
    app_name: str
    stage: str
    table: str
    rows: int


@frozen
class Obstacle:
    """A data backend in which rows of the device may still be, and why they are."""

    backend_key: int
    app_key: int
    app_name: str
    stage: str
    reason: Literal["uninstalled", "not_ready", "unreachable", "being_deleted", "moving"]


@frozen
class ErasedRows:
    """What `ironflock.fleetdb.device.erase` answers with.

    `is_done` where nothing is left of that round, `is_more` where the next call finds more to do at once.
    """

    tables: list[ErasedTable]
    left: list[Obstacle]
    is_done: bool
    is_more: bool


@frozen
class Decommission:
    """A device that somebody wishes out of service; the certificate is None while that is under way.

    With `data` `delete` the device is out of service when there is a `draft`, and certified when its rows are gone.
    """

    device_key: int
    certificate_id: UUID
    project_key: int
    account_key: int
    begun_at: datetime
    data: Data
    certificate: dict[str, Any] | None
    draft: dict[str, Any] | None
    round: Literal[1, 2]
    erased: list[dict[str, Any]]
    obstacles: list[dict[str, Any]]


@frozen
class DecommissionDevice:
    """`ironflock.devices.device.decommission`."""

    device: Key | Name
    data: Data = "keep"
    project: Key | Name | None = None


@frozen
class ListDecommissions:
    """`ironflock.devices.decommission.list`; of one device alone, by its key, where that is said."""

    project: Key | Name
    device: Key | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class Certified:
    """A device that is out of service: the certificate, and the SHA-256 of its canonical JSON, which the log has.

    Both are None while its rows are being deleted (`is_pending`); `erased` says what is gone so far, `obstacles` what
    it waits for.
    """

    device_key: int
    is_pending: bool
    certificate: dict[str, Any] | None
    sha256: str | None
    erased: list[ErasedTable]
    obstacles: list[Obstacle]


@frozen
class CertifiedPage:
    """One page, in the order of keys; `next` is None on the last one."""

    devices: list[Certified]
    next: str | None

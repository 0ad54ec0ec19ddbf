"""Putting devices out of service: what certifies it, and the shapes of its procedures."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from attrs import frozen

from services.devices.records.devices import DEFAULT_PAGE, Cursor, Key, Name, PageSize


@frozen
class EndedSecrets:
    """SHA-256, in hexadecimal, of the secret that ended, and of the proof by which its tunnels came."""

    secret_sha256: str
    tunnel_proof_sha256: str


@frozen
class Decommission:
    """A device that somebody wishes out of service; the certificate is None while that is under way."""

    device_key: int
    certificate_id: UUID
    project_key: int
    account_key: int
    begun_at: datetime
    certificate: dict[str, Any] | None


@frozen
class DecommissionDevice:
    """`ironflock.devices.device.decommission`."""

    device: Key | Name
    data: Literal["keep", "delete"] = "keep"
    project: Key | Name | None = None


@frozen
class ListDecommissions:
    """`ironflock.devices.decommission.list`."""

    project: Key | Name
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class Certified:
    """A device that is out of service: the certificate, and the SHA-256 of its canonical JSON, which the log has."""

    device_key: int
    certificate: dict[str, Any]
    sha256: str


@frozen
class CertifiedPage:
    """One page, in the order of keys; `next` is None on the last one."""

    devices: list[Certified]
    next: str | None

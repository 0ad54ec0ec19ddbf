"""Devices' credentials."""

from typing import Annotated, Literal
from uuid import UUID

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import Key, ShortText


@frozen
class DeviceCredential:
    """A device's credential as it is stored; the secrets are sealed."""

    device_key: int
    project_key: int
    serial_number: UUID
    state: Literal["active", "ended"]
    flash_id: UUID
    secret: bytes = field(repr=False)
    app_cred_key: bytes = field(repr=False)
    tunnel_proof_digest: bytes = field(repr=False)
    moved_from: int | None = None
    move_revision: int = 0


@frozen
class DeviceSecrets:
    """What flashing hands over, in clear; shown to nobody else."""

    secret: str = field(repr=False)
    app_cred_key: str = field(repr=False)


@frozen
class EndedSecrets:
    """SHA-256, in hexadecimal, of the secret that ended, and of the proof by which its tunnels came."""

    secret_sha256: str
    tunnel_proof_sha256: str


@frozen
class FindDeviceCredential:
    """`ironflock.auth.device_credential.find`; `is_proven`: the router has seen that they know the secret."""

    authid: ShortText
    is_proven: bool = False


@frozen
class FoundDeviceCredential:
    """What the router needs to let a device in.

    `cell` is that of its project; empty while nobody can say which, or, before the secret is proved, has said it.
    """

    state: Literal["active", "ended"]
    secret: str = field(repr=False)
    device_key: int
    project_key: int
    serial_number: UUID
    flash_id: UUID
    cell: str


@frozen
class FindByProof:
    """`ironflock.auth.device_credential.find_by_proof`: SHA-256 of what a device's frpc shows, in hexadecimal."""

    digest: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")] = field(repr=False)


@frozen
class ProvenDevice:
    """Whose proof it is, and by which flashing."""

    device_key: int
    project_key: int
    serial_number: UUID
    flash_id: UUID


@frozen
class IssueDeviceCredential:
    """`ironflock.auth.device_credential.issue`; the same `flash_id` gets the same answer."""

    flash_id: UUID
    device_key: Key
    project_key: Key
    serial_number: UUID


@frozen
class MoveDeviceCredential:
    """`ironflock.auth.device_credential.move`; `moved_from` is the project under whose name it may come besides."""

    flash_id: UUID
    device_key: Key
    project_key: Key
    revision: Annotated[int, Meta(ge=1)]
    moved_from: Key | None = None


@frozen
class DeviceKey:
    """`ironflock.auth.device_credential.end`, `ironflock.auth.app_cred_key.find`."""

    device_key: Key

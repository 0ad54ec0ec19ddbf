"""The frozen values that travel between the rooms of the router."""

from typing import Any

from attrs import field, frozen


@frozen
class Identity:
    """Who a session is, from the moment its secret is proved; never changed afterwards.

    `ends_at` is the end of the credential in Unix seconds, where it has one.
    """

    realm: str
    authid: str
    role: str
    authmethod: str
    authextra: dict[str, Any] = field(factory=dict)
    serial: str | None = None
    device_key: int | None = None
    ends_at: float | None = None


@frozen
class DeviceCredential:
    """What `auth` knows of one device: its secret, whether it still counts, whose it is, from which flash it came."""

    is_active: bool
    secret: str = field(repr=False)
    device_key: int
    project_key: int
    serial_number: str
    flash_id: str


@frozen
class VerifiedTicket:
    """What `auth` makes of a person's ticket."""

    account_key: int
    credential: str
    scopes: list[str]
    ends_at: float | None

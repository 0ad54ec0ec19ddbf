"""The frozen values that travel between the rooms of the router."""

from typing import Any

from attrs import field, frozen

from ironflock_router.realm_names import AppAuthid


@frozen
class Identity:
    """Who a session is, from the moment its secret is proved; never changed afterwards.

    `credentials` are what it lives from: whichever ends takes it along. `ends_at` is its end in Unix seconds, where it
    has one; `app` is set for apps: what they joined as.
    """

    realm: str
    authid: str
    role: str
    authmethod: str
    authextra: dict[str, Any] = field(factory=dict)
    serial: str | None = None
    device_key: int | None = None
    ends_at: float | None = None
    app: AppAuthid | None = None
    credentials: tuple[str, ...] = ()


@frozen
class DeviceCredential:
    """What `auth` knows of one device: its secret, whether it still counts, whose it is, from which flash it came.

    `cell` is that of its project; empty where nobody can say which (yet), None where `auth` is of
    a release that knows of one cell alone.
    """

    is_active: bool
    secret: str = field(repr=False)
    device_key: int
    project_key: int
    serial_number: str
    flash_id: str
    cell: str | None = None


@frozen
class VerifiedTicket:
    """What `auth` makes of a person's ticket."""

    account_key: int
    credential: str
    scopes: list[str]
    ends_at: float | None


@frozen
class TakenTicket:
    """What `auth` makes of a board's ticket, which is used up by that; `cell` as of a device."""

    account_key: int
    role: str
    board_key: int
    credentials: tuple[str, ...]
    ends_at: float
    cell: str | None = None


@frozen
class AppCredential:
    """What `auth` knows of one app's credential on one data realm: as what it may join; `cell` as of a device."""

    secret: str = field(repr=False)
    role: str
    serial_number: str
    device_key: int
    project_key: int
    cell: str | None = None


@frozen
class RefusedApp:
    """Why `auth` lets a credential not join; with the secret where the client may learn of it if it proves that."""

    reason: str
    secret: str | None = field(repr=False)

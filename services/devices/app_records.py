"""What travels between the rooms of devices about apps, and the shapes of the procedures for them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from attrs import field, frozen

from services.devices.records import Key, Name

Stage = Literal["DEV", "PROD"]


@frozen
class Install:
    """An app in one stage, as a project has it."""

    project_key: int
    app_key: int
    stage: Stage


@frozen
class FoundInstall:
    """What realms answers about an install: whether there is one, and what the app is called."""

    is_installed: bool
    app_name: str | None = None


@frozen
class DeviceApp:
    """An app on a device."""

    device_key: int
    app_key: int
    stage: Stage
    created_at: datetime


@frozen
class RemovedApp:
    """A device from which an app has gone."""

    device_key: int
    serial_number: UUID


@frozen
class Ending:
    """Something that the router is to be told: to end what the device's apps have open, where `conditions` hold."""

    ending_key: int
    serial_number: UUID
    conditions: dict[str, Any]


@frozen
class AppCredential:
    """By what an app on a device joins, as auth answers."""

    authid: str
    secret: str = field(repr=False)


@frozen
class RotatedCredential:
    """The epoch of the credential that counts now; the one before it opens until `overlap_until`."""

    epoch: int
    overlap_until: str


@frozen
class NameApp:
    """`ironflock.devices.app.install`, `.uninstall`, `.rotate_credential`, `.environment`."""

    device: Key | Name
    app: Key
    stage: Stage
    project: Key | Name | None = None


@frozen
class DeviceApps:
    """What is installed on a device, in the order of keys."""

    apps: list[DeviceApp]


@frozen
class Environment:
    """The environment of an app's container, by name: the credential in it is a secret."""

    environment: dict[str, str] = field(repr=False)


@frozen
class FindInstalled:
    """`ironflock.devices.app.installed`."""

    serial_number: UUID


@frozen
class InstalledApp:
    """An app in one stage."""

    app_key: int
    stage: Stage


@frozen
class Installed:
    """A device, and what is on it, as auth asks for it."""

    device_key: int
    project_key: int
    apps: list[InstalledApp]

"""What travels between the rooms of devices about apps, and the shapes of the procedures for them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from attrs import field, frozen
from msgspec import Meta

from services.devices.records.devices import Key, Name
from shared.releases import Contents, PortRules, VariableName

Stage = Literal["DEV", "PROD"]
Target = Literal["PRESENT", "RUNNING", "REMOVED", "UNINSTALLED"]
AppState = Literal[
    "PRESENT",
    "REMOVED",
    "UNINSTALLED",
    "FAILED",
    "BUILT",
    "BUILDING",
    "TRANSFERED",
    "TRANSFERING",
    "PUBLISHING",
    "PUBLISHED",
    "DOWNLOADING",
    "STARTING",
    "STOPPING",
    "STOPPED",
    "UPDATING",
    "DELETING",
    "RUNNING",
]
"""As agents spell them. Source: wire-agent section 8."""
UpdateStatus = Literal["", "completed", "canceled", "pending_remote_confirmation"]


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
    release_key: int | None = None
    version: str | None = None


@frozen
class AppRelease:
    """One state of an app, as realms has it; it never changes."""

    release_key: int
    version: str


@frozen
class AppContents:
    """What is asked for by the release of an app that is wanted, and by the one that its device has."""

    wanted: Contents
    present: Contents


@frozen
class AppOnDevice:
    """An app on a device: what is wanted of it (`target`, `release`), and what its agent said of it.

    `app_name` is the one that it had when it was put there, since images and containers are called so; None where it is
    not known yet. `told_revision` is the last `revision` of the wish that reached the agent;
    `is_offered`: one was at least on its way. `wanted_before` are releases that were wanted before, newest last.
    `ports` is None where nobody has set any.
    """

    device_key: int
    app_key: int
    stage: Stage
    created_at: datetime
    app_name: str | None
    target: Target
    state: AppState
    state_since: datetime | None
    release: AppRelease | None
    present: AppRelease | None
    previous: AppRelease | None
    wanted_before: tuple[AppRelease, ...]
    requestor_account_key: int
    app_cred_epoch: int
    environment: bytes | None = field(repr=False)
    ports: list[dict[str, Any]] | None
    reported_ports: list[dict[str, Any]]
    revision: int
    told_revision: int
    is_offered: bool
    refusal: str | None


@frozen
class DeviceApp:
    """An app on a device, as people see it.

    `target` and `version` are what is wanted, `state` and `present_version` what the device said; `refusal` is why the
    device did not take the last wish, if it did not.
    """

    device_key: int
    app_key: int
    stage: Stage
    created_at: datetime
    app_name: str | None
    target: Target
    version: str | None
    state: AppState
    state_since: datetime | None
    present_version: str | None
    previous_version: str | None
    is_told: bool
    refusal: str | None


@frozen
class SaidOfApp:
    """What an agent says of an app: its state, and the release that it speaks of; 0 is none."""

    state: AppState
    release_key: int
    update_status: UpdateStatus = ""


@frozen
class AppOrder:
    """A wish that an agent is still to be told; `is_slow`: the last one that its device was told was not answered."""

    device_key: int
    app_key: int
    stage: Stage
    cancels: bool
    project_key: int
    is_slow: bool


@frozen
class Places:
    """How many orders may be told at once: in all, of one project, and of those of its devices that are slow."""

    in_all: int
    of_project: int
    of_slow: int


@frozen
class RemovedApp:
    """A device from which an app has gone."""

    device_key: int
    serial_number: UUID


@frozen
class Ending:
    """Something that the router is to be told: to end what the device's apps have open, where `conditions` hold.

    `project_key` is where the device is now; None where it is gone.
    """

    ending_key: int
    serial_number: UUID
    conditions: dict[str, Any]
    project_key: int | None


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
class Rotation:
    """A rotation of an app's credential that has begun, and what ends the sessions of the old one."""

    device_key: int
    app_key: int
    stage: Stage
    ending_key: int


@frozen
class NameApp:
    """`ironflock.devices.app.uninstall`, `.rotate_credential`, `.environment`, `.status`, `.start` and the like."""

    device: Key | Name
    app: Key
    stage: Stage
    project: Key | Name | None = None


@frozen
class ConfirmInstalls:
    """`ironflock.devices.install.confirm`."""

    project: Key | Name


@frozen
class EndedInstalls:
    """What the project does not have any more, and has left its devices."""

    installs: list[Install]


@frozen
class InstallApp:
    """`ironflock.devices.app.install`: without a version what the project has, or what is there already."""

    device: Key | Name
    app: Key
    stage: Stage
    version: Name | None = None
    project: Key | Name | None = None


@frozen
class UpgradeApp:
    """`ironflock.devices.app.upgrade`: to that version, or to what the project has."""

    device: Key | Name
    app: Key
    stage: Stage
    version: Name | None = None
    project: Key | Name | None = None


@frozen
class DeviceApps:
    """What is installed on a device, in the order of keys; `is_confirmed`: somebody has said that these are all."""

    apps: list[DeviceApp]
    is_confirmed: bool


@frozen
class Environment:
    """The environment of an app's container, by name: the credential in it is a secret."""

    environment: dict[str, str] = field(repr=False)


@frozen
class Variable:
    """One variable of an environment; a secret one is shown to nobody but by `ironflock.devices.app.environment`."""

    value: str = field(repr=False)
    is_secret: bool


@frozen
class ShownVariable:
    """A variable as it is shown: without its value where that is secret."""

    name: str
    value: str | None = field(repr=False)
    is_secret: bool
    is_set: bool = True
    is_required: bool = False
    choices: list[str] = field(factory=list)
    description: str = ""


@frozen
class AppVariables:
    """What people have set for an app, and what its release reads besides with its defaults, in the order of names."""

    variables: list[ShownVariable]


@frozen
class SetEnvironment:
    """`ironflock.devices.app.set_environment`: values by name, null to take one away; which of them are secret."""

    device: Key | Name
    app: Key
    stage: Stage
    values: Annotated[dict[VariableName, Annotated[str, Meta(max_length=8_000)] | None], Meta(max_length=200)] = field(
        repr=False
    )
    secrets: Annotated[list[VariableName], Meta(max_length=200)] = []  # noqa: RUF008 - msgspec makes a new one
    project: Key | Name | None = None


@frozen
class SetPorts:
    """`ironflock.devices.app.set_ports`: all of them."""

    device: Key | Name
    app: Key
    stage: Stage
    ports: PortRules
    project: Key | Name | None = None


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

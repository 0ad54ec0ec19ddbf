"""Credentials by which apps on devices join the data realms of their projects."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from attrs import field, frozen

from services.auth.records.fields import Key, ShortText

Stage = Literal["DEV", "PROD"]
Role = Literal["app", "app_reader"]


class Reason(StrEnum):
    """What was decided of a join, and why. Source: wire-sdk section 3, with its words; `unsettled` is ours."""

    APP = "app"
    APP_READER = "app_reader"
    MISSING_ARGS = "missing_args"
    BAD_REALM = "bad_realm"
    UNKNOWN_DEVICE = "unknown_device"
    STALE_EPOCH = "stale_epoch"
    NO_APP_CRED_KEY = "no_app_cred_key"
    NOT_INSTALLED = "not_installed"
    NOT_INSTALLED_REALM_STAGE = "not_installed_realm_stage"
    UNKNOWN_PROVIDER = "unknown_provider"
    NO_GRANT = "no_grant"
    LEGACY_DENIED = "legacy_denied"
    LEGACY_FOREIGN = "legacy_foreign"
    UNSETTLED = "unsettled"


@frozen
class DataRealm:
    """The realm of one app in one project and stage."""

    project_key: int
    app_key: int
    stage: Stage


@frozen
class AppPrincipal:
    """Who an app says that it is, by a credential of its own."""

    app_key: int
    stage: Stage
    epoch: int
    serial_number: str


@frozen
class LegacyPrincipal:
    """Who an app of an older SDK says that it is: its device, which is no secret."""

    serial_number: str


@frozen
class Wish:
    """Who wants to join what."""

    realm: DataRealm
    principal: AppPrincipal | LegacyPrincipal


@frozen
class DeviceApp:
    """An app in one stage, on a device."""

    app_key: int
    stage: Stage


@frozen
class DeviceWithApps:
    """A device, and what is installed on it, as devices answers."""

    device_key: int
    project_key: int
    apps: list[DeviceApp]


@frozen
class Provider:
    """The app whose realm it is: its canonical name, and whether it is the platform's own."""

    name: str
    type: str


@frozen
class Standing:
    """How a device's apps stand towards a realm, as realms answers: `grants` are canonical names of apps, or `*`."""

    provider: Provider | None
    grants: list[str]
    legacy_mode: Literal["strict", "own_realm_only", "dual"]


@frozen
class RealmStanding:
    """Whether a realm's app is installed, as realms answers."""

    is_realm_installed: bool


@frozen
class Epoch:
    """Which epoch counts; `rotated_s_ago` is None where there was never another one."""

    current: int
    rotated_s_ago: float | None


@frozen
class KnownDevice:
    """What is known of the device; `has_key` says whether it has a key from which credentials are made."""

    project_key: int
    apps: frozenset[DeviceApp]
    has_key: bool


@frozen
class Facts:
    """What a join is decided from; no device where there is none, or a lock stands on it or its project.

    No standing where realms was to be asked for it and did not answer.
    """

    device: KnownDevice | None
    epoch: Epoch
    standing: Standing | None


@frozen
class StoredKey:
    """The key of a device, sealed; `state` as of its credential."""

    device_key: int
    project_key: int
    state: Literal["active", "ended"]
    app_cred_key: bytes = field(repr=False)


@frozen
class FindAppCredential:
    """`ironflock.auth.app_credential.find`: the realm and the authid of a HELLO, as they came; `is_proven` as there."""

    realm: ShortText
    authid: ShortText
    is_proven: bool = False


@frozen
class FoundAppCredential:
    """What was decided, and of whom.

    `secret` is what its proof is checked with: there too where an app that is who it says only lacks the installation,
    or realms' word. `cell`, for who may join, is that of the device's project, as `FoundDeviceCredential` has it.
    """

    reason: Reason
    role: Role | None = None
    secret: str | None = field(default=None, repr=False)
    authid: str | None = None
    device_key: int | None = None
    project_key: int | None = None
    cell: str | None = None


@frozen
class NameAppCredential:
    """`ironflock.auth.app_credential.derive`."""

    device_key: Key
    app_key: Key
    stage: Stage


@frozen
class RotateAppCredential:
    """`ironflock.auth.app_credential.rotate`; `account_key` is whose wish it is."""

    device_key: Key
    app_key: Key
    stage: Stage
    account_key: Key


@frozen
class RotatedAppCredential:
    """The epoch that counts from now on; the one before it opens until `overlap_until`."""

    epoch: int
    overlap_until: datetime


@frozen
class AppCredential:
    """By what an app joins, in clear; shown to whoever may develop on the device."""

    authid: str
    secret: str = field(repr=False)

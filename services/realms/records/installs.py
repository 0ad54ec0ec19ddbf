"""Apps in projects: where they are installed, and whose data they may read there."""

from datetime import datetime
from typing import Annotated, Any, Literal

from attrs import frozen
from msgspec import Meta

from services.realms.records.values import Key, LegacyMode, Name, Stage


@frozen
class Install:
    """An app in a project, for one stage; without a release where the app has none yet."""

    project_key: int
    app_key: int
    app_name: str
    stage: Stage
    release_key: int | None
    version: str | None
    installed_at: datetime


@frozen
class CreateInstall:
    """`ironflock.realms.install.create`.

    Without a version it is the newest, or what is installed already.
    """

    project: Key | Name
    app: Key | Name
    stage: Stage
    version: Name | None = None


@frozen
class NameInstall:
    """`ironflock.realms.install.delete`."""

    project: Key | Name
    app: Key | Name
    stage: Stage


@frozen
class InstallList:
    """What `ironflock.realms.install.list` answers with, in the order of app keys."""

    installs: list[Install]


@frozen
class Access:
    """An app asks to read another one's data in a project (`provider` is that app's name in lower case, or `*`).

    `is_granted` where the project's owner lets it.
    """

    project_key: int
    app_key: int
    app_name: str
    provider: str
    reason: str
    is_granted: bool
    granted_at: datetime | None


@frozen
class AccessList:
    """What `ironflock.realms.access.list` answers with."""

    access: list[Access]


@frozen
class NameAccess:
    """`ironflock.realms.access.grant`, `.revoke`."""

    project: Key | Name
    app: Key | Name
    provider: Name


@frozen
class Request:
    """What a release asks for: to read the data of `provider`."""

    provider: str
    reason: str


@frozen
class News:
    """Something to be published, and still to be told; of a project in `cell`, where it is of one."""

    news_key: int
    topic: str
    content: dict[str, Any]
    cell: str | None


# What follows is for other services.


@frozen
class FindInstall:
    """`ironflock.realms.install.find`."""

    project_key: Key
    app_key: Key
    stage: Stage


@frozen
class Found:
    """What `ironflock.realms.install.find` answers with; a name where the app is installed, a release if it has one."""

    is_installed: bool
    app_name: str | None = None
    release_key: int | None = None
    version: str | None = None


@frozen
class FindRelease:
    """`ironflock.realms.release.find`."""

    app_key: Key
    version: Name


@frozen
class FindContents:
    """`ironflock.realms.release.contents`."""

    release_key: Key


@frozen
class AskStanding:
    """`ironflock.realms.app.standing`: what decides whether an app of a device may join a data realm.

    `app_key` and `stage` are those of its credential; a device that only has a serial number to show names all apps
    that it has, as `app_keys`.
    """

    project_key: Key
    realm_app_key: Key
    realm_stage: Stage
    app_key: Key | None = None
    stage: Stage | None = None
    app_keys: Annotated[list[Key], Meta(max_length=1_000)] = []  # noqa: RUF008 - msgspec makes a new one


@frozen
class Provider:
    """The app whose realm it is."""

    name: str
    type: Literal["APP", "PLATFORM"]


@frozen
class Standing:
    """What `ironflock.realms.app.standing` answers with; `grants` are names in lower case, or `*`."""

    is_realm_installed: bool
    provider: Provider | None
    grants: list[str]
    legacy_mode: LegacyMode

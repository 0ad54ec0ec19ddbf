"""Apps and their releases."""

from datetime import datetime
from typing import Any

from attrs import field, frozen

from services.realms.records.values import DEFAULT_PAGE, Cursor, Key, Name, PageSize, Text
from shared.releases import PortRules, VariableTemplates


@frozen
class App:
    """An app; a public one is seen and installed by everybody."""

    app_key: int
    name: str
    description: str
    owner_account_key: int
    is_public: bool
    created_at: datetime


@frozen
class ToldApp:
    """What privileges is told of an app, also that it is gone; `revision` counts its changes."""

    app_key: int
    name: str
    owner_account_key: int
    is_public: bool
    revision: int
    is_deleted: bool


@frozen
class CreateApp:
    """`ironflock.realms.app.create`."""

    name: Name
    description: Text = ""


@frozen
class ListApps:
    """`ironflock.realms.app.list`; `cursor` is the `next` of the page before."""

    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class AppPage:
    """One page, in the order of keys; `next` is None on the last one."""

    apps: list[App]
    next: str | None


@frozen
class NameApp:
    """`ironflock.realms.app.show`, `.delete`: an app by its key, or by its name, which is one in the installation."""

    app: Key | Name


@frozen
class RenameApp:
    """`ironflock.realms.app.rename`."""

    app: Key | Name
    name: Name


@frozen
class PublishApp:
    """`ironflock.realms.app.publish`: for everybody, or not any more; where it is installed it stays."""

    app: Key | Name
    is_public: bool


@frozen
class SetAppOwner:
    """`ironflock.realms.app.set_owner`; privileges alone says who owns what."""

    app_key: Key
    owner_account_key: Key


@frozen
class CreateRelease:
    """`ironflock.realms.release.create`.

    `image` is one that was pushed, by its digest; `data_template` what `.ironflock/data-template.yml` has, as JSON.
    `environment` are the variables that it reads, `compose` is how it is made of several containers.
    """

    app: Key | Name
    version: Name
    image: Text | None = None
    data_template: dict[str, Any] | None = None
    environment: VariableTemplates = field(factory=dict)
    ports: PortRules = field(factory=list)
    compose: dict[str, Any] | None = None


@frozen
class ListReleases:
    """`ironflock.realms.release.list`; `cursor` is the `next` of the page before."""

    app: Key | Name
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class Release:
    """One state of an app, which never changes."""

    release_key: int
    app_key: int
    version: str
    image: str
    has_data_template: bool
    has_compose: bool
    created_at: datetime


@frozen
class NameRelease:
    """`ironflock.realms.release.show`."""

    app: Key | Name
    version: Name


@frozen
class WholeRelease:
    """What `ironflock.realms.release.show` answers with: a release with all that was kept of it.

    `needs_develop` says where its compose document asks for power over a device: who puts it there needs `DEVELOP`.
    """

    release_key: int
    app_key: int
    version: str
    image: str
    data_template: dict[str, Any] | None
    environment: VariableTemplates
    ports: PortRules
    compose: dict[str, Any] | None
    needs_develop: list[str]
    created_at: datetime


@frozen
class ReleasePage:
    """One page, oldest first; `next` is None on the last one."""

    releases: list[Release]
    next: str | None

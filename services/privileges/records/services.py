"""What other services tell and ask."""

from typing import Annotated, Literal

from attrs import frozen
from msgspec import Meta

from services.privileges.records.values import Key, Name
from shared.flags import AssetKind


@frozen
class AccountKey:
    """`ironflock.privileges.holdings.find`, `ironflock.privileges.domain.owned`."""

    account_key: Key


@frozen
class PutDomain:
    """`ironflock.privileges.domain.put`: a project or an app is there; idempotent, the owner counts the first time.

    `revision` counts the app's changes where it lives: an older one than is known is left be.
    """

    kind: Literal["project", "app"]
    key: Key
    name: Name
    owner_account_key: Key
    is_public: bool = False
    revision: Annotated[int, Meta(ge=0)] = 0


@frozen
class ForgetDomain:
    """`ironflock.privileges.domain.forget`: it is gone, and every right in it; idempotent."""

    kind: Literal["project", "app"]
    key: Key


@frozen
class PutAsset:
    """`ironflock.privileges.asset.put`: something that is in a project, idempotent.

    `revision` counts the asset's changes where it lives: an older one than is known is left be. Who created it gets
    every flag by grants of their own, the first time (decision 18), unless they own the project. `groups` are those
    that a device is in.
    """

    kind: AssetKind
    key: Key
    project_key: Key
    revision: Annotated[int, Meta(ge=0)]
    creator_account_key: Key | None = None
    groups: list[Key] = []  # noqa: RUF008 - attrs copies nothing, msgspec makes a new one


@frozen
class ForgetAsset:
    """`ironflock.privileges.asset.forget`: it is gone, and every grant on it; idempotent."""

    kind: AssetKind
    key: Key


@frozen
class AskEntry:
    """`ironflock.privileges.group.missing`: which flags the person lacks for putting the device into the group."""

    account_key: Key
    group_key: Key
    device_key: Key

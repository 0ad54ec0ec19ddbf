"""How long rows of a data backend's tables are kept."""

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from services.realms.records.values import Key, Name, Stage


@frozen
class SetRetention:
    """`ironflock.realms.backend.set_retention`: how many seconds of rows a table keeps, or all of a release.

    Without `keep_s` it is what the release says again.
    """

    project: Key | Name
    app: Key | Name
    stage: Stage
    table: Name | None = None
    keep_s: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None


@frozen
class Kept:
    """How many seconds of rows a table keeps, and what its release says; None where nothing ends.

    Rows go by whole chunks of `chunk_s` seconds. `is_set` where people say otherwise than the release.
    """

    table: str
    keep_s: int | None
    release_keep_s: int | None
    chunk_s: int
    is_set: bool


@frozen
class Retention:
    """What `ironflock.realms.backend.retention` and `.set_retention` answer with.

    `is_in_force` is False until fleetdb works by what was said last.
    """

    backend_key: int
    tables: list[Kept]
    is_in_force: bool


@frozen
class Retained:
    """`ironflock.realms.backend.retained`: fleetdb works by what that change said, and those before it."""

    backend_key: Key
    change_key: Key


@frozen
class Change:
    """What somebody said: seconds by table, None where the release's are meant."""

    change_key: int
    account_key: int
    spans: dict[str, int | None]

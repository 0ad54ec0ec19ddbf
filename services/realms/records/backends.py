"""Data backends: where the tables of an app are, for one project and stage, and as whom they are worked with."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from attrs import frozen
from msgspec import Meta

from services.realms.records.values import Key, Name, Stage


class BackendState(StrEnum):
    """What shall be; `wanted` until it is."""

    WANTED = "wanted"
    READY = "ready"
    CLOSED = "closed"
    DROPPED = "dropped"


class JobKind(StrEnum):
    """What the provisioner does."""

    MAKE = "make"
    CLOSE = "close"
    CERTIFY = "certify"
    ROTATE = "rotate"
    RETIRE = "retire"
    ADMIT = "admit"
    DROP = "drop"
    PLACE = "place"
    LEAVE = "leave"


AWAITED: Final = (JobKind.CERTIFY, JobKind.ADMIT)
"""What somebody waits for at this moment: quickly done, and before all else."""


@frozen
class Names:
    """What the database knows a new backend by; the login is one of those that it will have."""

    schema: str
    owner: str
    login: str


@frozen
class KnownBackend:
    """A backend as it stands in the control database; `is_moving` until nothing of it is on two clusters."""

    backend_key: int
    project_key: int
    app_key: int
    stage: Stage
    state: BackendState
    database_name: str
    schema_name: str
    owner_name: str
    login_name: str
    next_login_name: str | None
    old_login_name: str | None
    epoch: int
    creator_account_key: int
    cluster_key: int
    is_moving: bool


@frozen
class Job:
    """Something that the provisioner is to do, for whom, and for which of the backend's logins by `epoch`.

    It is done on the cluster `cluster_key`, or on the backend's where that is None.
    """

    job_key: int
    kind: JobKind
    backend_key: int
    account_key: int | None
    epoch: int | None
    public_key: str | None
    is_begun: bool
    attempts: int
    cluster_key: int | None


@frozen
class Certified:
    """How a job of kind `certify` ended: with a certificate, or with a reason."""

    certificate: str | None
    ends_at: datetime | None
    error: str | None


# What follows is for fleetdb.


@frozen
class ListBackends:
    """`ironflock.realms.backend.list`: those with keys above `after`."""

    after: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 500


@frozen
class FindBackend:
    """`ironflock.realms.backend.find`."""

    project_key: Key
    app_key: Key
    stage: Stage


@frozen
class Backend:
    """One that is ready.

    `template` is the data template of the release that is installed, as it was kept; `providers` are the names of the
    apps whose data it may read in the project, in canonical form, or `*`. `keeps` has, by table, for how many seconds
    rows are kept where people say otherwise than the release; `retention_change` is the newest time that they did,
    where it is not in force yet. `cluster` is the database server that it is on; `placed` counts its servers.
    `cell` is where its data realm is.
    """

    backend_key: int
    project_key: int
    app_key: int
    app_name: str
    stage: Stage
    database: str
    schema: str
    login: str
    epoch: int
    template: dict[str, Any] | None
    providers: list[str]
    keeps: dict[str, int]
    retention_change: int | None
    cluster: str
    placed: int
    cell: str


@frozen
class BackendList:
    """What `ironflock.realms.backend.list` answers with, in the order of keys."""

    backends: list[Backend]


@frozen
class FoundBackend:
    """What `ironflock.realms.backend.find` answers with; a backend where it is ready."""

    backend: Backend | None
    state: Literal["absent", "wanted", "ready"]


@frozen
class CertifyBackend:
    """`ironflock.realms.backend.certify`: a certificate of that login of the backend, for a key pair of fleetdb's."""

    backend_key: Key
    epoch: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    public_key: Annotated[str, Meta(max_length=2_000)]


@frozen
class Certificate:
    """What `ironflock.realms.backend.certify` answers with."""

    certificate: str
    ends_at: datetime


@frozen
class SettleBackend:
    """`ironflock.realms.backend.settled`: fleetdb works under that login; the one before is not needed any more."""

    backend_key: Key
    epoch: Annotated[int, Meta(ge=1, le=2**31 - 1)]


@frozen
class ListOfProject:
    """`ironflock.realms.backend.of_project`."""

    project_key: Key


@frozen
class StandingBackend:
    """A backend whose rows are there, whatever shall be with it; a `dropped` one is there until its rows are gone.

    While it `is_moving` to another cluster, rows that go here may be there already.
    """

    backend_key: int
    app_key: int
    app_name: str
    stage: Stage
    state: BackendState
    is_moving: bool


@frozen
class StandingBackends:
    """What `ironflock.realms.backend.of_project` answers with, in the order of keys."""

    backends: list[StandingBackend]


# What follows is for people.


@frozen
class ListRealms:
    """`ironflock.realms.realm.list`; with those of apps that were uninstalled, whose data are there, if `closed`."""

    project: Key | Name
    closed: bool = False


@frozen
class Realm:
    """A data realm, with the state of its backend; `epoch` counts the backend's logins.

    A `closed` one is not there: it is what an app that was uninstalled has left.
    """

    realm: str
    app_key: int
    app_name: str
    stage: Stage
    state: Literal["wanted", "ready", "closed"]
    epoch: int


@frozen
class RealmList:
    """What `ironflock.realms.realm.list` answers with, in the order of app keys."""

    realms: list[Realm]


@frozen
class NameBackend:
    """`ironflock.realms.backend.rotate`, `.retention`."""

    project: Key | Name
    app: Key | Name
    stage: Stage


@frozen
class DropBackend:
    """`ironflock.realms.backend.drop`: `confirm` is the app's name once more."""

    project: Key | Name
    app: Key | Name
    stage: Stage
    confirm: Name


@frozen
class Rotated:
    """What `ironflock.realms.backend.rotate` answers with: the epoch that the new login will have."""

    backend_key: int
    epoch: int

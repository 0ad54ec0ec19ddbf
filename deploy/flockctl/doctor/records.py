"""What was seen of an installation, as values: everything that a check judges, and nothing else."""

from collections.abc import Mapping
from enum import IntEnum

from attrs import field, frozen


class Severity(IntEnum):
    """How much a finding matters; the numbers are exit statuses."""

    WARNING = 1
    PROBLEM = 2


@frozen
class Part:
    """A process as its health page tells of it; one that is ready may be so in spite of the `reason`."""

    name: str
    ready: bool
    reason: str


@frozen
class Certificate:
    """A certificate in a file; moments in Unix seconds. `fits_key` is None where there is no key beside it."""

    name: str
    starts_at: float
    ends_at: float
    is_chained: bool
    fits_key: bool | None
    problem: str = ""


@frozen
class Listener:
    """A port as a client sees it: why no verified TLS 1.2 came about, whether TLS 1.1 did, its certificate's time."""

    name: str
    port: int
    problem: str = ""
    takes_old_tls: bool = False
    starts_at: float | None = None
    ends_at: float | None = None


@frozen
class Clock:
    """By how many seconds the clock of `name` is ahead of ours, give or take `uncertainty_s`."""

    name: str
    ahead_s: float
    uncertainty_s: float


@frozen
class Disk:
    """The disk that a folder is on, in octets."""

    folder: str
    free: int
    total: int


@frozen
class LooseFile:
    """A file or folder that others than its user may read, or write; `mode` is its permission bits."""

    path: str
    mode: int


@frozen
class SchemaVersion:
    """Migrations of a schema: how many ran, how many there are here, and those that are not what ran."""

    schema: str
    applied: int
    known: int
    changed: tuple[str, ...] = ()


@frozen
class Outbox:
    """What one service still has to tell another: how much, and for how many seconds the oldest has waited."""

    table: str
    waiting: int
    oldest_s: float


@frozen
class Log:
    """The audit log: its newest head in the database and in the file beside it, and who vouches for it.

    `cosigned_at` is when a witness last did; sizes are None where there is no head, or none that can be read.
    """

    size: int | None
    file_size: int | None
    oldest_queued_s: float
    witnesses: int
    cosigned_at: float | None


@frozen
class Cell:
    """A cell as placement knows it, with its projects; `endpoint` is None for the first one.

    `problem` says why devices find no verified TLS at the endpoint, where services join the cell.
    """

    name: str
    endpoint: str | None
    projects: int
    problem: str = ""


@frozen
class Database:
    """The control database and its server; `is_wal_lost`: what a slot had it keep of its log, it keeps no more."""

    version: int
    program_version: int | None
    connections: int
    max_connections: int
    is_tls_on: bool
    superusers: tuple[str, ...]
    oldest_transaction_s: float
    transaction_age: int
    held_wal_octets: int
    is_wal_lost: bool
    schemas: tuple[SchemaVersion, ...]
    outboxes: tuple[Outbox, ...]
    open_intents: int
    legacy_projects: tuple[str, ...]
    public_tunnels: int
    locks_of_a_restore: int
    kept_rows: tuple["KeptRows", ...]
    misfits: tuple[str, ...]
    clusters: tuple["ClusterSeen", ...]


@frozen
class KeptRows:
    """Rows that so many backends have left on `server` by a move, which a restore has kept, for `left_s` more."""

    server: str
    backends: int
    left_s: float


@frozen
class ClusterSeen:
    """A database server of the table: whether the state folder knows it, whether projects have data on it.

    `reached_ago_s` is how long ago the provisioner was at work there; None where it never was.
    """

    name: str
    is_known: bool
    has_data: bool
    reached_ago_s: float | None


@frozen
class Backups:
    """What the installation remembers of its backups; moments in Unix seconds.

    `absent`: database servers that the newest run did without.
    """

    made_at: float | None
    restorable_until: float | None
    drilled_at: float | None
    drill_failure: str = ""
    absent: tuple[str, ...] = ()


@frozen
class WeakSecret:
    """A secret in `path` that can be guessed, or that stands somewhere else too, and why it is weak."""

    path: str
    why: str


@frozen
class Facts:
    """Everything that was seen at `now`, in Unix seconds; `database` is None where it could not be asked.

    `outdated`: processes that were started before the release that is installed now. `old_keys`: files in which a key
    stands that another has taken over from, while nobody rotates. `secrets_made`: when the oldest file of each kind
    that can be rotated was written, in Unix seconds, by the word that `deploy.local rotate` takes.
    From within a cluster not everything can be seen: `unseen` says why, by the code of a check or in words, and
    `remedies` what is to be done there otherwise than on one machine, by the code of a check.
    """

    now: float
    phase: str
    renewal_problem: str
    parts: tuple[Part, ...]
    outdated: tuple[str, ...]
    cells: tuple[Cell, ...]
    certificates: tuple[Certificate, ...]
    listeners: tuple[Listener, ...]
    clocks: tuple[Clock, ...]
    disks: tuple[Disk, ...]
    old_keys: tuple[str, ...]
    loose_files: tuple[LooseFile, ...]
    weak_secrets: tuple[WeakSecret, ...]
    secrets_made: Mapping[str, float]
    settings: Mapping[str, str]
    database: Database | None
    database_problem: str
    log: Log | None
    backups: Backups
    unseen: Mapping[str, str] = field(factory=dict)
    remedies: Mapping[str, str] = field(factory=dict)


@frozen
class Finding:
    """What is wrong, why it matters, what to do."""

    code: str
    severity: Severity
    what: str
    why: str
    remedy: str

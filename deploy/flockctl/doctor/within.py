"""Gathers the facts from within a cluster, where no process lies on the machine of the doctor.

Listeners of the installation are dialled, each by its Service; the database is asked by a login that reads the columns
of `asking.py` and nothing else; of files there are the volumes of audit and of backups. What cannot be seen so is said.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from deploy.flockctl.doctor.asking import Beside, ask_database
from deploy.flockctl.doctor.certificates import believed
from deploy.flockctl.doctor.gathering import backups, disks
from deploy.flockctl.doctor.listening import Door, knock
from deploy.flockctl.doctor.records import Certificate, Facts, Listener, Part
from deploy.local.bootstrap import DOCTOR, Server
from deploy.local.readiness import ask
from deploy.local.state import StateFolder
from shared.clusters import FIRST, Clusters
from shared.database import password_of
from shared.settings import MAX_PORT, Settings, SettingsError

PREFIX: Final = "IRONFLOCK_DOCTOR_"
OURS: Final = "IRONFLOCK_"
ABSENT: Final = Path("-")
HEALTH: Final = ", health"
AUDIT_HEAD, AUDIT_KEYS = "audit-head", "audit-keys"
"""In the folder of audit."""
UNSEEN: Final[Mapping[str, str]] = {
    "older_release": "it knows no other pod's image: `kubectl rollout status` tells whether all are of the new one",
    "cell_endpoint": "no policy lets it out to what is outside: dial the names of devices from there",
    "not_renewed": "cert-manager renews: `kubectl describe certificate` tells, and the alert CertificateEnds",
    "certificate_not_taken": "it has no Secret of a listener: what is served is what it looked at",
    "file_open_to_others": "it has no file of another pod: the manifests give each its own, for its group alone",
    "rotation_cut_off": "it has no key: a file of your folder with two keys has begun and not finished (New secrets)",
    "old_secret": "it has no secret of another process: the files of your folder have the dates",
    "weak_secret": "it has no secret of another process: `python -m deploy.installation` makes them by chance",
    "keys_lost": "it has no key: `backup-drill` tries whether they open what is stored",
    "postgres_version": "the image of PostgreSQL is its operator's to run: `kubectl get cluster` tells which",
    "public ports": "no policy lets it there: dial them from outside (their certificates: the alert CertificateEnds)",
    "volumes of PostgreSQL and routers": "it has them not: the alert VolumeFills",
    "settings of one process alone": "it is told site.env, and not what a patch sets for a pod",
    "a second pod of the same service": "a Service leads it to one of them: the alert ProcessAway is of each",
    "routers of further cells": "services say which of them is away (cell_away)",
}
"""By the code of a check, or in words: what is not looked at, and why."""
REMEDIES: Final[Mapping[str, str]] = {
    "part_not_ready": "`kubectl -n ironflock describe pod`, and its log",
    "cell_away": "look at the pod and the log of its router",
    "cell_not_joined": "name it in BUS_URL (site.env, or cells.env of `second-cell`), and apply it",
    "database_away": "`kubectl -n ironflock get cluster,pods`; are the Secrets `doctor` and `bootstrap` of one folder?",
    "certificate_ends": "`kubectl -n ironflock describe certificate`; an authority: `python -m deploy.trust bundle`",
    "certificate_not_chained": "see which authorities there are: `python -m deploy.trust bundle` makes `trust` of them",
    "listener_silent": "look at its pod, its Service and its policies",
    "wal_kept": "see why `backup-log` does not end well: the log of its last Job",
    "cluster_away": "look at that server, and at `clusters`; dead for good: `flockctl placement cluster forget`",
    "backup_missing": "see why `backup-nightly` does not end well: the log of its last Job",
    "drill_missing": "`kubectl -n ironflock create job --from=cronjob/backup-drill drill`, with its Secret",
}
"""By the code of a check: what is to be done there otherwise than on one machine."""


@frozen
class Within:
    """What a pod is told of the installation around it.

    Args:
        parts: The inner listeners of processes, which tell of health.
        bus_url: The cells, as every service is told of them.
        audit: The folder of audit: the keys and the newest head of the log. `state` and `to` are those of backups.
    """

    database: Server = field(repr=False)
    clusters: Path
    parts: tuple[Door, ...]
    bus_url: str
    audit: Path
    state: Path
    to: Path


def is_within(environ: Mapping[str, str]) -> bool:
    """Whether this process is told to look from within a cluster."""
    return any(name.startswith(PREFIX) for name in environ)


def read_within(environ: Mapping[str, str]) -> Within:
    """The settings out of `IRONFLOCK_DOCTOR_*`.

    Raises:
        SettingsError: One is missing, malformed or unknown; the text names it.
    """
    settings = Settings("DOCTOR", environ)
    password = password_of(settings.secret("DATABASE_PASSWORD"))
    found = Within(
        database=Server(
            port=settings.port("DATABASE_PORT"),
            ca=settings.path("CA_FILE"),
            password=password.value,
            before=password.before,
            host=settings.text("DATABASE_HOST"),
            login=DOCTOR,
        ),
        clusters=settings.path("CLUSTERS_FOLDER", ABSENT),
        parts=tuple(_part(word.strip()) for word in settings.text("PARTS").split(",")),
        bus_url=settings.text("BUS_URL"),
        audit=settings.path("AUDIT"),
        state=settings.path("STATE"),
        to=settings.path("TO"),
    )
    settings.refuse_unknown()
    return found


def _part(word: str) -> Door:
    name, _, where = word.partition("=")
    host, _, port = where.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 1 <= int(port) <= MAX_PORT
    if not name or not host or not is_port:
        raise SettingsError(f"{PREFIX}PARTS has {word!r}: it must be NAME=HOST:PORT, separated by commas")
    return Door(name + HEALTH, int(port), is_sql=False, host=host)


def gather_within(within: Within, environ: Mapping[str, str], now: float) -> Facts:
    """What is seen at `now`, in Unix seconds; `environ` has what the site says for all processes."""
    ca, others = within.database.ca, Clusters(None if within.clusters == ABSENT else within.clusters)
    seen = [knock(door, ca) for door in (*_servers(within.database, others), *within.parts)]
    listeners = tuple(listener for listener, _ in seen)
    beside = Beside(None, (FIRST, *others.names()), within.audit / AUDIT_HEAD, within.audit / AUDIT_KEYS, None)
    asked = ask_database(within.database, beside)
    clocks = [*(clock for _, clock in seen), asked.clock]
    return Facts(
        now=now,
        phase="running",
        renewal_problem="",
        parts=tuple(_asked(door, ca) for door in within.parts),
        outdated=(),
        cells=asked.cells,
        certificates=(*believed(ca), *(_shown(listener) for listener in listeners if not listener.problem)),
        listeners=listeners,
        clocks=tuple(clock for clock in clocks if clock is not None),
        disks=disks((within.audit, within.state, within.to)),
        old_keys=(),
        loose_files=(),
        weak_secrets=(),
        secrets_made={},
        settings=_told(within, environ),
        database=asked.database,
        database_problem=asked.problem,
        log=asked.log,
        backups=backups(StateFolder(within.state)),
        unseen=UNSEEN,
        remedies=REMEDIES,
    )


def _servers(first: Server, others: Clusters) -> list[Door]:
    places = {name: others.find(name) for name in others.names()}
    return [
        Door("postgres", first.port, is_sql=True, host=first.host),
        *(Door(f"postgres-{name}", each.port, is_sql=True, host=each.host) for name, each in places.items()),
    ]


def _asked(door: Door, ca: Path) -> Part:
    answer = ask(door.port, ca, door.host)
    return Part(door.name.removesuffix(HEALTH), answer.ready, answer.reason)


def _shown(listener: Listener) -> Certificate:
    """The certificate that came with a handshake: whoever shows it has its key, and one that is believed signed it."""
    starts, ends = listener.starts_at or 0.0, listener.ends_at or 0.0
    return Certificate(listener.name, starts, ends, is_chained=True, fits_key=True)


def _told(within: Within, environ: Mapping[str, str]) -> dict[str, str]:
    site = {name: value for name, value in environ.items() if name.startswith(OURS) and not name.startswith(PREFIX)}
    return {**site, "BUS_URL": within.bus_url}

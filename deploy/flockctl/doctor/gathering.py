"""Gathers the facts from a state folder, its processes and its database. What cannot be seen is said, never raised."""

import shutil
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import evolve

from deploy.backup.remembering import read_remembered
from deploy.backup.servers import known_names
from deploy.flockctl.doctor.asking import Asked, Beside, ask_database, program_version
from deploy.flockctl.doctor.certificates import certificates
from deploy.flockctl.doctor.checks import cells_told
from deploy.flockctl.doctor.listening import Door, knock, problem_at
from deploy.flockctl.doctor.records import Backups, Cell, Clock, Disk, Facts, Listener, LooseFile, Part, WeakSecret
from deploy.local.bootstrap import SUPERUSER, Server
from deploy.local.fitting import master_files
from deploy.local.health import lacking, unready
from deploy.local.kinds import Kind
from deploy.local.preparation import LISTENERS
from deploy.local.records import PlatformRecord, read_record
from deploy.local.retiring import left_over
from deploy.local.settings import Ports
from deploy.local.state import REPOSITORY, StateFolder
from deploy.local.told import settings_told

OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
SHORTEST_SECRET: Final = 32
MOST_LOOSE: Final = 20
SQL: Final = ("postgres", "sql")


def gather(folder: Path, now: float) -> Facts:
    """What is seen of the installation in `folder` at `now`, in Unix seconds."""
    state = StateFolder(folder)
    record = read_record(state.processes)
    ports = record.ports
    listeners, clocks = _listeners(ports, state)
    asked, told = _asked(ports.postgres, state), settings_told(record)
    return Facts(
        now=now,
        phase=record.state,
        renewal_problem=record.renewal_problem,
        parts=_parts(ports, state),
        outdated=_outdated(record),
        cells=_reached(asked.cells, told, state),
        certificates=certificates(state, (*LISTENERS, *ports.more_routers)),
        listeners=listeners,
        clocks=(*clocks, *([asked.clock] if asked.clock is not None else [])),
        disks=disks((state.root, state.postgres)),
        old_keys=tuple(str(path) for path in left_over(state)),
        loose_files=tuple(_loose(state))[:MOST_LOOSE],
        weak_secrets=tuple(_weak(state)),
        secrets_made=_made(state),
        settings=told,
        database=asked.database,
        database_problem=asked.problem,
        log=asked.log,
        backups=backups(state),
    )


def _asked(port: int, state: StateFolder) -> Asked:
    try:
        password = (state.database_secrets / SUPERUSER).read_text(encoding="utf-8").strip()
    except OSError as error:
        return Asked(problem=f"the superuser's password cannot be read ({error.strerror})")
    beside = Beside(program_version(state), known_names(state), state.audit_head, state.audit_public_keys, state)
    return ask_database(Server(port, state.ca_certificate, password), beside)


def _parts(ports: Ports, state: StateFolder) -> tuple[Part, ...]:
    reasons, without = unready(ports, state), lacking(ports, state)
    names = ("postgres", *ports.operations)
    return tuple(Part(name, name not in reasons, reasons.get(name) or without.get(name, "")) for name in names)


def _reached(cells: Iterable[Cell], settings: Mapping[str, str], state: StateFolder) -> tuple[Cell, ...]:
    """Each with what is wrong at its endpoint; one that no service joins is not looked for."""
    joined = frozenset[str]().union(*cells_told(settings).values())
    return tuple(
        evolve(cell, problem=problem_at(cell.endpoint, state.ca_certificate))
        if cell.endpoint is not None and cell.name in joined
        else cell
        for cell in cells
    )


def _outdated(record: PlatformRecord) -> tuple[str, ...]:
    """The processes of ours that were started before the newest of our own files came here."""
    folders = (REPOSITORY / "services", REPOSITORY / "shared", REPOSITORY / "router-config")
    newest = max((path.stat().st_mtime for folder in folders for path in folder.rglob("*.py")), default=0.0)
    return tuple(each.name for each in record.processes if not each.name.startswith("postgres") and each.since < newest)


def doors(ports: Ports) -> tuple[Door, ...]:
    """The listeners of a platform whose ports are `ports`; the edge of tunnels has a port that may be moved."""
    named = {
        "router": ports.router_public, "router, services": ports.router_services, "gateway": ports.gateway,
        "auth": ports.accounts, "audit": ports.audit, "tunnels, visitors": ports.visitors,
        "postgres": ports.postgres, "sql": ports.sql,
        **dict.fromkeys(ports.more_routers, ports.second_router_public),
        **{f"{name}, services": ports.second_router_services for name in ports.more_routers},
    }  # fmt: skip
    health = {f"{name}, health": port for name, port in ports.operations.items()}
    return tuple(Door(name, port, name in SQL) for name, port in {**named, **health}.items())


def _listeners(ports: Ports, state: StateFolder) -> tuple[tuple[Listener, ...], list[Clock]]:
    others = [Door("postgres-second", ports.second, is_sql=True)] if (state.clusters / "second.json").exists() else []
    seen = [knock(door, state.ca_certificate) for door in (*doors(ports), *others)]
    return tuple(listener for listener, _ in seen), [clock for _, clock in seen if clock is not None]


def disks(folders: Iterable[Path]) -> tuple[Disk, ...]:
    """The disks that `folders` are on, those that there are."""
    # One row a disk, however many of our folders are on it.
    found = {folder.stat().st_dev: folder for folder in folders if folder.exists()}
    usages = {folder: shutil.disk_usage(folder) for folder in found.values()}
    return tuple(Disk(str(folder), usage.free, usage.total) for folder, usage in usages.items())


def _loose(state: StateFolder) -> Iterator[LooseFile]:
    """What others may read that is a secret, or stands where secrets stand."""
    single = [state.owner_api_key, state.ca, state.secrets, state.log, state.mail]
    below = [path for folder in (state.ca, state.secrets) for path in sorted(folder.rglob("*"))]
    keys = sorted(state.tls.glob("*.key"))
    for path in dict.fromkeys([*single, *below, *keys]):
        try:
            mode = stat.S_IMODE(path.lstat().st_mode)
        except OSError:
            continue
        if mode & OPEN_TO_OTHERS:
            yield LooseFile(str(path), mode)


def _weak(state: StateFolder) -> Iterator[WeakSecret]:
    texts: dict[Path, str] = {}
    for folder in (state.bus_secrets, state.database_secrets):
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            try:
                texts[path] = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError):
                continue
    repeated = Counter(texts.values())
    for path, text in texts.items():
        if len(text) < SHORTEST_SECRET:
            yield WeakSecret(str(path), f"it is shorter than {SHORTEST_SECRET} characters")
        elif repeated[text] > 1:
            yield WeakSecret(str(path), "another secret is the same")


def _made(state: StateFolder) -> dict[str, float]:
    """By the files' own dates: a copy or a restore made them then."""
    files = {
        Kind.MASTER_KEYS: master_files(state).values(),
        Kind.AUDIT_KEY: [state.audit_signing_keys],
        Kind.BUS_SECRETS: state.bus_secrets.glob("*"),
        Kind.DATABASE_PASSWORDS: state.database_secrets.glob("*"),
        Kind.PERSON_KEYS: [state.person_keys],
    }
    dates = {kind: [path.stat().st_mtime for path in paths if path.is_file()] for kind, paths in files.items()}
    return {kind.value: min(found) for kind, found in dates.items() if found}


def backups(state: StateFolder) -> Backups:
    """What the state folder remembers of backups."""
    kept = read_remembered(state)
    return Backups(
        made_at=kept.made_at,
        restorable_until=kept.restorable_until,
        drilled_at=kept.drilled_at,
        drill_failure=kept.drill_failure,
        absent=tuple(kept.absent),
    )

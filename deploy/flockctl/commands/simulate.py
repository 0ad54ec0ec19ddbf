"""`flockctl simulate`: stand-in devices."""

import resource
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.defer import TimeoutError as DeferredTimeoutError

from deploy.flockctl.commands.flashing import flash
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import write_json
from deploy.flockctl.reactor import all_of
from deploy.flockctl.simulator.agent import Happening
from deploy.flockctl.simulator.fleet import Fleet
from deploy.flockctl.simulator.flock import MAX_FLOCK_OCTETS, Flock, FlockError, flock_from_content, parse_flock
from deploy.flockctl.simulator.lifecycle import State
from deploy.flockctl.simulator.surroundings import surroundings
from deploy.flockctl.text import printable
from deploy.flockctl.words import key_or_name

MAX_DEVICES: Final = 20_000
FLASHES_AT_ONCE: Final = 8
MAX_DEVICES_BY_LINE: Final = 20  # of more than these only the counts are printed
DEFAULT_PROJECT: Final = "simulation"
_TRYING: Final = frozenset({State.CONNECTING, State.OFFLINE})


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file into `app`."""
    command(app, "simulate")(simulate)


async def simulate(
    operator: Operator,
    *,
    devices: Annotated[
        int | None,
        typer.Option(help="Register and flash sim-0001, sim-0002, ... and be them.", min=1, max=MAX_DEVICES),
    ] = None,
    project: Annotated[str, typer.Option(help="Their project; made if it is not there.")] = DEFAULT_PROJECT,
    flock: Annotated[
        list[Path] | None, typer.Option(help="Be the device of this .flock file; may be repeated.", metavar="FILE")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="PEM file of the authority to trust (default: the platform's).", metavar="FILE")
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--for", help="End by itself after so many seconds.", min=0.1, metavar="SECONDS")
    ] = None,
) -> int:
    """Be devices: connect, report and answer as the published agent does, until Ctrl-C.

    With --devices the project and its devices are made where they are missing, and flashed: whoever used their
    secrets is cut off. Exit status 1 when not all of them were online at the end.

    Examples: flockctl simulate --flock press-1.flock

              flockctl simulate --devices 200 --for 60
    """
    if (devices is None) == (not flock):
        raise CommandError("usage", "say either --devices N or --flock FILE", ExitStatus.USAGE)
    flocks = [_read(file) for file in flock] if flock else await _provide(operator, devices or 0, project)
    ca = ca_file if ca_file is not None else operator.endpoints.ca
    teller = _Teller(as_json=operator.output.as_json, by_line=len(flocks) <= MAX_DEVICES_BY_LINE)
    fleet = Fleet(flocks, surroundings(operator.reactor, ca), teller.tell)
    return await _run(operator.reactor, fleet, teller, duration)


async def _run(reactor: Any, fleet: Fleet, teller: "_Teller", duration: float | None) -> int:
    _allow_open_files()
    began = reactor.seconds()
    starting = Deferred.fromCoroutine(fleet.start())
    told = fleet.all_online.addCallback(lambda _: teller.summary("online", fleet, reactor.seconds() - began))
    try:
        ending = fleet.all_ended if duration is None else fleet.all_ended.addTimeout(duration, reactor)
        await ending
    except (CancelledError, DeferredTimeoutError):
        pass
    finally:
        starting.addErrback(lambda failure: failure.trap(CancelledError) and None).cancel()
    were_online = fleet.counts[State.ONLINE] == len(fleet.agents)
    await fleet.stop()
    teller.summary("stopped", fleet, reactor.seconds() - began)
    return ExitStatus.DONE if were_online and told.called else ExitStatus.REFUSED


def _allow_open_files() -> None:
    """A device is a connection: take as many as we may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Teller:
    """Says what becomes of the devices: one JSON object a line, or lines for people."""

    def __init__(self, *, as_json: bool, by_line: bool) -> None:
        self._as_json = as_json
        self._by_line = by_line
        self._said: dict[int, set[str]] = {}

    def tell(self, happening: Happening) -> None:
        """A device is in another state."""
        flock = happening.agent.memory.flock
        if self._as_json:
            who = {"device_key": flock.device_key, "name": flock.name}
            write_json({"event": happening.state.value, **who, "detail": happening.detail})
        elif self._by_line or happening.state is State.ENDED:
            line = f"{printable(flock.name)}: {happening.state.value} {printable(happening.detail)}".rstrip()
            if line not in self._said.get(flock.device_key, ()):
                Console(stderr=True).print(Text(line + hint(happening.detail)), soft_wrap=True)
            self._remember(happening, line)

    def _remember(self, happening: Happening, line: str) -> None:
        """A device that tries again each second says the same each second: once is enough, until it is through."""
        key = happening.agent.memory.flock.device_key
        if happening.state in _TRYING:
            self._said.setdefault(key, set()).add(line)
        else:
            self._said.pop(key, None)

    def summary(self, event: str, fleet: Fleet, elapsed_s: float) -> None:
        """All devices are online, or the simulation is over."""
        counts = {state.value: number for state, number in fleet.counts.items()}
        if self._as_json:
            write_json({"event": f"all_{event}", "devices": len(fleet.agents), "elapsed_s": round(elapsed_s, 3)})
            return
        detail = "" if event == "online" else f" ({', '.join(f'{number} {state}' for state, number in counts.items())})"
        devices = "1 device" if len(fleet.agents) == 1 else f"{len(fleet.agents)} devices"
        Console().print(Text(f"{devices} {event} after {elapsed_s:.1f} s{detail}"), soft_wrap=True)


def hint(detail: str) -> str:
    """What a person can do where the router's sentence in `detail` is one that trying again does not help."""
    if "authentication failed" not in detail:
        return ""
    return "; its secret may have been replaced: flash the device again and use the new file"


def _read(file: Path) -> Flock:
    try:
        with file.open(encoding="utf-8") as stream:
            return parse_flock(stream.read(MAX_FLOCK_OCTETS))
    except (OSError, UnicodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text"
        raise CommandError("unreadable_flock", f"{printable(file)} cannot be read: {reason}") from error
    except FlockError as error:
        raise CommandError("malformed_flock", f"{printable(file)}: {error}") from error


async def _provide(operator: Operator, number: int, project: str) -> list[Flock]:
    """The flocks of devices `sim-0001` to `sim-<number>` of `project`."""
    where = await _ensure_project(operator, key_or_name(project, what="project"))
    pages = operator.pages("ironflock.devices.device.list", "devices", project=where)
    there = {device["name"]: device["device_key"] async for device in pages}
    places = DeferredSemaphore(FLASHES_AT_ONCE)

    async def provide(name: str) -> Flock:
        key = there.get(name)
        if key is None:
            made = await operator.call("ironflock.devices.device.create", project=where, name=name, repeatable=False)
            key = made["device_key"]
        answer = await flash(operator, {"project": where, "device": key})
        return flock_from_content(answer["flock"])

    names = [f"sim-{at:04}" for at in range(1, number + 1)]
    return await all_of([places.run(provide, name) for name in names])


async def _ensure_project(operator: Operator, project: int | str) -> int:
    try:
        found = await operator.call("ironflock.realms.project.show", project=project)
    except CommandError as error:
        if error.code != "not_found" or isinstance(project, int):
            raise
        description = "stand-in devices of flockctl simulate"
        made = {"name": project, "description": description}
        found = await operator.call("ironflock.realms.project.create", repeatable=False, **made)
    key: int = found["project_key"]
    return key

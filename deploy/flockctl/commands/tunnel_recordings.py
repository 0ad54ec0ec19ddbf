"""`flockctl tunnel record, recordings, recording`: what devices showed to who came through raw tunnels."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.paging import Everything, Limit, check_limit, newest, say_whether_more
from deploy.flockctl.rights_options import project_of
from deploy.flockctl.text import local_time, printable

RECORDING: Final = "ironflock.tunnels.recording"
CHANGED: Final = "the recording is not what the platform recorded: its SHA-256 is another"

Project = Annotated[str, typer.Argument(help="The project's name or key.", metavar="PROJECT")]


async def tunnel_record(
    operator: Operator,
    project: Project,
    apps: Annotated[
        list[str] | None, typer.Argument(help="Apps whose raw tunnels carry terminals (none: record nothing).")
    ] = None,
) -> None:
    """Record what devices show to whoever visits these apps of a project through raw tunnels, from now on.

    Only what is plain on its way is readable then: of SSH, which is encrypted, sizes and times.

    Example: flockctl tunnel record plant console telnet
    """
    chosen = await operator.call(f"{RECORDING}.choose", project=project_of(project), apps=apps or [])
    names = ", ".join(printable(each) for each in chosen["apps"])
    operator.output.result(chosen, f"recorded are visits to {names}" if names else "nothing is recorded")


async def tunnel_recordings(
    operator: Operator,
    project: Project,
    *,
    limit: Limit = None,
    everything: Everything = False,
) -> None:
    """List the recordings of a project, the newest first.

    Example: flockctl tunnel recordings plant
    """
    check_limit(limit, everything=everything)
    where = {"project": project_of(project)}
    page = await newest(operator, f"{RECORDING}.list", "recordings", limit=limit, everything=everything, **where)
    operator.output.result(page, _table(page["recordings"]))
    say_whether_more(operator, page)


async def tunnel_recording(
    operator: Operator, visit: Annotated[int, typer.Argument(help="The visit's key.", metavar="VISIT", min=1)]
) -> None:
    """Print the recording of a visit, an asciicast (version 2); that you read it is recorded.

    Example: flockctl tunnel recording 118 > visit.cast && asciinema play visit.cast
    """
    pieces: list[str] = []
    part: int | None = 0
    piece: Mapping[str, Any] = {}
    while part is not None:
        piece = await operator.call(f"{RECORDING}.fetch", visit=visit, part=part)
        pieces.append(piece["cast"])
        part = piece["next"]
    cast = "".join(pieces)
    if piece["sha256"] not in (None, hashlib.sha256(cast.encode()).hexdigest()):
        raise CommandError("changed", CHANGED)
    if operator.output.as_json:
        operator.output.result({"recording": {"visit_key": visit, "cast": cast, "sha256": piece["sha256"]}}, "")
    else:
        sys.stdout.write(cast)  # JSON in ASCII, a line a piece: nothing in it steers a terminal


def add_recording_commands(tunnels: typer.Typer) -> None:
    """Make them commands of `tunnels`."""
    command(tunnels, "record")(tunnel_record)
    command(tunnels, "recordings")(tunnel_recordings)
    command(tunnels, "recording")(tunnel_recording)


def _table(recordings: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["visit_key"],
            local_time(each["began_at"]),
            each["device_key"],
            each["app"],
            "anybody" if each["account_key"] is None else each["account_key"],
            each["octets"],
            "" if each["ended_at"] is None else "cut short" if each["is_truncated"] else "whole",
        )
        for each in recordings
    )
    return table(("VISIT", "BEGAN", "DEVICE", "APP", "ACCOUNT", "OCTETS", ""), rows)

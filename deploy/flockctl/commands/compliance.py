"""`flockctl compliance report`: which controls this installation shows to be met, and which not."""

import json as json_codec
import os
import time
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from attrs import evolve

from deploy.flockctl.compliance import results
from deploy.flockctl.compliance.controls import controls
from deploy.flockctl.compliance.judging import judge
from deploy.flockctl.compliance.looking import looked_at
from deploy.flockctl.compliance.oscal import assessment_results
from deploy.flockctl.compliance.page import html
from deploy.flockctl.compliance.records import Report, Seen, Status
from deploy.flockctl.compliance.sources import digest
from deploy.flockctl.doctor.checks import CHECKS, diagnose
from deploy.flockctl.doctor.gathering import gather
from deploy.flockctl.doctor.records import Facts
from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.options import Json, State
from deploy.flockctl.output import Output, table
from deploy.flockctl.text import printable
from deploy.local.state import REPOSITORY

app = typer.Typer(help="Controls of frameworks, and by what they are shown.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """One command is a group of its own all the same."""


@app.command("report")
def report(
    *,
    tests: Annotated[
        Path | None, typer.Option(help="Results of tests of this release (JUnit XML).", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html and report.oscal.json.", metavar="FOLDER")
    ] = None,
    json: Json = False,
    state: State = None,
) -> None:
    """Hold this installation against IEC 62443-4-2, ISO 27001, SOC 2 and the GDPR, by what can be seen of it now.

    Nothing is claimed without evidence: checks of `flockctl doctor`, made now on this machine, and results of tests of
    the very sources that are installed. A control that is not listed is not spoken of.
    Exit status 1 where a check or a test of a control has failed.

    Example: flockctl compliance report --tests results.xml --out controls
    """
    made = _made(installed_state(state, dict(os.environ), Path.cwd()), tests)
    if out is not None:
        _write(out, made)
    counts = Counter(verdict.status for verdict in made.verdicts)
    payload: dict[str, Any] = {
        "counts": {status.name.lower(): counts[status] for status in Status},
        "controls": [
            {
                "framework": each.control.framework,
                "control": each.control.control,
                "title": each.control.title,
                "status": each.status.name.lower(),
                "gap": each.control.gap,
            }
            for each in made.verdicts
        ],
    }
    rows = ((each.control.framework, each.control.control, each.status, each.control.gap) for each in made.verdicts)
    Output(as_json=json).result(payload, table(("FRAMEWORK", "CONTROL", "STATUS", "NOT DONE HERE"), rows))
    if counts[Status.FAILED]:
        raise typer.Exit(ExitStatus.REFUSED)


def _made(folder: Any, tests: Path | None) -> Report:
    now = time.time()  # noqa: TID251 - the shell
    facts = gather(folder, now)
    found: dict[str, tuple[str, ...]] = {}
    for finding in diagnose(facts, CHECKS):
        found[finding.code] = (*found.get(finding.code, ()), finding.what)
    seen = Seen(found, looked_at(facts, CHECKS), None)
    if tests is not None:
        tested = results.read(tests)
        seen = evolve(
            seen, tests=tested.by_file, origin=tested.origin, are_of_others=tested.sources != digest(REPOSITORY)
        )
    return Report(now, version("ironflock"), _facts(facts), seen, judge(controls(), seen))


def _facts(facts: Facts) -> dict[str, str]:
    log, backups = facts.log, facts.backups
    return {
        "size of the audit log": "not known" if log is None or log.size is None else str(log.size),
        "witnesses of the audit log": "not known" if log is None else str(log.witnesses),
        "newest backup": _moment(backups.made_at),
        "newest drill": _moment(backups.drilled_at),
    }


def _moment(unix_s: float | None) -> str:
    return "none" if unix_s is None else datetime.fromtimestamp(unix_s, UTC).isoformat(" ", "seconds")


def _write(folder: Path, made: Report) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.html").write_text(html(made), encoding="utf-8")
        text = json_codec.dumps(assessment_results(made), indent=1)
        (folder / "report.oscal.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError("cannot_write", f"{printable(folder)} cannot be written into", argument="out") from error

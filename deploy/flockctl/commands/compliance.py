"""`flockctl compliance report`: which controls this installation shows to be met, and which not."""

import json as json_codec
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from attrs import asdict, evolve

from deploy.flockctl.compliance import results
from deploy.flockctl.compliance.controls import FILE, controls
from deploy.flockctl.compliance.judging import judge
from deploy.flockctl.compliance.oscal import assessment_results
from deploy.flockctl.compliance.page import html
from deploy.flockctl.compliance.records import Report, Seen, Status
from deploy.flockctl.compliance.sources import manifests_digest
from deploy.flockctl.doctor.checks import CHECKS
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.examining import Examined, examined, head_from_here, read_examined, seen_from_here
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
    seen: Annotated[
        Path | None, typer.Option(help="Findings from elsewhere: what `doctor --json` wrote.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html and report.oscal.json.", metavar="FOLDER")
    ] = None,
    json: Json = False,
    state: State = None,
) -> None:
    """Hold this installation against IEC 62443-4-2, ISO 27001, SOC 2 and the GDPR, by what can be seen of it now.

    Nothing is claimed without evidence: checks of `flockctl doctor`, made now on this machine, and results of tests of
    the very sources that are installed. What is not the platform's to fulfil is listed with whose it is. Of a cluster
    `--seen` has what its own doctor wrote (deploy/README.md, The doctor of a cluster).
    Exit status 1 where a check or a test of a control has failed.

    Examples: flockctl compliance report --tests results.xml --out controls

    flockctl compliance report --seen doctor.json --tests results.xml --out controls
    """
    made = _made(_examined(seen, state), tests)
    if out is not None:
        _write(out, made)
    Output(as_json=json).result(_payload(made), table(("FRAMEWORK", "CONTROL", "STATUS", "NOT DONE HERE"), _rows(made)))
    if any(verdict.status is Status.FAILED for verdict in made.verdicts):
        raise typer.Exit(ExitStatus.REFUSED)


def _payload(made: Report) -> dict[str, Any]:
    counts = Counter(verdict.status for verdict in made.verdicts)
    return {
        "counts": {status.name.lower(): counts[status] for status in Status},
        "log_head": None if made.head is None else asdict(made.head),
        "controls": [
            {
                "framework": each.control.framework,
                "control": each.control.control,
                "title": each.control.title,
                "status": each.status.name.lower(),
                "gap": each.control.gap,
                "whose": each.control.whose,
                "because": each.control.because,
            }
            for each in made.verdicts
        ],
    }


def _rows(made: Report) -> Iterator[tuple[str, str, str, str]]:
    for each in made.verdicts:
        control = each.control
        said = f"{control.whose}: {control.because}" if control.because else control.gap
        yield control.framework, control.control, each.status, said


def _examined(seen: Path | None, state: Path | None) -> Examined:
    if seen is None:
        now = time.time()  # noqa: TID251 - the shell
        return examined(seen_from_here(state, now), CHECKS, head_from_here(state))
    if state is not None:
        raise CommandError("usage", "--seen was looked at elsewhere: say it without --state", ExitStatus.USAGE)
    return read_examined(seen)


def _made(found: Examined, tests: Path | None) -> Report:
    by_code: dict[str, tuple[str, ...]] = {}
    for finding in found.findings:
        by_code[finding.code] = (*by_code.get(finding.code, ()), finding.what)
    seen = Seen(by_code, found.looked_at, None)
    if tests is not None:
        tested = results.read(tests)
        seen = evolve(
            seen,
            tests=tested.by_file,
            origin=tested.origin,
            are_of_others=tested.sources != found.sources,
            are_of_other_manifests=tested.manifests != manifests_digest(REPOSITORY),
        )
    verdicts = judge(controls(), seen)
    return Report(found.made_at, found.release, found.facts, FILE.read_bytes(), found.head, seen, verdicts)


def _write(folder: Path, made: Report) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.html").write_text(html(made), encoding="utf-8")
        text = json_codec.dumps(assessment_results(made), indent=1)
        (folder / "report.oscal.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError("cannot_write", f"{printable(folder)} cannot be written into", argument="out") from error

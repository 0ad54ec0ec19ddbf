"""A report as a page for people: one HTML file without anything from elsewhere."""

from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.flockctl.compliance.records import Report, Status


def html(report: Report) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    frameworks = [
        (framework, list(verdicts))
        for framework, verdicts in groupby(report.verdicts, key=lambda verdict: verdict.control.framework)
    ]
    counts = Counter(verdict.status for verdict in report.verdicts)
    made = datetime.fromtimestamp(report.made_at, UTC).isoformat(timespec="seconds")
    template = environment.get_template("report.html")
    return template.render(report=report, frameworks=frameworks, counts=counts, made=made, statuses=list(Status))

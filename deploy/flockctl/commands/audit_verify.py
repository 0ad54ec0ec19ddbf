"""`flockctl audit verify`: the audit log, a range of it or an export of it, verified by keys alone."""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, TypeVar

import typer
from attrs import frozen

from deploy.flockctl.audit.files import keep_head, parse_keys, read_head, read_keys
from deploy.flockctl.audit.source import HttpsLog
from deploy.flockctl.endpoints import Endpoints, find_endpoints
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.options import Json, State
from deploy.flockctl.output import Output
from deploy.flockctl.text import printable
from shared.tlog.export import MAX_LINE_LENGTH, verify_export
from shared.tlog.findings import Report
from shared.tlog.heads import Trust
from shared.tlog.note import Algorithm, VerifierKey
from shared.tlog.verification import verify_log, verify_range

Place = TypeVar("Place")
_RANGE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)

Url = Annotated[
    str | None, typer.Option(help="HTTPS prefix of the log (default: the platform's).", metavar="HTTPS-PREFIX")
]
Export = Annotated[Path | None, typer.Option(help="Verify this export file, offline.", metavar="FILE")]
Range = Annotated[
    str | None, typer.Option("--range", help="Only the entries from A to B, both included.", metavar="A-B")
]
LastHead = Annotated[
    Path | None,
    typer.Option(help="File that keeps the newest head that was verified; made when absent.", metavar="FILE"),
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Key of the log, or of a witness; may be repeated.", metavar="VKEY"),
]
KeyFile = Annotated[
    Path | None, typer.Option(help="File with such keys, one a line (default: the platform's).", metavar="FILE")
]
Ca = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of the authority that vouches for the server (default: the platform's).", metavar="FILE"
    ),
]
Witnesses = Annotated[int, typer.Option(help="So many witnesses must have cosigned the head.", min=0)]


@frozen
class Wanted:
    """What is to be verified, and where."""

    url: str | None
    export: Path | None
    entries: tuple[int, int] | None
    ca: Path | None


def add_verify_command(app: typer.Typer) -> None:
    """Put the command of this file into `app`."""
    app.command("verify")(verify)


def verify(
    *,
    url: Url = None,
    export: Export = None,
    entries: Range = None,
    last_head: LastHead = None,
    key: Keys = None,
    key_file: KeyFile = None,
    ca: Ca = None,
    witnesses: Witnesses = 0,
    json: Json = False,
    state: State = None,
) -> None:
    """Verify the audit log: that each entry is what the tree commits to, and the tree what the signed head says.

    With --last-head also that the log continues what was verified last: only so a log that was cut off, restored from
    an old backup or rewritten by who holds its keys is found. Exit status 0 only when all is well.

    Examples: flockctl audit verify --last-head audit-head

    flockctl audit verify --export export.jsonl --key 'ironflock.local/audit+...'
    """
    if export is not None and (url is not None or entries is not None):
        raise CommandError("usage", "--export is verified whole and offline: no --url, no --range", ExitStatus.USAGE)
    places = _Places(state)
    wanted = Wanted(url=url, export=export, entries=_range(entries), ca=ca)
    trust = Trust(
        keys=_keys(key, key_file, places),
        last_head=read_head(last_head) if last_head is not None else None,
        witnesses=witnesses,
    )
    report = _verified(wanted, trust, places)
    _keep(last_head, trust, report)
    output = Output(as_json=json)
    output.result(payload(report), text_of(report))
    if last_head is None:
        output.notice("without --last-head a log that was cut off or rewritten by who holds its keys is not found")
    if not report.is_well:
        raise typer.Exit(ExitStatus.REFUSED)


class _Places:
    """What endpoints.json says, read when it is needed: whoever names everything needs no platform."""

    def __init__(self, state: Path | None) -> None:
        self._state = state

    def endpoints(self) -> Endpoints:
        return find_endpoints(self._state, dict(os.environ), Path.cwd())

    def url(self) -> str:
        return _named(self.endpoints().audit, "--url")

    def keys(self) -> Path:
        return _named(self.endpoints().audit_keys, "--key or --key-file")


def _named(place: Place | None, option: str) -> Place:
    if place is None:
        raise CommandError("usage", f"this platform's endpoints name no audit log: give {option}", ExitStatus.USAGE)
    return place


def _range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = _RANGE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise CommandError("usage", "--range is A-B, with A not larger than B", ExitStatus.USAGE)
    return int(found[1]), int(found[2]) + 1


def _keys(given: list[str] | None, file: Path | None, places: _Places) -> tuple[VerifierKey, ...]:
    keys = parse_keys(given or [])
    if file is not None or not given:
        keys += read_keys(file if file is not None else places.keys())
    if not any(each.algorithm is Algorithm.ED25519 for each in keys):
        raise CommandError("usage", "no key of a log among the keys", ExitStatus.USAGE)
    return keys


def _verified(wanted: Wanted, trust: Trust, places: _Places) -> Report:
    if wanted.export is not None:
        return _verified_export(wanted.export, trust)
    if wanted.url is None:
        ca = wanted.ca if wanted.ca is not None else places.endpoints().ca
        reader = HttpsLog(places.url(), ca)
    else:
        reader = HttpsLog(wanted.url, wanted.ca)
    with closing(reader):
        if wanted.entries is None:
            return verify_log(reader, trust)
        start, end = wanted.entries
        return verify_range(reader, trust, start=start, end=end)


def _verified_export(file: Path, trust: Trust) -> Report:
    try:
        with file.open("rb") as stream:
            return verify_export(_lines(stream), trust)
    except OSError as error:
        raise CommandError("unreadable_export", f"{printable(file)} cannot be read: {error.strerror}") from error


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.readline(MAX_LINE_LENGTH + 1), b"")


def _keep(file: Path | None, trust: Trust, report: Report) -> None:
    if file is not None and report.is_well and (trust.last_head is None or report.continues_last_head):
        keep_head(file, report.note)


def payload(report: Report) -> dict[str, Any]:
    """The report for programs."""
    head = report.head
    return {
        "well": report.is_well,
        "origin": head.origin if head else None,
        "size": head.size if head else None,
        "root": head.root.hex() if head else None,
        "witnesses": [{"name": each.key.name, "time": each.timestamp} for each in report.cosignatures],
        "entries": report.entries,
        "redacted": report.redacted,
        "continues_last_head": report.continues_last_head,
        "findings": [
            {"code": each.code.value, "sentence": each.sentence, "index": each.index} for each in report.findings
        ],
    }


def text_of(report: Report) -> str:
    """The report for people."""
    lines = []
    if report.head is not None:
        lines.append(f"Log {printable(report.head.origin)}: {report.head.size} entries, root {report.head.root.hex()}.")
        lines += [f"Cosigned by {printable(each.key.name)}." for each in report.cosignatures]
        lines.append(f"Verified: {report.entries} entries, {report.redacted} of them redacted.")
    if report.continues_last_head:
        lines.append("The log continues the head that was verified last.")
    lines += [f"Wrong: {_sentence(each.sentence)} ({each.code.value})" for each in report.findings]
    lines.append("All is well." if report.is_well else "The log is NOT well.")
    return "\n".join(lines)


def _sentence(text: str) -> str:
    return " ".join(printable(word) for word in text.split())

"""`flockctl audit list|show|tail|proof|head|retention`."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from deploy.flockctl.audit.files import read_keys
from deploy.flockctl.audit.proof import verify_proof
from deploy.flockctl.commands.watching import follow
from deploy.flockctl.entries import entry_details, entry_line, entry_table
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.filters import with_filters
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.paging import Everything, Limit, check_limit, newest, say_whether_more
from deploy.flockctl.words import MAX_KEY, key_or_name

MAX_DAYS: Final = 36_500

EntryKey = Annotated[int, typer.Argument(help="Its number.", metavar="ENTRY", min=1, max=MAX_KEY)]
KeyFile = Annotated[
    Path | None, typer.Option(help="File with the log's keys, one a line (default: the platform's).", metavar="FILE")
]


def add_reading_commands(app: typer.Typer) -> None:
    """Put the commands of this file into `app`."""
    command(app, "list")(with_filters(audit_list))
    command(app, "show")(audit_show)
    command(app, "tail")(with_filters(audit_tail))
    command(app, "proof")(audit_proof)
    command(app, "head")(audit_head)
    command(app, "retention")(audit_retention)


async def audit_list(
    operator: Operator,
    chosen: dict[str, Any],
    *,
    limit: Limit = None,
    everything: Everything = False,
) -> None:
    """List entries, the newest first; without a filter all that you may read. Reading is recorded.

    Example: flockctl audit list --project plant --action device.renamed --since 7d
    """
    check_limit(limit, everything=everything)
    procedure = "ironflock.audit.entry.list"
    page = await newest(operator, procedure, "entries", limit=limit, everything=everything, **chosen)
    operator.output.result(page, entry_table(page["entries"]))
    say_whether_more(operator, page)


async def audit_show(operator: Operator, entry: EntryKey) -> None:
    """Show one entry in full.

    Example: flockctl audit show 4711
    """
    found = await operator.call("ironflock.audit.entry.show", entry_id=entry)
    operator.output.result({"entry": found}, entry_details(found))


async def audit_tail(operator: Operator, chosen: dict[str, Any]) -> None:
    """Follow entries as they come, until Ctrl-C; with --json one object a line.

    Example: flockctl audit tail --project plant
    """

    def show(message: dict[str, Any]) -> None:
        if operator.output.as_json:
            write_json(message)
        elif "entry" in message:
            Console().print(Text(entry_line(message["entry"])), soft_wrap=True)

    await follow(operator, "ironflock.audit.entry.tail", show, chosen)


async def audit_proof(operator: Operator, entry: EntryKey, *, key_file: KeyFile = None) -> None:
    """Show the proof that an entry is in the log, and verify it here: size, root, proof and signature of one head.

    Example: flockctl audit proof 4711 --json
    """
    found = await operator.call("ironflock.audit.entry.proof", entry_id=entry)
    opened = verify_proof(found, read_keys(_keys_of(operator, key_file)))
    named = ("leaf_index", "salt", "size", "root")
    hashes = ((f"proof {at}", each) for at, each in enumerate(found["inclusion_proof"]))
    rows = table(("PART", "VALUE"), [*((name, found[name]) for name in named), *hashes])
    operator.output.result({**found, "is_verified": True}, rows)
    signers = ", ".join(signer.name for signer in opened.signers)
    operator.output.notice(f"verified: the entry is in the log of {opened.checkpoint.size} entries signed by {signers}")


def _keys_of(operator: Operator, named: Path | None) -> Path:
    keys = named or operator.endpoints.audit_keys
    if keys is None:
        raise CommandError("usage", "name the file of the log's keys with --key-file", ExitStatus.USAGE)
    return keys


async def audit_head(operator: Operator) -> None:
    """Show the newest head of the log: with it everything before it can be verified.

    Example: flockctl audit head
    """
    found = await operator.call("ironflock.audit.head.show")
    operator.output.result(found, str(found["checkpoint"]).rstrip("\n"))


async def audit_retention(
    operator: Operator,
    project: Annotated[str, typer.Argument(help="Its name or key.")],
    *,
    days: Annotated[int | None, typer.Option(help="Keep its entries so long.", min=1, max=MAX_DAYS)] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Keep its entries for ever.")] = False,
) -> None:
    """Show or set for how long a project's entries are kept. What is older is erased, the log stays verifiable.

    Example: flockctl audit retention plant --days 730
    """
    if forever and days is not None:
        raise CommandError("usage", "--days and --forever cannot be said together. See --help.", ExitStatus.USAGE)
    which: dict[str, Any] = {"project": key_or_name(project, what="project")}
    if forever or days is not None:
        found = await operator.call("ironflock.audit.retention.set", repeatable=False, days=days, **which)
    else:
        found = await operator.call("ironflock.audit.retention.show", **which)
    kept = "for ever" if found["days"] is None else f"{found['days']} days"
    operator.output.result({"retention": found}, table(("PROJECT", "KEPT"), [(found["project_key"], kept)]))
